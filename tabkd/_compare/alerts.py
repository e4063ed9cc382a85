"""The alerts of two models at a budget: which stay, come and go, exactly, over all rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from tabkd._compare.one_pass import ScoredRows
from tabkd._compare.places import Places
from tabkd._review import Cut, Overlap, cut, n_alerts, overlap


class Alerts:
    """The alerts of both models at a budget.

    Parameters
    ----------
    rows : ScoredRows
        All rows.
    budget : float
        The share of them that alert.
    """

    def __init__(self, rows: ScoredRows, budget: float):
        self._budget, self._n = budget, n_alerts(budget, len(rows.old))
        self._old, self._new = cut(rows.old, self._n), cut(rows.new, self._n)
        #: The rows that alert, as places among all rows and among the candidates.
        self.rows, self.among_candidates = _alerted(rows, self._old, self._new)
        old, new = rows.old[self.rows], rows.new[self.rows]
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


def _alerted(rows: ScoredRows, old: Cut, new: Cut) -> tuple[np.ndarray, np.ndarray]:
    able = rows.candidates
    mine = np.flatnonzero((rows.old[able] >= old.threshold) | (rows.new[able] >= new.threshold))
    return able[mine], mine
