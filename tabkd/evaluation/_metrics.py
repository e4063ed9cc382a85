"""The measures of a distillation: pure functions of labels, probabilities and predictions.

Probabilities are of shape (n, K), their columns in the order of `classes`; `codes` are the positions of the true
classes. `sample_weight` says how much each row counts; without it all rows count equally. A measure that is not defined
on a test set (one class only, say) is NaN, never an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.metrics import (
    average_precision_score,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

from tabkd._review import cut, n_alerts

#: The shares of the rows that a team of reviewers can look at.
REVIEW_BUDGETS = (0.001, 0.005, 0.01)

#: The least probability whose logarithm is taken.
EPS = float(np.finfo(np.float64).eps)


def class_codes(y: ArrayLike, classes: ArrayLike) -> np.ndarray:
    """Positions of the labels `y` in `classes`.

    Parameters
    ----------
    y : array of shape (n,)
        Labels.
    classes : array of shape (K,)
        All labels.

    Raises
    ------
    ValueError
        A label is not among `classes`.
    """
    y, classes = np.asarray(y), np.asarray(classes)
    codes = pd.Index(classes).get_indexer(pd.Index(y))
    if (codes < 0).any():
        strangers, n = pd.unique(y[codes < 0]).tolist()[:5], int((codes < 0).sum())
        raise ValueError(
            f"y has classes {strangers} that were not in training ({n} of {len(y)} rows); "
            f"the model knows {classes.tolist()[:10]}. Leave these rows out, or train on some of them."
        )
    return codes


def normalised(probabilities: ArrayLike) -> np.ndarray:
    """Probabilities as float64 on the simplex: no value below zero, rows that sum to one.

    Parameters
    ----------
    probabilities : array of shape (n, K)
        Rows that need not sum to one.
    """
    P = np.clip(np.asarray(probabilities, dtype=np.float64), 0, None)
    total = P.sum(axis=1, keepdims=True)
    return np.divide(P, total, out=np.full_like(P, 1 / P.shape[1]), where=total > 0)


def log_losses(codes: np.ndarray, P: np.ndarray) -> np.ndarray:
    """The log-loss of each row, -log p(true class), of shape (n,); its mean is the log-loss.

    Parameters
    ----------
    codes : array of int of shape (n,)
        Positions of the true classes.
    P : array of shape (n, K)
        Probabilities on the simplex.
    """
    return -np.log(np.clip(P[np.arange(len(codes)), codes], EPS, 1))


def brier_losses(codes: np.ndarray, P: np.ndarray) -> np.ndarray:
    """The squared error of each row's probabilities, halved for two classes, of shape (n,).

    Parameters
    ----------
    codes : array of int of shape (n,)
        Positions of the true classes.
    P : array of shape (n, K)
        Probabilities on the simplex.
    """
    squared = ((P - np.eye(P.shape[1])[codes]) ** 2).sum(axis=1)
    return squared / 2 if P.shape[1] == 2 else squared


def mean(values: np.ndarray, sample_weight: np.ndarray | None = None) -> Any:
    """The mean over the rows: a number for values (n,), an array (K,) for values (n, K).

    Parameters
    ----------
    values : array of shape (n,) or (n, K)
        What is averaged.
    sample_weight : array of shape (n,), optional
        How much each row counts; equally without it.
    """
    if sample_weight is None:
        return np.mean(values, axis=0)
    return np.average(values, axis=0, weights=sample_weight)


def scaled_squared_errors(y: ArrayLike, prediction: ArrayLike, sample_weight: np.ndarray | None = None) -> np.ndarray:
    """The squared error of each row over the variance of `y`, averaged over outputs: 1 - mean is R².

    Parameters
    ----------
    y, prediction : array of shape (n,) or (n, n_outputs)
        The truth, and what is said of it.
    sample_weight : array of shape (n,), optional
        How much each row counts; equally without it.
    """
    y, prediction = two_d(y), two_d(prediction)
    variance = mean((y - mean(y, sample_weight)) ** 2, sample_weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        return ((y - prediction) ** 2 / variance).mean(axis=1)


def at_budget(
    positive: ArrayLike, score: ArrayLike, budget: float, sample_weight: ArrayLike | None = None
) -> tuple[float, float]:
    """Recall and precision among the `budget` share of the rows with the highest scores.

    Rows that tie at the edge count by a share, as on average for a reviewer who takes them in random order.

    Parameters
    ----------
    positive : array of bool of shape (n,)
        Which rows are to be found.
    score : array of shape (n,)
        The highest are reviewed.
    budget : float
        Share of the rows that is reviewed, by weight; at least one row of average weight is.
    sample_weight : array of shape (n,), optional
        How much each row counts; equally without it.
    """
    positive, score = np.asarray(positive, dtype=bool), np.asarray(score, dtype=np.float64)
    weights = np.ones(len(score)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    weights = weights * (len(weights) / weights.sum())
    k = n_alerts(budget, len(score), weighted=sample_weight is not None)
    alerted = cut(score, k, weights).alerted(score)
    found = float(weights[positive] @ alerted[positive])
    total = weights[positive].sum()
    return (float(found / total) if total else np.nan), float(found / k)


def expected_calibration_error(
    codes: np.ndarray, P: np.ndarray, n_bins: int = 15, sample_weight: ArrayLike | None = None
) -> float:
    """Mean distance between confidence and frequency over bins that hold equally many rows.

    The confidence is the probability of the second class for two classes, and of the predicted class for more. Bins
    have equal mass (Nixon et al., 2019) and not equal width, so that rare positives do not all share one bin.

    Parameters
    ----------
    codes : array of int of shape (n,)
        Positions of the true classes.
    P : array of shape (n, K)
        Probabilities on the simplex.
    n_bins : int
        How many bins.
    sample_weight : array of shape (n,), optional
        How much each row counts; equally without it.
    """
    if P.shape[1] == 2:
        confidence, hit = P[:, 1], np.asarray(codes) == 1
    else:
        confidence, hit = P.max(axis=1), P.argmax(axis=1) == codes
    weights = np.ones(len(confidence)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    order = np.argsort(confidence, kind="stable")
    bins = [rows for rows in np.array_split(order, n_bins) if len(rows)]
    gaps = [abs((weights[rows] * (confidence[rows] - hit[rows])).sum()) for rows in bins]
    return float(sum(gaps) / weights.sum())


def classification_metrics(
    codes: np.ndarray,
    P: np.ndarray,
    budgets: Sequence[float] = REVIEW_BUDGETS,
    sample_weight: np.ndarray | None = None,
) -> dict[str, float]:
    """Every measure of one contestant's probabilities.

    Parameters
    ----------
    codes : array of int of shape (n,)
        Positions of the true classes.
    P : array of shape (n, K)
        Probabilities on the simplex.
    budgets : sequence of float
        Shares of the rows under review; two classes only.
    sample_weight : array of shape (n,), optional
        How much each row counts; equally without it.

    Returns
    -------
    dict
        log_loss, accuracy, roc_auc and average_precision (macro one-vs-rest over the classes that occur,
        for more than two), brier (halved for two classes, as in scikit-learn), ece, and for two classes
        recall_at_… and precision_at_….
    """
    codes, K, w = np.asarray(codes), P.shape[1], sample_weight
    onehot = np.eye(K)[codes]
    metrics = {
        "log_loss": float(mean(log_losses(codes, P), w)),
        "accuracy": float(mean(P.argmax(axis=1) == codes, w)),
        "roc_auc": _one_vs_rest(roc_auc_score, onehot, P, w),
        "average_precision": _one_vs_rest(average_precision_score, onehot, P, w),
        "brier": float(mean(brier_losses(codes, P), w)),
        "ece": expected_calibration_error(codes, P, sample_weight=w),
    }
    if K == 2:
        for budget in budgets:
            recall, precision = at_budget(codes == 1, P[:, 1], budget, w)
            metrics[f"recall_at_{budget:.4g}"] = recall
            metrics[f"precision_at_{budget:.4g}"] = precision
    return metrics


def ranked_classes(codes: np.ndarray, n_classes: int, sample_weight: np.ndarray | None = None) -> list[int]:
    """The classes by which a ranking is measured: the second of two; of more, each class that some but not all rows
    have.

    Parameters
    ----------
    codes : array of int of shape (n,)
        Positions of the true classes.
    n_classes : int
        How many classes there are, K.
    sample_weight : array of shape (n,), optional
        How much each row counts; equally without it.
    """
    weights = np.bincount(codes, weights=sample_weight, minlength=n_classes)
    ranked = [k for k in range(n_classes) if 0 < weights[k] < weights.sum()]
    return ranked[1:] if n_classes == 2 else ranked


def _one_vs_rest(
    measure: Callable[..., float], onehot: np.ndarray, P: np.ndarray, sample_weight: np.ndarray | None
) -> float:
    """The mean of a ranking measure over the classes for which it is defined; two classes: the second."""
    columns = ranked_classes(onehot.argmax(axis=1), P.shape[1], sample_weight)
    values = [measure(onehot[:, k], P[:, k], sample_weight=sample_weight) for k in columns]
    return float(np.mean(values)) if values else np.nan


def per_class_recall(
    codes: np.ndarray, scores: Mapping[str, np.ndarray], n_classes: int, sample_weight: np.ndarray | None = None
) -> list[dict[str, float]]:
    """How often each contestant predicts each class where it is true.

    Parameters
    ----------
    codes : array of int of shape (n,)
        Positions of the true classes.
    scores : mapping of str to array of shape (n, K)
        The probabilities of each contestant.
    n_classes : int
        How many classes there are, K.
    sample_weight : array of shape (n,), optional
        How much each row counts; equally without it.

    Returns
    -------
    list of dict
        For each class its support, the number of its rows, and `…_recall` for each contestant, NaN without rows.
    """
    hits = {name: P.argmax(axis=1) == codes for name, P in scores.items()}
    weights = np.ones(len(codes)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    found = []
    for k in range(n_classes):
        rows = codes == k
        total = weights[rows].sum()
        recalls = {
            f"{name}_recall": (weights[rows] @ hit[rows]) / total if total else np.nan for name, hit in hits.items()
        }
        found.append({"support": int(rows.sum())} | {name: float(recall) for name, recall in recalls.items()})
    return found


def regression_metrics(
    y: ArrayLike, prediction: ArrayLike, sample_weight: np.ndarray | None = None
) -> dict[str, float]:
    """R², RMSE and MAE, averaged over several outputs. No R² for an output with a single value.

    Parameters
    ----------
    y, prediction : array of shape (n,) or (n, n_outputs)
        The truth, and what is said of it.
    sample_weight : array of shape (n,), optional
        How much each row counts; equally without it.
    """
    y, prediction, w = two_d(y), two_d(prediction), sample_weight
    return {
        "r2": float(r2_score(y, prediction, sample_weight=w)) if np.ptp(y, axis=0).min() > 0 else np.nan,
        "rmse": float(root_mean_squared_error(y, prediction, sample_weight=w)),
        "mae": float(mean_absolute_error(y, prediction, sample_weight=w)),
    }


def two_d(y: ArrayLike) -> np.ndarray:
    """Values as float64 of shape (n, n_outputs).

    Parameters
    ----------
    y : array of shape (n,) or (n, n_outputs)
        Values.
    """
    y = np.asarray(y, dtype=np.float64)
    return y.reshape(len(y), -1)
