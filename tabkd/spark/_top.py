"""The rows of a DataFrame with the highest ranks, without a sort and without collecting rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# Each pass over the keys finds the next bits of the wanted key, by counting at most that many values.
_BITS = 16
_PASSES = 4
_HIGHEST = 2**63 - 1


def top(rows: DataFrame, n: int) -> tuple[DataFrame, float | None]:
    """The rows with the highest ranks; among equal ranks, the first ones.

    Spark counts ranks by their leading bits, then by the next ones: four passes over one column find the last rank, and
    four more the last place, if only some rows of that rank belong to the result.

    Parameters
    ----------
    rows : pyspark.sql.DataFrame
        With the whole numbers "rank" and "place", which are not negative; see `tabkd.spark._worker.staged`.
    n : int
        The number of rows.

    Returns
    -------
    rows : pyspark.sql.DataFrame
        These rows.
    threshold : float or None
        The smallest probability among them; None if there are none.
    """
    from pyspark.sql.functions import col, lit

    if n == 0:
        return rows.where(lit(False)), None
    found = _nth(rows, lit(_HIGHEST) - col("rank"), n)
    least = _HIGHEST - found.key
    chosen = col("rank") >= least
    n_of_least = n - found.n_before
    if n_of_least < found.n_equal:
        last = _nth(rows.where(col("rank") == least), col("place"), n_of_least).key
        chosen = (col("rank") > least) | ((col("rank") == least) & (col("place") <= last))
    return rows.where(chosen), float(np.int64(least).view(np.float64))


class _Found(NamedTuple):
    """The n-th smallest key, the number of smaller keys, and the number of equal ones."""

    key: int
    n_before: int
    n_equal: int


def _nth(rows: DataFrame, key: Column, n: int) -> _Found:
    """The n-th smallest key of rows, where keys are non-negative whole numbers."""
    from pyspark.sql.functions import shiftright

    keys = rows.select(key.alias("key"))
    found = _Found(0, 0, 0)
    for shift in range(_BITS * (_PASSES - 1), -1, -_BITS):
        counts = keys.groupBy(shiftright("key", shift).alias("key")).count().collect()
        found = _bucket(sorted((row["key"], row["count"]) for row in counts), found.n_before, n)
        keys = keys.where(shiftright("key", shift) == found.key)
    return found


def _bucket(counts: list[tuple[int, int]], n_before: int, n: int) -> _Found:
    """The counted value, in ascending order, that the n-th key has."""
    for key, count in counts:
        if n_before + count >= n:
            return _Found(key, n_before, count)
        n_before += count
    raise ValueError(f"{n:,} rows were scored, but only {n_before:,} rows have scores; nothing was written.")
