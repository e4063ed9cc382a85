"""What a distillation is measured by: pure functions of labels, probabilities and predictions.

Probabilities are of shape (n, K), their columns in the order of `classes`; `codes` are the positions of
the true classes. A measure that is not defined on a test set (one class only, say) is NaN, never an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy.stats import bootstrap
from sklearn.metrics import (
    average_precision_score,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

#: The shares of the rows that a team of reviewers can look at.
REVIEW_BUDGETS = (0.001, 0.005, 0.01)

_EPS = float(np.finfo(np.float64).eps)
_LOGIT_EPS = 1e-7
_MAX_BOOTSTRAP_ROWS = 20_000


@dataclass(frozen=True)
class Interval:
    """A measure with its bootstrap confidence interval; an unbounded end is infinite."""

    value: float
    low: float
    high: float


def class_codes(y, classes) -> np.ndarray:
    """Positions of the labels `y` in `classes`.

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


def normalised(probabilities) -> np.ndarray:
    """Probabilities as float64 on the simplex: no value below zero, rows that sum to one."""
    P = np.clip(np.asarray(probabilities, dtype=np.float64), 0, None)
    total = P.sum(axis=1, keepdims=True)
    return np.divide(P, total, out=np.full_like(P, 1 / P.shape[1]), where=total > 0)


def log_losses(codes, P) -> np.ndarray:
    """The log-loss of each row, -log p(true class), of shape (n,); its mean is the log-loss."""
    return -np.log(np.clip(P[np.arange(len(codes)), codes], _EPS, 1))


def scaled_squared_errors(y, prediction) -> np.ndarray:
    """The squared error of each row over the variance of `y`, averaged over outputs: 1 - mean is R²."""
    y, prediction = _two_d(y), _two_d(prediction)
    variance = y.var(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return ((y - prediction) ** 2 / variance).mean(axis=1)


def kept_share(reference, student, teacher, *, n_resamples=999, confidence=0.95, random_state=0) -> Interval:
    """The share of the teacher's gain over a reference that the student has, with its interval.

    (mean(reference) - mean(student)) / (mean(reference) - mean(teacher)), all three the losses of the same
    rows. With the prior as the reference it is the *skill kept*, with the hard-label student as the
    reference the *recovered gap*.

    Parameters
    ----------
    reference, student, teacher : array of shape (n,)
        Losses of the test rows, lower is better.
    n_resamples : int
        Bootstrap resamples of the test rows, the same rows for all three.
    confidence : float
        The level of the interval.
    random_state : int

    Returns
    -------
    Interval
        NaN throughout where the teacher gains nothing over the reference. The ends are infinite where the
        gain cannot be told from zero at this confidence, since a ratio is then unbounded (Fieller, 1954).
    """
    losses = np.stack([reference, student, teacher])
    value = float(_kept(losses[0].mean(), losses[1].mean(), losses[2].mean()))
    if not np.isfinite(value) or losses.shape[1] < 2:
        return Interval(value, np.nan, np.nan)
    rows = _grouped(losses, random_state)
    distribution = bootstrap(
        tuple(rows),
        _means,
        n_resamples=n_resamples,
        batch=25,
        vectorized=True,
        paired=True,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(random_state),
    ).bootstrap_distribution
    tail = (1 - confidence) / 2
    if np.mean(distribution[0] <= distribution[2]) > tail:
        return Interval(value, -np.inf, np.inf)
    shares = _kept(*distribution)
    low, high = np.nanquantile(shares, [tail, 1 - tail])
    return Interval(value, float(low), float(high))


def mean_difference(a, b, *, n_resamples=999, confidence=0.95, random_state=0) -> Interval:
    """The mean of a - b over the test rows, with its bootstrap interval; losses of the same rows, shape (n,)."""
    difference = _grouped(np.stack([a, b]), random_state)
    difference = difference[0] - difference[1]
    value = float(np.mean(a) - np.mean(b))
    if len(difference) < 2:
        return Interval(value, -np.inf, np.inf)
    draws = bootstrap(
        (difference,),
        np.mean,
        n_resamples=n_resamples,
        batch=25,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(random_state),
    ).confidence_interval
    return Interval(value, float(draws.low), float(draws.high))


def _kept(reference, student, teacher):
    gain = reference - teacher
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gain > 0, (reference - student) / gain, np.nan)


def _means(reference, student, teacher, axis=-1):
    return np.stack([reference.mean(axis), student.mean(axis), teacher.mean(axis)])


def _grouped(losses: np.ndarray, random_state: int) -> np.ndarray:
    """Means of random groups of rows, so that a large test set costs no more than a moderate one."""
    size = losses.shape[1] // _MAX_BOOTSTRAP_ROWS
    if size < 2:
        return losses
    order = np.random.default_rng(random_state).permutation(losses.shape[1])
    groups = losses[:, order[: size * _MAX_BOOTSTRAP_ROWS]]
    return groups.reshape(len(losses), -1, size).mean(axis=2)


def at_budget(positive, score, budget: float) -> tuple[float, float]:
    """Recall and precision among the `budget` share of the rows with the highest scores.

    Rows that tie at the edge count by their share: what a reviewer finds on average who takes them in
    random order.

    Parameters
    ----------
    positive : array of bool of shape (n,)
    score : array of shape (n,)
    budget : float
        Share of the rows that is reviewed; at least one row is.
    """
    positive, score = np.asarray(positive, dtype=bool), np.asarray(score, dtype=np.float64)
    k = max(1, round(budget * len(score)))
    edge = np.partition(score, -k)[-k]
    above, tied = score > edge, score == edge
    share = (k - above.sum()) / tied.sum()
    found = positive[above].sum() + share * positive[tied].sum()
    total = positive.sum()
    return (float(found / total) if total else np.nan), float(found / k)


def expected_calibration_error(codes, P, n_bins: int = 15) -> float:
    """Mean distance between confidence and frequency over bins that hold equally many rows.

    The confidence is the probability of the second class for two classes, and of the predicted class for
    more. Bins of equal mass (Nixon et al., 2019) and not of equal width, so that rare positives do not
    share one bin.
    """
    if P.shape[1] == 2:
        confidence, hit = P[:, 1], np.asarray(codes) == 1
    else:
        confidence, hit = P.max(axis=1), P.argmax(axis=1) == codes
    order = np.argsort(confidence, kind="stable")
    bins = [rows for rows in np.array_split(order, n_bins) if len(rows)]
    gaps = [abs(confidence[rows].mean() - hit[rows].mean()) * len(rows) for rows in bins]
    return float(sum(gaps) / len(order))


def classification_metrics(codes, P, budgets: Sequence[float] = REVIEW_BUDGETS) -> dict[str, float]:
    """Every measure of one contestant's probabilities.

    Parameters
    ----------
    codes : array of int of shape (n,)
        Positions of the true classes.
    P : array of shape (n, K)
        Probabilities on the simplex.
    budgets : sequence of float
        Shares of the rows under review; two classes only.

    Returns
    -------
    dict
        log_loss, accuracy, roc_auc and average_precision (macro one-vs-rest over the classes that occur,
        for more than two), brier (halved for two classes, as in scikit-learn), ece, and for two classes
        recall_at_… and precision_at_….
    """
    codes, K = np.asarray(codes), P.shape[1]
    onehot = np.eye(K)[codes]
    squared = ((P - onehot) ** 2).sum(axis=1).mean()
    metrics = {
        "log_loss": float(log_losses(codes, P).mean()),
        "accuracy": float((P.argmax(axis=1) == codes).mean()),
        "roc_auc": _one_vs_rest(roc_auc_score, onehot, P),
        "average_precision": _one_vs_rest(average_precision_score, onehot, P),
        "brier": float(squared / 2 if K == 2 else squared),
        "ece": expected_calibration_error(codes, P),
    }
    if K == 2:
        for budget in budgets:
            recall, precision = at_budget(codes == 1, P[:, 1], budget)
            metrics[f"recall_at_{budget:.4g}"] = recall
            metrics[f"precision_at_{budget:.4g}"] = precision
    return metrics


def _one_vs_rest(measure, onehot, P) -> float:
    """The mean of a ranking measure over the classes for which it is defined; two classes: the second."""
    columns = [1] if P.shape[1] == 2 else range(P.shape[1])
    values = [measure(onehot[:, k], P[:, k]) for k in columns if 0 < onehot[:, k].sum() < len(onehot)]
    return float(np.mean(values)) if values else np.nan


def regression_metrics(y, prediction) -> dict[str, float]:
    """R², RMSE and MAE; the mean over the outputs where there are several."""
    y, prediction = _two_d(y), _two_d(prediction)
    return {
        "r2": float(r2_score(y, prediction)) if len(y) > 1 else np.nan,
        "rmse": float(root_mean_squared_error(y, prediction)),
        "mae": float(mean_absolute_error(y, prediction)),
    }


def classification_fidelity(teacher, student) -> dict[str, float]:
    """How alike two matrices of probabilities are, whatever the truth.

    Returns
    -------
    dict
        agreement: share of rows with the same most probable class; kl: mean Kullback-Leibler divergence of
        the student from the teacher, in nats; logit_correlation: Pearson's, of the log-odds (two classes)
        or the centred log-probabilities.
    """
    clipped = partial(np.clip, a_min=_EPS, a_max=1)
    kl = (teacher * (np.log(clipped(teacher)) - np.log(clipped(student)))).sum(axis=1)
    return {
        "agreement": float((teacher.argmax(axis=1) == student.argmax(axis=1)).mean()),
        "kl": float(kl.mean()),
        "logit_correlation": _correlation(_logits(teacher), _logits(student)),
    }


def regression_fidelity(teacher, student) -> dict[str, float]:
    """How alike two sets of predictions are: R², RMSE and correlation of the student to the teacher."""
    teacher, student = _two_d(teacher), _two_d(student)
    metrics = regression_metrics(teacher, student)
    correlations = [_correlation(a, b) for a, b in zip(teacher.T, student.T, strict=True)]
    return {
        "r2_to_teacher": metrics["r2"],
        "rmse_to_teacher": metrics["rmse"],
        "correlation": float(np.mean(correlations)),
    }


def _logits(P: np.ndarray) -> np.ndarray:
    logs = np.log(np.clip(P, _LOGIT_EPS, 1))
    return logs[:, 1] - logs[:, 0] if P.shape[1] == 2 else (logs - logs.mean(axis=1, keepdims=True)).ravel()


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation; NaN where one side is constant."""
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / scale) if scale > 0 else np.nan


def _two_d(y) -> np.ndarray:
    y = np.asarray(y, dtype=np.float64)
    return y.reshape(len(y), -1)
