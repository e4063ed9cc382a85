"""The figures of a report as numbers: curves, calibration, distributions, and scores against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from tabkd._review import Cut
from tabkd.evaluation._decisions import cut_of
from tabkd.evaluation._scores import Scores
from tabkd.evaluation._single_score import SingleScore

# Points of a curve, bins of a calibration, of a distribution, and of each side of a map of two scores.
_POINTS, _CALIBRATION, _BINS, _CELLS = 120, 10, 40, 32
_DIGITS = 5


def figures(found: SingleScore, scores: Scores, budget: float | None = None) -> dict[str, Any]:
    """The figures of one score of each row.

    Parameters
    ----------
    found : SingleScore
        One score of teacher and student for each row.
    scores : Scores
        All scores.
    budget : float, optional
        A share of the rows that is reviewed, which the curves mark.

    Returns
    -------
    dict
        score: what it is. distribution: edges and, for teacher and student, shares of rows. pairs: edges, and the
        shares of rows (teacher, student) between them. calibration: for teacher and student, the mean score
        and the mean outcome of each tenth of the rows. For two classes roc, with x (false positive rate) and y (true
        positive rate), and precision_recall, with x (recall) and y (precision), and marks: where the budget is on both.
    """
    both = {"teacher": found.teacher, "student": found.student}
    bins, cells = (_edges(found, n) for n in (_BINS, _CELLS))
    shown: dict[str, Any] = {
        "score": found.name,
        "distribution": {"edges": _round(bins)} | {name: _shares(score, bins, found) for name, score in both.items()},
        "pairs": {"edges": _round(cells), "shares": _map(found, cells)},
        "calibration": {name: _calibration(score, found) for name, score in both.items()},
    }
    if len(scores.classes) == 2 and 0 < np.average(found.outcome, weights=found.weights) < 1:
        shown["roc"] = {name: _roc(score, found) for name, score in both.items()}
        shown["precision_recall"] = {name: _precision_recall(score, found) for name, score in both.items()}
        shown["marks"] = _marks(found, scores, budget)
    return shown


def _edges(found: SingleScore, n: int) -> np.ndarray:
    """Edges of n equal bins over nearly all scores; a few extreme ones are counted in the outermost bins."""
    scores = np.concatenate([found.teacher, found.student])
    low, high = np.quantile(scores, [0.002, 0.998])
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, n + 1)


def _places(score: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.searchsorted(edges[1:-1], score, side="right")


def _shares(score: np.ndarray, edges: np.ndarray, found: SingleScore) -> list[float]:
    times = np.bincount(_places(score, edges), found.weights, minlength=len(edges) - 1)
    return _round(times / times.sum())


def _map(found: SingleScore, edges: np.ndarray) -> list[list[float]]:
    n = len(edges) - 1
    flat = _places(found.teacher, edges) * n + _places(found.student, edges)
    times = np.bincount(flat, found.weights, minlength=n * n)
    return [_round(row) for row in (times / times.sum()).reshape(n, n)]


def _calibration(score: np.ndarray, found: SingleScore) -> dict[str, list[float]]:
    """Mean score and mean outcome in bins of a tenth of the rows each; equal scores share a bin."""
    edges = np.unique(np.quantile(score, np.linspace(0, 1, _CALIBRATION + 1)[1:-1]))
    places = np.searchsorted(edges, score, side="left")
    weights = np.bincount(places, found.weights, minlength=len(edges) + 1)
    kept = weights > 0
    means = (np.bincount(places, found.weights * part, minlength=len(weights)) for part in (score, found.outcome))
    x, y = (_round(part[kept] / weights[kept]) for part in means)
    return {"x": x, "y": y}


def _roc(score: np.ndarray, found: SingleScore) -> dict[str, list[float]]:
    x, y, _ = roc_curve(found.outcome, score, sample_weight=found.weights)
    return _thinned(x, y)


def _precision_recall(score: np.ndarray, found: SingleScore) -> dict[str, list[float]]:
    precision, recall, _ = precision_recall_curve(found.outcome, score, sample_weight=found.weights)
    return _thinned(recall[::-1], precision[::-1])


def _marks(found: SingleScore, scores: Scores, budget: float | None) -> dict[str, Any]:
    """Where a budget is on the ROC curves, and on those of precision and recall."""
    if budget is None:
        return {"budget": None, "roc": {}, "precision_recall": {}}
    both = {"teacher": found.teacher, "student": found.student}
    places = {name: _at(score, found, cut_of(scores, name, budget)) for name, score in both.items()}
    return {
        "budget": budget,
        "roc": {name: (false, recall) for name, (recall, false, _) in places.items()},
        "precision_recall": {name: (recall, precision) for name, (recall, _, precision) in places.items()},
    }


def _at(score: np.ndarray, found: SingleScore, cut: Cut) -> tuple[float, float, float]:
    """Recall, false positive rate and precision among the rows that alert."""
    alerted = found.weights * cut.alerted(score)
    right, reviewed = float(alerted @ found.outcome), float(alerted.sum())
    positive = float(found.weights @ found.outcome)
    return right / positive, (reviewed - right) / (float(found.weights.sum()) - positive), right / reviewed


def _thinned(x: np.ndarray, y: np.ndarray) -> dict[str, list[float]]:
    """Some points of a curve, evenly spaced along it."""
    along = np.concatenate([[0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    kept = np.unique(np.searchsorted(along, np.linspace(0, along[-1], _POINTS)).clip(max=len(x) - 1))
    return {"x": _round(x[kept]), "y": _round(y[kept])}


def _round(values: np.ndarray) -> list[float]:
    """Five significant digits, so that a report stays small."""
    return [float(f"{value:.{_DIGITS}g}") for value in np.asarray(values).tolist()]
