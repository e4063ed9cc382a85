"""The rows with the highest probabilities of a whole job."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from tabkd.batch._scored import Rows

# Most probabilities that wait to be compared, as a multiple of the number of top rows.
_WAITING = 2
_LEAST_WAITING = 1 << 20


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
    """How many rows are the top fraction of those that are scored: rounded up, except where only a rounding error is.

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
    least, n_equal = _least((_values(batch, column) for batch in batches), n_top)
    return Cut(least, n_equal, n_top)


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
        yield batch._replace(table=batch.table.filter(pa.array(chosen)))


def _least(parts: Iterable[np.ndarray], n: int) -> tuple[float, int]:
    """The n-th highest value, and how often it is among the n highest; memory grows only with n."""
    waiting: list[np.ndarray] = []
    most = max(_WAITING * n, _LEAST_WAITING)
    for part in parts:
        waiting.append(part)
        if sum(map(len, waiting)) > most:
            waiting = [_highest(np.concatenate(waiting), n)]
    highest = _highest(np.concatenate(waiting), n)
    least = highest.min()
    return float(least), int((highest == least).sum())


def _highest(values: np.ndarray, n: int) -> np.ndarray:
    return values if len(values) <= n else np.partition(values, len(values) - n)[len(values) - n :]


def _values(batch: Rows, column: str) -> np.ndarray:
    return batch.table.column(column).to_numpy()
