"""The condition that the path to a node of a tree sets for one column."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Condition(NamedTuple):
    """The condition that a path sets for the value of one column.

    Attributes
    ----------
    low, high : float
        The value is above `low` and at most `high`.
    missing : bool
        Whether a missing value fulfils the condition.

    Examples
    --------
    >>> Condition().right_of(0.0, missing_left=True).left_of(1.0, missing_left=True)
    Condition(low=0.0, high=1.0, missing=False)
    """

    low: float = -np.inf
    high: float = np.inf
    missing: bool = True

    def left_of(self, threshold: float, missing_left: bool) -> Condition:
        """The condition, and to go left at a node."""
        return Condition(self.low, min(self.high, threshold), self.missing and missing_left)

    def right_of(self, threshold: float, missing_left: bool) -> Condition:
        """The condition, and to go right at a node."""
        return Condition(max(self.low, threshold), self.high, self.missing and not missing_left)

    @property
    def is_possible(self) -> bool:
        """Whether some value fulfils it."""
        return self.low < self.high or self.missing

    def holds(self, values: np.ndarray) -> np.ndarray:
        """Which values fulfil it: float32 values, compared with float64 thresholds."""
        values = values.astype(np.float64)
        return np.where(np.isnan(values), self.missing, (self.low < values) & (values <= self.high))
