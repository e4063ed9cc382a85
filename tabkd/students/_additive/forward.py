"""Forward selection of groups of features in a least-squares fit: each time the group that lowers the error the most.

Only moments are held, so memory does not grow with the rows. Features that are in the fit are swept out of the moments
(Beaton, "The Use of Special Matrix Operators in Statistical Calculus", 1964), which leaves the conditional moments of
the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np

# Rows whose features are computed at a time.
_BLOCK_ROWS = 4096
# The ridge, as a share of the rows' weight: features are between 0 and 1.
_RIDGE = 1e-4


class Moments(NamedTuple):
    """The sums of features times features (p, p), features times targets (p, M), and squared targets, per weight."""

    features: np.ndarray
    targets: np.ndarray
    square: float

    @classmethod
    def of(cls, design: Callable, codes: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> Self:
        """The moments of the features that `design` makes from codes (n, d)."""
        width = design(codes[:1]).shape[1]
        total = np.zeros((width, width + targets.shape[1]))
        for start in range(0, len(codes), _BLOCK_ROWS):
            part = slice(start, start + _BLOCK_ROWS)
            z = design(codes[part])
            weighted = np.hstack([z, targets[part].astype(np.float32)]) * weights[part, None].astype(np.float32)
            total += z.T @ weighted
        weight = max(weights.sum(), 1e-300)
        square = float((weights[:, None] * targets**2).sum())
        return cls(total[:, :width] / weight, total[:, width:] / weight, square / weight)

    def error(self, chosen: np.ndarray, coefficients: np.ndarray) -> float:
        """The mean squared error of a fit on these rows."""
        own = self.features[np.ix_(chosen, chosen)]
        return float(
            self.square - 2 * (coefficients * self.targets[chosen]).sum() + (coefficients * (own @ coefficients)).sum()
        )


def entering(learnt: Moments, seen: Moments, groups: list[np.ndarray], most: int) -> tuple[list[int], list[float]]:
    """The order in which groups of features enter a fit.

    Parameters
    ----------
    learnt, seen : Moments
        Those of the rows to fit, and of the rows to judge the fit.
    groups : list of int ndarray
        The features of each group; the first group is in the fit from the start.
    most : int
        Largest number of groups that enter.

    Returns
    -------
    order : list of int
        The groups, numbered from 0 without the first.
    errors : list of float
        The mean squared error on the rows of `seen`, before a group entered and after each.
    """
    own = learnt.features + _RIDGE * np.eye(len(learnt.features))
    left, rest = own.copy(), learnt.targets.copy()
    order: list[int] = []
    chosen = groups[0]
    left, rest = _swept(left, rest, groups[0])
    errors = [_judged(own, learnt, seen, chosen)]
    waiting = dict(enumerate(groups[1:]))
    while waiting and len(order) < most:
        best = max(waiting, key=lambda k: _gain(left, rest, waiting[k]))
        group = waiting.pop(best)
        left, rest = _swept(left, rest, group)
        chosen = np.concatenate([chosen, group])
        order.append(best)
        errors.append(_judged(own, learnt, seen, chosen))
    return order, errors


def _swept(left: np.ndarray, rest: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The moments given the features of a group: the Schur complement."""
    solved = np.linalg.solve(left[np.ix_(group, group)], np.hstack([left[group], rest[group]]))
    p = len(left)
    return left - left[:, group] @ solved[:, :p], rest - left[:, group] @ solved[:, p:]


def _gain(left: np.ndarray, rest: np.ndarray, group: np.ndarray) -> float:
    """The decrease of the error when a group enters."""
    return float((rest[group] * np.linalg.solve(left[np.ix_(group, group)], rest[group])).sum())


def _judged(own: np.ndarray, learnt: Moments, seen: Moments, chosen: np.ndarray) -> float:
    return seen.error(chosen, np.linalg.solve(own[np.ix_(chosen, chosen)], learnt.targets[chosen]))
