"""A review budget: the rows with the highest scores, which two models may choose differently."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from tabkd._options import option

#: Shares of the rows that are reviewed by default.
BUDGETS = (0.001, 0.005, 0.01, 0.05)
#: With fewer alerts, a share of them says hardly anything.
LEAST_ALERTS = 10


class Cut(NamedTuple):
    """Where the alerts of a model begin.

    Attributes
    ----------
    threshold : float
        The lowest score of an alert.
    share : float
        The share of the rows with exactly this score that are alerts; 1 where no tie has to be broken.
    tied : float
        The rows with exactly this score, by weight.
    """

    threshold: float
    share: float
    tied: float

    @property
    def ties(self) -> dict[str, float]:
        """The alerts that only the order of equal scores decides, and the rows with that score; 0 where none does."""
        return {"alerts": self.share * self.tied, "rows": self.tied} if self.share < 1 else {"alerts": 0.0, "rows": 0.0}

    def alerted(self, scores: np.ndarray) -> np.ndarray:
        """How much of each row is an alert, float64 of shape (n,): 1 above the threshold, and `share` at it."""
        return (scores > self.threshold) + self.share * (scores == self.threshold)


class Overlap(NamedTuple):
    """The alerts that two models share, and those that only one of them has, as a share of each row or in total.

    Attributes
    ----------
    same, come, go : ndarray or float
        The alerts of both models, of only the new one, and of only the old one.
    """

    same: np.ndarray
    come: np.ndarray
    go: np.ndarray


def n_alerts(budget: float, n_rows: int, weighted: bool = False) -> float:
    """The number of alerts of a budget: the nearest whole number of rows, or a weight, and at least one."""
    return max(1.0, budget * n_rows if weighted else float(round(budget * n_rows)))


def cut(scores: np.ndarray, alerts: float, weights: np.ndarray | None = None) -> Cut:
    """Where a number of rows with the highest scores begins.

    Rows that tie at this score are alerts by a share, as on average for a reviewer who takes them in random order.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        The scores of one model.
    alerts : float
        How many rows alert, by weight.
    weights : ndarray of shape (n,), optional
        How much each row counts; 1 without.

    Examples
    --------
    >>> import numpy as np
    >>> from tabkd._review import cut
    >>> found = cut(np.array([0.9, 0.5, 0.5, 0.1]), 2)
    >>> found.threshold, found.ties
    (0.5, {'alerts': 1.0, 'rows': 2.0})
    """
    if weights is None:
        k = min(max(int(np.ceil(alerts)), 1), len(scores))
        threshold = float(np.partition(scores, len(scores) - k)[len(scores) - k])
        above, tied = float(np.count_nonzero(scores > threshold)), float(np.count_nonzero(scores == threshold))
    else:
        order = np.argsort(-scores, kind="stable")
        # The row at which the reviewed weight is full, up to rounding.
        last = int(np.searchsorted(np.cumsum(weights[order]), alerts * (1 - 1e-9)))
        threshold = float(scores[order[min(last, len(order) - 1)]])
        above, tied = float(weights[scores > threshold].sum()), float(weights[scores == threshold].sum())
    return Cut(threshold, min((alerts - above) / tied, 1.0) if tied else 1.0, tied)


def overlap(old: np.ndarray, new: np.ndarray) -> Overlap:
    """The alerts that stay, come and go from one model to another, from how much of each row is an alert of each.

    Ties are broken for both models by the same order of the rows, so a model has exactly the same alerts as its copy.

    Parameters
    ----------
    old, new : ndarray of shape (n,)
        What `Cut.alerted` returns for the two models.
    """
    same = np.minimum(old, new)
    return Overlap(same, new - same, old - same)


def check_budgets(budgets: Iterable[float]) -> tuple[float, ...]:
    """The budgets in ascending order, each once.

    Raises
    ------
    ValueError
        If there are none, or one is not between 0 and 1.
    """
    found = tuple(sorted({float(budget) for budget in budgets}))
    if not found:
        raise ValueError(f"{option('review')} is empty; give at least one share of the rows, such as 0.01.")
    if wrong := [budget for budget in found if not 0 < budget < 1]:
        raise ValueError(f"{option('review')} is {wrong[0]:g}; expected a share of the rows between 0 and 1.")
    return found
