"""What changes between two models: alerts, scores, levels of segments and speed, exact over all rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tabkd._compare.models import Model, Student
from tabkd._compare.passed import Passed
from tabkd._compare.places import Places
from tabkd._compare.segments import Levels
from tabkd._pace import alternate, pace
from tabkd._reference import N_BINS, edges_at, stability_index
from tabkd._review import Cut, Overlap, cut, n_alerts, overlap

_DECILES = np.linspace(0, 1, N_BINS + 1)[1:-1]
_POINTS = {"50%": 0.5, "90%": 0.9, "99%": 0.99}
# Seconds that each model is timed, for batches and again for single rows.
_SECONDS, _MOST_RUNS = 0.5, 300


class Alerts:
    """The alerts of both models at a budget.

    Parameters
    ----------
    passed : Passed
        All rows.
    budget : float
        The share of them that alert.
    """

    def __init__(self, passed: Passed, budget: float):
        self._budget, self._n = budget, n_alerts(budget, len(passed.old))
        self._old, self._new = cut(passed.old, self._n), cut(passed.new, self._n)
        #: The rows that alert, as places among all rows and among the candidates.
        self.rows, self.among_candidates = _alerted(passed, self._old, self._new)
        old, new = passed.old[self.rows], passed.new[self.rows]
        #: How much of each of these rows is an alert of the old model, and of the new one.
        self.of_old, self.of_new = self._old.alerted(old), self._new.alerted(new)
        #: How much of each of them stays, comes and goes.
        self.parts: Overlap = overlap(self.of_old, self.of_new)

    def entry(self, places: Places, bins: np.ndarray) -> dict[str, Any]:
        """The alerts in numbers, and where they come and go; see `tabkd.compare`."""
        same, come, go = (float(part.sum()) for part in self.parts)
        return {
            "budget": self._budget,
            "alerts": self._n,
            "old_threshold": self._old.threshold,
            "new_threshold": self._new.threshold,
            "old_ties": self._old.ties,
            "new_ties": self._new.ties,
            "same": same,
            "come": come,
            "go": go,
            "changed": go / self._n,
            "places": places.most(bins[self.among_candidates], self.parts),
        }

    def by_level(self, codes: np.ndarray, n_levels: int) -> list[dict[str, float]]:
        """The alerts of each level of a segment: of the old model, of the new one, and of both."""
        mine = codes[self.rows]
        counted = [np.bincount(mine, part, minlength=n_levels) for part in (self.of_old, self.of_new, self.parts.same)]
        named = ("old", "new", "same")
        return [
            {"budget": self._budget, **dict(zip(named, map(float, of_level), strict=True))}
            for of_level in zip(*counted, strict=True)
        ]


def _alerted(passed: Passed, old: Cut, new: Cut) -> tuple[np.ndarray, np.ndarray]:
    rows = passed.candidates
    mine = np.flatnonzero((passed.old[rows] >= old.threshold) | (passed.new[rows] >= new.threshold))
    return rows[mine], mine


class Stability(NamedTuple):
    """How far the scores as a whole have moved.

    Attributes
    ----------
    psi : float
        The population stability index.
    old, new : ndarray of int8 of shape (n,)
        The bin of each row: tenths of the old scores.
    """

    psi: float
    old: np.ndarray
    new: np.ndarray


def stability(passed: Passed) -> Stability:
    """The stability of the new scores against the old ones."""
    edges = edges_at(np.sort(passed.old).astype(np.float64), _DECILES)
    old, new = (np.searchsorted(edges, scores).astype(np.int8) for scores in (passed.old, passed.new))
    return Stability(stability_index(*(np.bincount(bins, minlength=N_BINS) for bins in (old, new))), old, new)


def differences(passed: Passed) -> dict[str, float]:
    """How far the new scores are from the old ones: the mean, and points of the distance."""
    apart = np.abs(passed.new - passed.old)
    points = np.quantile(apart, list(_POINTS.values()))
    shift = float(passed.new.mean(dtype=np.float64) - passed.old.mean(dtype=np.float64))
    return {
        "shift": shift,
        "mean": float(apart.mean(dtype=np.float64)),
        **dict(zip(_POINTS, map(float, points), strict=True)),
    }


def of_levels(levels: Levels, alerts: Sequence[Alerts], moved: Stability | None) -> list[dict[str, Any]]:
    """The rows, stability index and alerts of each level of a segment column."""
    names, codes = levels.found()
    rows = np.bincount(codes, minlength=len(names))
    by_budget = [of_budget.by_level(codes, len(names)) for of_budget in alerts]
    index: list[float | None] = [None] * len(names)
    if moved is not None:
        bins = (moved.old, moved.new)
        crossed = (np.bincount(codes * N_BINS + of_model, minlength=len(names) * N_BINS) for of_model in bins)
        old, new = (times.reshape(len(names), N_BINS) for times in crossed)
        index = [stability_index(old[k], new[k]) for k in range(len(names))]
    return [
        {"level": name, "rows": int(rows[k]), "psi": index[k], "review": [of_budget[k] for of_budget in by_budget]}
        for k, name in enumerate(names)
    ]


def timed(old: Model, new: Student, passed: Passed) -> dict[str, Any]:
    """Rows per second of a batch and the latency of one row, of each model that can be timed."""
    given: Mapping[str, Any] = {"old": old.timed(passed.sample), "new": new.timed(passed.sample)}
    models = {name: of_model for name, of_model in given.items() if of_model is not None}
    n_rows = passed.sample.num_rows
    batches = {name: (lambda _, m=model: m.predict(m.batch)) for name, model in models.items()}
    rows = {name: (lambda i, m=model: m.predict(m.rows[i])) for name, model in models.items()}
    at_batch = alternate(batches, [0], _SECONDS, _MOST_RUNS)
    at_row = alternate(rows, range(n_rows), _SECONDS, _MOST_RUNS)
    return {"batch_size": n_rows} | {name: pace(n_rows, at_batch[name], at_row[name]) for name in models}
