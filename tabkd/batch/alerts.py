"""The rows of the highest probabilities among those of a whole job."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from tabkd.batch.columns import Rows

# Probabilities that wait to be compared, in multiples of how many are looked for.
_WAITING = 2
_LEAST_WAITING = 1 << 20


def top(batches: Iterable[Rows], column: str, fraction: float, n_scored: int) -> Iterator[Rows]:
    """The batches with only the top rows of all.

    Parameters
    ----------
    batches : iterable of Rows
        Read twice.
    column : str
        Of the probabilities.
    fraction : float
        Of the scored rows, rounded up; of equal rows, those that come first.
    n_scored : int
    """
    n_top = math.ceil(round(fraction * n_scored, 6))
    least, n_equal = _least((_values(batch, column) for batch in batches), n_top)
    for batch in batches:
        values = _values(batch, column)
        chosen = values > least
        equal = np.flatnonzero(values == least)[:n_equal]
        chosen[equal] = True
        n_equal -= len(equal)
        yield batch._replace(table=batch.table.filter(pa.array(chosen)))


def _least(parts: Iterable[np.ndarray], n: int) -> tuple[float, int]:
    """The n-th highest value, and how many of that value are among the n highest; memory grows with n alone."""
    if n == 0:
        return math.inf, 0
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
