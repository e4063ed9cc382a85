"""How far a student is from its teacher, by bands of the score: measured on rows that neither learnt from.

A band's point at a level q is the k-th smallest of the n differences that were measured in it, k = ⌈(n + 1) q⌉. If a
new row of the band and the measured ones are exchangeable, such as independent rows of the same population, then the
new row's difference is at most that point with a probability of at least q, whatever the distribution and the models
are. The probability is over the measured rows as well: it holds on average over samples, and for one sample of n rows
the share of new rows up to the point varies around q by about √(q (1 − q) / n). The edges of the bands do not depend on
the measured rows, so that the guarantee holds within each band.

References
----------
V. Vovk, A. Gammerman, G. Shafer, "Algorithmic Learning in a Random World", 2005, ch. 4 (Mondrian, that is by band).
A. Angelopoulos, S. Bates, "Conformal Prediction: A Gentle Introduction", 2023, eq. 1 and appendix D.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tabkd._reference import edges_at

#: The levels at which a band has a point, by their names in the metadata.
LEVELS = {"50%": 0.5, "90%": 0.9, "99%": 0.99}
#: The level of the doubt of a row.
DOUBT = "90%"
# Shares of the training rows below an edge: deciles, and finer ones where few scores are, as those of most alerts.
_TAIL = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
_SHARES = (*_TAIL, *(k / 10 for k in range(1, 10)), *(1 - share for share in reversed(_TAIL)))
# Expected number of measured rows in a band: with fewer than 99 it has no point at 99 %.
_LEAST_ROWS = 150


def banded(scores: np.ndarray, task: str) -> np.ndarray:
    """Reduce scores (n, K) to one number per row, shape (n,), by which rows are put into bands.

    It is the probability of the second of two classes, the probability of the most probable of several classes, or the
    value of the first target.

    Parameters
    ----------
    scores : ndarray of shape (n, K)
        Probabilities of the classes, or predictions.
    task : {"classification", "regression"}
        What the model predicts.
    """
    if task != "classification":
        return scores[:, 0]
    return scores[:, 1] if scores.shape[1] == 2 else scores.max(axis=1)


def measured(student: np.ndarray, teacher: np.ndarray, task: str, training: np.ndarray) -> dict[str, Any] | None:
    """The doubt of a student, as a model file keeps it.

    Parameters
    ----------
    student, teacher : ndarray of shape (n, K)
        The scores of n > 0 rows that neither was fitted on.
    task : {"classification", "regression"}
        What they predict.
    training : ndarray of shape (m,)
        The scores of training rows, reduced by `banded`, in ascending order: bands have similar shares of these.

    Returns
    -------
    dict or None
        ``edges``: the edges between the bands, in ascending order. ``bands``: for each band its number of measured
        ``rows``, and its points at ``50%``, ``90%`` and ``99%``, None where it has too few rows for one. The
        difference of two rows of probabilities is the largest over the classes. None for several targets, whose
        differences have no common unit.

    Examples
    --------
    >>> student = np.arange(50.0)[:, None]
    >>> measured(student, student + 0.5, "regression", student.ravel())["bands"]
    [{'rows': 50, '50%': 0.5, '90%': 0.5, '99%': None}]
    """
    if task != "classification" and student.shape[1] > 1:
        return None
    differences = np.abs(student - teacher).max(axis=1)
    edges = edges_at(training, _shares(len(student)))
    bands = np.searchsorted(edges, banded(student, task))
    return {
        "edges": edges.tolist(),
        "bands": [_band(np.sort(differences[bands == i])) for i in range(len(edges) + 1)],
    }


def doubts(facts: dict[str, Any], scores: np.ndarray) -> np.ndarray:
    """The doubt of each row, shape (n,): the 90 % point of its band; NaN where the band has none.

    Parameters
    ----------
    facts : dict
        What `measured` returned.
    scores : ndarray of shape (n,)
        Scores, reduced by `banded`.
    """
    points = np.array([math.nan if band[DOUBT] is None else band[DOUBT] for band in facts["bands"]])
    return points[np.searchsorted(np.array(facts["edges"]), scores)]


def _shares(n_rows: int) -> list[float]:
    """The shares of the training rows below each edge, so that a band can expect enough of the measured rows."""
    shares: list[float] = []
    for share in _SHARES:
        last = shares[-1] if shares else 0.0
        if min(share - last, 1 - share) * n_rows >= _LEAST_ROWS:
            shares.append(share)
    return shares


def _band(differences: np.ndarray) -> dict[str, Any]:
    """The number of differences, which are in ascending order, and their points."""
    return {"rows": len(differences), **{name: _point(differences, level) for name, level in LEVELS.items()}}


def _point(differences: Sequence[float] | np.ndarray, level: float) -> float | None:
    # Rounded, because 0.9 · 10 may be a little more than 9.
    k = math.ceil(round((len(differences) + 1) * level, 9))
    # Rounded up, to few digits.
    return _up(float(differences[k - 1])) if k <= len(differences) else None


def _up(value: float) -> float:
    """The next number of four significant digits that is not smaller."""
    if value == 0:
        return 0.0
    digits = 3 - math.floor(math.log10(value))
    return next(up for up in (round(value, digits), round(value + 10.0**-digits, digits)) if up >= value)
