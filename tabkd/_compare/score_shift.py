"""How far the scores as a whole have moved from one model to the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tabkd._compare.one_pass import ScoredRows
from tabkd._reference import N_BINS, edges_at, stability_index

_DECILES = np.linspace(0, 1, N_BINS + 1)[1:-1]
_POINTS = {"50%": 0.5, "90%": 0.9, "99%": 0.99}


class Stability(NamedTuple):
    """How far the scores as a whole have moved.

    Attributes
    ----------
    psi : float
        The population stability index.
    edges : ndarray of shape (b - 1,)
        Between the bins: tenths of the old scores.
    old, new : ndarray of int8 of shape (n,)
        The bin of each row.
    """

    psi: float
    edges: np.ndarray
    old: np.ndarray
    new: np.ndarray

    def distribution(self) -> dict[str, list[float]]:
        """The edges, and the shares of the rows between them by each model."""
        counted = {"old": _counted(self.old), "new": _counted(self.new)}
        size = len(self.edges) + 1
        shares = {name: (times[:size] / times.sum()).tolist() for name, times in counted.items()}
        return {"edges": self.edges.tolist(), **shares}


def stability(rows: ScoredRows) -> Stability:
    """The stability of the new scores against the old ones."""
    edges = edges_at(np.sort(rows.old).astype(np.float64), _DECILES)
    old, new = (np.searchsorted(edges, scores).astype(np.int8) for scores in (rows.old, rows.new))
    return Stability(stability_index(_counted(old), _counted(new)), edges, old, new)


def _counted(bins: np.ndarray) -> np.ndarray:
    return np.bincount(bins, minlength=N_BINS)


def differences(rows: ScoredRows) -> dict[str, float]:
    """How far the new scores are from the old ones: the mean, and points of the distance."""
    apart = np.abs(rows.new - rows.old)
    points = np.quantile(apart, list(_POINTS.values()))
    shift = float(rows.new.mean(dtype=np.float64) - rows.old.mean(dtype=np.float64))
    return {
        "shift": shift,
        "mean": float(apart.mean(dtype=np.float64)),
        **dict(zip(_POINTS, map(float, points), strict=True)),
    }
