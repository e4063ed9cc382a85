"""The decisions that change when the student replaces its teacher: which rows of a review budget stay, come and go.

The intervals are exact binomial ones (Clopper and Pearson). They hold for a handful of alerts, even if none changes; a
bootstrap of ten unchanged alerts would say that none ever changes. Both models have the same number of alerts, so as
many come as go, and one interval covers both.

References
----------
C. Clopper, E. Pearson, "The Use of Confidence or Fiducial Limits Illustrated in the Case of the Binomial", Biometrika
26, 1934. L. Kish, "Survey Sampling", 1965: the number of equally weighted rows that weighted rows are worth.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import betaincinv

from tabkd._reference import ranked
from tabkd._review import LEAST_ALERTS, Cut, cut, n_alerts, overlap
from tabkd.evaluation._scores import Scores

_TAIL = 0.025


def unranked(scores: Scores) -> str | None:
    """Why the scores do not rank rows for a review; None if they do.

    Parameters
    ----------
    scores : Scores
        Of teacher and student.
    """
    if scores.task == "classification":
        n = len(scores.classes)
        return None if n == 2 else f"a review ranks rows by the second of two classes; the model has {n}"
    n = 1 if scores.truth.ndim == 1 else scores.truth.shape[1]
    return None if n == 1 else f"a review ranks rows by one target; the model has {n}"


def decisions(scores: Scores, budget: float) -> dict[str, Any]:
    """Which alerts of a budget stay, come and go, as :class:`tabkd.evaluation.Report` describes it.

    Parameters
    ----------
    scores : Scores
        Of teacher and student, for two classes or one target.
    budget : float
        The share of the rows that alert.
    """
    alerts, weights = _n_alerts(scores, budget), _scaled_weights(scores)
    old, new = (cut_of(scores, name, budget) for name in ("teacher", "student"))
    of_old, of_new = old.alerted(_ranked(scores, "teacher")), new.alerted(_ranked(scores, "student"))
    parts = overlap(of_old, of_new)
    same, come, go = (float(weights @ part) for part in parts)
    n_effective = _effective(of_old, weights)
    enough = n_effective >= LEAST_ALERTS
    return {
        "budget": budget,
        "alerts": alerts,
        "teacher_threshold": old.threshold,
        "student_threshold": new.threshold,
        "teacher_ties": old.ties,
        "student_ties": new.ties,
        "same": same,
        "come": come,
        "go": go,
        "changed": go / alerts,
        "changed_interval": exact_interval(go / alerts, n_effective) if enough else None,
        "worth": {name: _worth(scores, weights * part) for name, part in parts._asdict().items()},
        "reason": None if enough else too_few(n_effective),
    }


def cut_of(scores: Scores, name: str, budget: float) -> Cut:
    """Where the alerts of a contestant begin at a budget.

    Parameters
    ----------
    scores : Scores
        Of two classes or one target.
    name : str
        The contestant.
    budget : float
        The share of the rows that alert.
    """
    weights = None if scores.sample_weight is None else _scaled_weights(scores)
    return cut(_ranked(scores, name), _n_alerts(scores, budget), weights)


def too_few(n: float) -> str:
    """Why this number of alerts has no interval."""
    return f"{n:.3g} test row{'s' if n != 1 else ''} in the budget; an interval needs {LEAST_ALERTS}"


def exact_interval(share: float, n: float) -> tuple[float, float]:
    """The 95 % interval of a share of n rows, by Clopper and Pearson; n need not be whole.

    Parameters
    ----------
    share : float
        The share of the rows that was found.
    n : float
        The number of rows.

    Examples
    --------
    >>> low, high = exact_interval(0.0, 10)
    >>> round(low, 3), round(high, 3)
    (0.0, 0.308)
    """
    found = share * n
    low = 0.0 if found <= 0 else float(betaincinv(found, n - found + 1, _TAIL))
    high = 1.0 if found >= n else float(betaincinv(found + 1, n - found, 1 - _TAIL))
    return low, high


def _ranked(scores: Scores, name: str) -> np.ndarray:
    """The number by which each row is reviewed: the probability of the second class, or the value."""
    return ranked(scores[name].reshape(len(scores.truth), -1), scores.task)


def _n_alerts(scores: Scores, budget: float) -> float:
    n_rows = len(scores.truth)
    return min(n_alerts(budget, n_rows, scores.sample_weight is not None), n_rows)


def _scaled_weights(scores: Scores) -> np.ndarray:
    """The weights of the rows, whose sum is the number of rows."""
    return scores.weights * (len(scores.truth) / scores.weights.sum())


def _effective(alerted: np.ndarray, weights: np.ndarray) -> float:
    """The number of equally weighted rows that the alerts are worth, by Kish."""
    return float((alerted @ weights) ** 2 / (alerted @ weights**2))


def _worth(scores: Scores, weights: np.ndarray) -> float | None:
    """The share of the second class among weighted rows, or their mean value; None without rows."""
    total = weights.sum()
    return float(weights @ scores.truth.reshape(len(weights)) / total) if total > 0 else None
