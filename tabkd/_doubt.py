"""How far a student is from its teacher, by bands of the score: measured on rows that neither learnt from.

A band's point at a level q is the k-th smallest of the n differences that were measured in it, k = ⌈(n + 1) q⌉. If a
new row of the band and the measured ones are exchangeable, such as independent rows of the same population, then the
new row's difference is at most that point with a probability of at least q, for any distribution and any models. The
probability is over the measured rows as well: it holds on average over samples, and for one sample of n rows the share
of new rows up to the point varies around q by about √(q (1 − q) / n). The edges of the bands do not depend on the
measured rows, so that the guarantee holds within each band.

A point at q needs q / (1 − q) rows, 99 for 99 %. A band that has fewer shares its point with its neighbours, and the
guarantee holds for these bands together. Which bands share is decided with the new row counted as one of its band, so
that it and the measured rows stay exchangeable.

References
----------
V. Vovk, A. Gammerman, G. Shafer, "Algorithmic Learning in a Random World", 2005, ch. 4 (Mondrian, that is by band).
A. Angelopoulos, S. Bates, "Conformal Prediction: A Gentle Introduction", 2023, eq. 1 and appendix D.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tabkd._reference import edges_at, moved_apart

#: The levels at which a band has a point, by their names in the metadata.
LEVELS = {"50%": 0.5, "90%": 0.9, "99%": 0.99}
#: The level of the doubt of a row.
DOUBT = "90%"
# Where bands of probabilities always meet: what is true of most rows need not be true of the few with high scores.
_ALWAYS = (0.01, 0.1, 0.5, 0.9, 0.99)
# Where they meet if there are enough rows.
_TENTHS = tuple(k / 10 for k in range(1, 10))
_PROBABILITIES = (0.001, 0.002, 0.005, 0.02, 0.05, *_TENTHS, 0.95, 0.98, 0.995, 0.998, 0.999)
# Where bands of values meet if there are enough rows: the shares of the training rows below.
_SHARES = (0.01, 0.02, 0.05, *_TENTHS, 0.95, 0.98, 0.99)
# Enough rows: a band with fewer than 99 has no separate point at 99 %.
_ENOUGH = 120


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


def measured_doubt(student: np.ndarray, teacher: np.ndarray, task: str, training: np.ndarray) -> dict[str, Any] | None:
    """The doubt of a student, as a model file keeps it.

    Parameters
    ----------
    student, teacher : ndarray of shape (n, K)
        The scores of n > 0 rows that neither was fitted on.
    task : {"classification", "regression"}
        What they predict.
    training : ndarray of shape (m,)
        The scores of training rows, reduced by `banded`, in ascending order: by them bands are chosen that
        have enough rows.

    Returns
    -------
    dict or None
        ``edges``: the edges between the bands, in ascending order. ``bands``: for each band its number of measured
        ``rows``, and its points at ``50%``, ``90%`` and ``99%``, which neighbouring bands share where one has too few
        rows, and which are None where all bands together have too few. The difference of two rows of probabilities is
        the largest over the classes. None for several targets, whose differences have no common unit.

    Examples
    --------
    >>> student = np.arange(50.0)[:, None]
    >>> measured_doubt(student, student + 0.5, "regression", student.ravel())["bands"]
    [{'rows': 50, '50%': 0.5, '90%': 0.5, '99%': None}]
    """
    if task != "classification" and student.shape[1] > 1:
        return None
    differences = np.abs(student - teacher).max(axis=1)
    edges = _edges(training, task, len(student))
    bands, n_bands = np.searchsorted(edges, banded(student, task)), len(edges) + 1
    rows = np.bincount(bands, minlength=n_bands)
    found: list[dict[str, Any]] = [{"rows": int(n)} for n in rows]
    for name, level in LEVELS.items():
        for i in range(n_bands):
            sharing = _sharing(rows, i, _least_rows(level))
            found[i][name] = _point(np.sort(differences[np.isin(bands, sharing)]), level)
    return {"edges": edges, "bands": found}


def doubts(facts: dict[str, Any], scores: np.ndarray) -> np.ndarray:
    """The doubt of each row, shape (n,): the 90 % point of its band; NaN where the band has none.

    Parameters
    ----------
    facts : dict
        What `measured_doubt` returned.
    scores : ndarray of shape (n,)
        Scores, reduced by `banded`.
    """
    points = np.array([math.nan if band[DOUBT] is None else band[DOUBT] for band in facts["bands"]], dtype=np.float64)
    return points[np.searchsorted(np.array(facts["edges"], dtype=np.float64), scores)]


def _edges(training: np.ndarray, task: str, n_rows: int) -> list[float]:
    """The edges between bands, by how many of the measured rows are to be expected in them."""
    is_classifier = task == "classification"
    always = moved_apart(_ALWAYS, training).tolist() if is_classifier else []
    possible = moved_apart(_PROBABILITIES, training) if is_classifier else edges_at(training, _SHARES)
    edges = list(always)
    for low, high in pairwise([-math.inf, *always, math.inf]):
        some = [edge for edge in possible.tolist() if low < edge < high]
        expected = np.searchsorted(training, [low, *some, high], "right") / len(training) * n_rows
        edges += _with_enough(some, expected)
    return sorted(edges)


def _with_enough(edges: list[float], n_below: np.ndarray) -> list[float]:
    """The edges of an interval, from the highest down, that leave enough rows on both sides.

    Parameters
    ----------
    edges : list of float
        In ascending order.
    n_below : ndarray of shape (len(edges) + 2,)
        Number of rows below the interval, below each edge, and below the end of the interval.
    """
    chosen, last = [], n_below[-1]
    for edge, n in zip(reversed(edges), n_below[-2:0:-1], strict=True):
        if min(last - n, n - n_below[0]) >= _ENOUGH:
            chosen.append(edge)
            last = n
    return chosen


def _least_rows(level: float) -> int:
    """The fewest rows that a point at a level needs."""
    # Rounded, because 0.9 / 0.1 may be a little more than 9.
    return math.ceil(round(level / (1 - level), 9))


def _sharing(rows: np.ndarray, band: int, least: int) -> range:
    """The bands that share a point with a band: from the highest down, neighbours until they have enough rows.

    Parameters
    ----------
    rows : ndarray of shape (b,)
        Number of measured rows in each band.
    band : int
        The band of a new row.
    least : int
        Number of measured rows that the point needs.
    """
    counted = rows.copy()
    counted[band] += 1
    starts, total = [], 0
    for i in reversed(range(len(rows))):
        total += counted[i]
        if total > least:
            starts.append(i)
            total = 0
    # The remaining ones have too few rows, and join the lowest bands that have enough.
    ends = [len(rows), *starts[:-1]]
    starts = [*starts[:-1], 0]
    return next(range(start, end) for start, end in zip(starts, ends, strict=True) if start <= band)


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
