"""How similar teacher and student are, regardless of the truth."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from tabkd.evaluation._metrics import EPS, mean, regression_metrics, two_d

# Probabilities are clipped to this distance from zero and one.
_LOGIT_EPS = 1e-7


def classification_fidelity(
    teacher: np.ndarray, student: np.ndarray, sample_weight: np.ndarray | None = None
) -> dict[str, float]:
    """How similar two matrices of probabilities are, regardless of the truth.

    Parameters
    ----------
    teacher, student : array of shape (n, K)
        Probabilities on the simplex.
    sample_weight : array of shape (n,), optional
        How much each row counts; equally without it.

    Returns
    -------
    dict
        agreement: share of rows with the same most probable class; kl: mean Kullback-Leibler divergence of
        the student from the teacher, in nats; logit_correlation: Pearson's, of the log-odds (two classes)
        or the centred log-probabilities.
    """
    clipped = partial(np.clip, a_min=EPS, a_max=1)
    kl = (teacher * (np.log(clipped(teacher)) - np.log(clipped(student)))).sum(axis=1)
    weights = np.ones(len(teacher)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    logits, likewise = _logits(teacher), _logits(student)
    return {
        "agreement": float(mean(teacher.argmax(axis=1) == student.argmax(axis=1), sample_weight)),
        "kl": float(mean(kl, sample_weight)),
        "logit_correlation": _correlation(logits, likewise, np.repeat(weights, len(logits) // len(weights))),
    }


def regression_fidelity(
    teacher: ArrayLike, student: ArrayLike, sample_weight: np.ndarray | None = None
) -> dict[str, float]:
    """How similar two sets of predictions are: R², RMSE and correlation of the student with the teacher.

    Parameters
    ----------
    teacher, student : array of shape (n,) or (n, n_outputs)
        Predictions.
    sample_weight : array of shape (n,), optional
        How much each row counts; equally without it.
    """
    teacher, student = two_d(teacher), two_d(student)
    metrics = regression_metrics(teacher, student, sample_weight)
    weights = np.ones(len(teacher)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    correlations = [_correlation(a, b, weights) for a, b in zip(teacher.T, student.T, strict=True)]
    return {
        "r2_to_teacher": metrics["r2"],
        "rmse_to_teacher": metrics["rmse"],
        "correlation": float(np.mean(correlations)),
    }


def _logits(P: np.ndarray) -> np.ndarray:
    logs = np.log(np.clip(P, _LOGIT_EPS, 1))
    return logs[:, 1] - logs[:, 0] if P.shape[1] == 2 else (logs - logs.mean(axis=1, keepdims=True)).ravel()


def _correlation(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> float:
    """Pearson's correlation; NaN if one side is constant."""
    a, b = a - mean(a, weights), b - mean(b, weights)
    scale = np.sqrt((weights * a**2).sum() * (weights * b**2).sum())
    return float((weights * a * b).sum() / scale) if scale > 0 else np.nan
