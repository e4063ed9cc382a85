"""The rows with the highest probabilities of a whole job."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from tabkd.batch._scored import Rows, Unexplained

# Most probabilities that wait to be compared: a multiple of the number of top rows, and this many more.
_WAITING = 1.25
_MORE_WAITING = 1 << 14


class Cut(NamedTuple):
    """The boundary of the top rows.

    Attributes
    ----------
    threshold : float or None
        The smallest probability of the top rows; None if there are none.
    n_equal : int
        Number of top rows with exactly this probability: the first ones that have it.
    n_rows : int
        Number of top rows.
    """

    threshold: float | None
    n_equal: int
    n_rows: int


def how_many(fraction: float, n_scored: int) -> int:
    """How many rows are the top fraction of those that are scored: rounded up, except for a mere rounding error.

    Examples
    --------
    >>> how_many(0.1, 30), how_many(0.1, 31), how_many(0.3, 10)
    (3, 4, 3)
    """
    return math.ceil(round(fraction * n_scored, 6))


def find_cut(batches: Iterable[Rows], column: str, fraction: float, n_scored: int) -> Cut:
    """Find the boundary of the rows with the highest probabilities.

    Parameters
    ----------
    batches : iterable of Rows
        All scored rows.
    column : str
        The column of the probabilities.
    fraction : float
        Fraction of the scored rows, rounded up to whole rows. Among rows with equal probabilities the first ones count.
    n_scored : int
        Number of scored rows.
    """
    n_top = how_many(fraction, n_scored)
    if n_top == 0:
        return Cut(None, 0, 0)
    highest = Highest(n_top)
    for batch in batches:
        highest.add(_values(batch, column))
    values = highest.values()
    return Cut(float(values.min()), int((values == values.min()).sum()), n_top)


def top(batches: Iterable[Rows], column: str, cut: Cut) -> Iterator[Rows]:
    """The batches with only the top rows."""
    n_equal = cut.n_equal
    for batch in batches:
        values = _values(batch, column)
        chosen = np.zeros(len(values), bool)
        if cut.threshold is not None:
            chosen = values > cut.threshold
            equal = np.flatnonzero(values == cut.threshold)[:n_equal]
            chosen[equal] = True
            n_equal -= len(equal)
        yield batch.filtered(chosen)


class Candidates:
    """The rows that may be among the top ones, found while they are scored.

    Parameters
    ----------
    column : str
        The column of the probabilities.
    n : int or None
        Largest possible number of top rows; None if it is not known, so that every row may be among them.
    """

    def __init__(self, column: str, n: int | None):
        self._column, self._highest = column, None if n is None else Highest(max(n, 1))

    def of(self, rows: Rows) -> Rows:
        """The rows of the next batch; only the candidates among them may still get reasons."""
        if self._highest is None or rows.unexplained is None:
            return rows
        values = _values(rows, self._column)
        self._highest.add(values)
        mine = np.flatnonzero(values >= self._highest.least)
        positions, X = rows.unexplained
        return rows._replace(unexplained=Unexplained(positions[mine], X.take(pa.array(mine))))


class Highest:
    """The n highest of many values, of which there is at least one; memory grows only with n.

    Attributes
    ----------
    least : float
        No value below it is among the n highest so far.
    """

    def __init__(self, n: int):
        self._n, self._most = n, _WAITING * n + _MORE_WAITING
        self._waiting: list[np.ndarray] = []
        self.least = -math.inf

    def add(self, values: np.ndarray) -> None:
        """Add some values."""
        self._waiting.append(values[values >= self.least])
        if sum(map(len, self._waiting)) > self._most:
            self.values()

    def values(self) -> np.ndarray:
        """The n highest values so far, or all if there are fewer."""
        values = np.concatenate(self._waiting)
        if len(values) > self._n:
            values = np.partition(values, -self._n)[-self._n :]
            self.least = values.min()
        self._waiting = [values]
        return values


def _values(batch: Rows, column: str) -> np.ndarray:
    return batch.table.column(column).to_numpy()
