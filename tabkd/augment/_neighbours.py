"""The neighbour search of MUNGE: approximate, in O(n log n) time and bounded memory.

scikit-learn's trees are exact, and in about thirty dimensions they come down to comparing all pairs. MUNGE needs a near
row, not the nearest one. So the rows are split at the medians of projections into leaves of about a thousand rows
(Dasgupta and Freund, 2008), and inside a leaf one matrix product gives all distances. A few independent trees find the
neighbours that one split separates.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from tabkd._tables.schema import TableSchema
from tabkd._threads import n_threads

#: Dimensions of all nominal columns together: a wider one-hot form is projected to this many.
NOMINAL_WIDTH = 64
#: Most rows of a leaf; up to this many rows the search is exact.
LEAF_SIZE = 1024
N_TREES = 3

_BLOCK = 65_536
# Most rows from which the scale of a column is estimated.
_SCALE_ROWS = 100_000
# Largest distance of a value from the median of its column, in standard deviations.
_FARTHEST = 1e300


def distinct_neighbours(
    schema: TableSchema,
    codes: np.ndarray,
    n_neighbors: int,
    n_jobs: int | None = None,
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """Near rows of rows of a table, none of them equal to the row itself.

    Parameters
    ----------
    schema : TableSchema
        The columns of the table.
    codes : ndarray of shape (n, d), float64
        The rows of the table.
    n_neighbors : int
        Number of neighbours of each row.
    n_jobs : int or None, default=None
        Threads; None for all cores.
    rows : int ndarray of shape (m,), optional
        The rows whose neighbours are wanted; all by default.

    Returns
    -------
    ndarray of shape (m, k), int32
        Positions of rows, nearest first. k is `n_neighbors`, or smaller if the table has fewer other distinct
        rows. If all rows are equal, k is 1 and each row is its own neighbour.
    """
    first, group = distinct_rows(codes)
    rows = np.arange(len(codes), dtype=np.int32) if rows is None else rows
    if len(first) == 1:
        return rows.astype(np.int32)[:, None]
    points = embed(schema, codes[first], n_jobs)
    wanted = np.zeros(len(first), dtype=bool)
    wanted[group[rows]] = True
    return first[nearest(points, min(n_neighbors, len(first) - 1), n_jobs=n_jobs, wanted=wanted)][group[rows]]


def distinct_rows(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first position of each distinct row, and for every row the index of the distinct row that it equals."""
    # 64-bit hashes sort much faster than rows. Adding zero turns -0 into 0.
    hashes = np.empty(len(codes), dtype=np.uint64)
    for rows in _blocks(len(codes)):
        hashes[rows] = pd.util.hash_pandas_object(pd.DataFrame(codes[rows] + 0.0), index=False)
    _, first, group = np.unique(hashes, return_index=True, return_inverse=True)
    return first.astype(np.int32), group.astype(np.int32)


def embed(schema: TableSchema, codes: np.ndarray, n_jobs: int | None = None) -> np.ndarray:
    """The rows as points, float32 of shape (n, m), between which MUNGE measures Euclidean distances.

    Numeric columns have about unit variance, and their tails are compressed so that one outlier cannot dominate. A
    missing value is placed at the median. Two categories of a column, or a missing and a present value, are at
    distance 1.
    """
    with ThreadPoolExecutor(n_threads(n_jobs)) as threads:
        scaled = threads.map(_scaled, [codes[:, i] for i in schema.positions("numeric")])
        numeric = [values for values in scaled if values is not None]
    nominal = [_levels(codes[:, i]) for i in schema.positions("categorical")]
    nominal += [
        _levels(np.isnan(codes[:, i]).astype(np.float64))
        for i in schema.positions("numeric")
        if np.isnan(codes[:, i]).any()
    ]
    width = sum(n_levels for _, n_levels in nominal)
    points = np.zeros((len(codes), len(numeric) + min(width, NOMINAL_WIDTH)), dtype=np.float32)
    for i, values in enumerate(numeric):
        points[:, i] = values
    _embed_nominal(nominal, points[:, len(numeric) :])
    return points


def nearest(
    points: np.ndarray,
    n_neighbors: int,
    *,
    leaf_size: int = LEAF_SIZE,
    n_trees: int = N_TREES,
    seed: int = 0,
    n_jobs: int | None = None,
    wanted: np.ndarray | None = None,
) -> np.ndarray:
    """Near points of each point by Euclidean distance, nearest first, without the point itself.

    Parameters
    ----------
    points : ndarray of shape (n, m), float32
        The points to search and to be found.
    n_neighbors : int
        Number of neighbours, less than n.
    leaf_size : int, default=1024
        The result is exact for up to this many points.
    n_trees : int, default=3
        Number of independent partitions that are searched.
    seed : int, default=0
        Seed of the partitions. It is fixed, so that the same points always have the same neighbours.
    n_jobs : int or None, default=None
        Threads that share the leaves; None for all cores.
    wanted : bool ndarray of shape (n,), optional
        The points whose neighbours are wanted; all by default. The others have zeros.

    Returns
    -------
    ndarray of shape (n, n_neighbors), int32
        Positions of the neighbours.

    Examples
    --------
    >>> import numpy as np
    >>> from tabkd.augment._neighbours import nearest
    >>> nearest(np.float32([[0.0], [1.0], [1.5], [9.0]]), 1).ravel()
    array([1, 2, 1, 2], dtype=int32)
    """
    # A split may leave half of this, which must still hold enough neighbours for each point.
    leaf_size = max(leaf_size, 2 * (n_neighbors + 1))
    rng = np.random.default_rng(seed)
    n = len(points)
    wanted = np.ones(n, dtype=bool) if wanted is None else wanted
    indices = np.zeros((n, n_neighbors), dtype=np.int32)
    distances = np.full((n, n_neighbors), np.inf, dtype=np.float32)

    def search(rows: np.ndarray) -> None:
        which = np.flatnonzero(wanted[rows])
        found, squared = _nearest_in_leaf(points[rows], which, n_neighbors)
        of = rows[which]
        indices[of], distances[of] = _merge(indices[of], distances[of], rows[found], squared)

    # The products are small: BLAS threads would wait longer than they save. The leaves of a tree share no rows.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(n_threads(n_jobs)) as threads:
        for _ in range(n_trees if n > leaf_size else 1):
            for _ in threads.map(search, _leaves(points, leaf_size, rng)):
                pass
    return indices


def _leaves(points: np.ndarray, leaf_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Halve the points along the line through two of them, again and again, until no part exceeds `leaf_size`."""
    parts = [np.arange(len(points), dtype=np.int32)]
    while parts:
        rows = parts.pop()
        if len(rows) <= leaf_size:
            yield rows
            continue
        one, other = rng.choice(rows, 2, replace=False, shuffle=False)
        direction = points[one] - points[other]
        position = np.concatenate([points[rows[block]] @ direction for block in _blocks(len(rows))])
        middle = len(rows) // 2
        order = np.argpartition(position, middle)
        parts += [rows[order[:middle]], rows[order[middle:]]]


def _nearest_in_leaf(points: np.ndarray, which: np.ndarray, n_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest other points of some of the points and their squared distances, from all pairs."""
    # Centred first, so that float32 loses little when the squares cancel.
    points = points - points.mean(axis=0)
    norms = np.einsum("ij,ij->i", points, points)[:, None]
    # |y|² - 2 xy in one product; |x|² is the same for all y.
    relative = np.hstack([-2.0 * points[which], np.ones_like(norms[which])]) @ np.hstack([points, norms]).T
    every = np.arange(len(which))
    relative[every, which] = np.inf
    indices = np.empty((len(which), n_neighbors), dtype=np.int32)
    distances = np.empty((len(which), n_neighbors), dtype=np.float32)
    for j in range(n_neighbors):  # a few vectorised minima are much faster than a partition
        indices[:, j] = relative.argmin(axis=1)
        distances[:, j] = relative[every, indices[:, j]]
        relative[every, indices[:, j]] = np.inf
    return indices, np.maximum(distances + norms[which], 0.0)


def _merge(
    indices: np.ndarray, distances: np.ndarray, new_indices: np.ndarray, new_distances: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest from two lists of neighbours for each row, without duplicates."""
    k = indices.shape[1]
    known = (new_indices[:, :, None] == indices[:, None, :]) & np.isfinite(distances)[:, None, :]
    new_distances = np.where(known.any(axis=2), np.float32(np.inf), new_distances)
    indices = np.concatenate([indices, new_indices], axis=1)
    distances = np.concatenate([distances, new_distances], axis=1)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(indices, order, axis=1), np.take_along_axis(distances, order, axis=1)


def _scaled(values: np.ndarray) -> np.ndarray | None:
    """A numeric column centred at its median, with about unit variance and logarithmic tails; None if constant."""
    values = np.ascontiguousarray(values)
    missing = np.isnan(values)
    seen = values[~missing] if missing.any() else values
    if len(seen) == 0 or seen.min() == seen.max():
        return None
    some, largest = _some(seen), np.abs(seen).max()
    low, median, high = largest * np.quantile(some / largest, [0.01, 0.5, 0.99])
    spread = _deviation(np.clip(some, low, high), median) or _deviation(seen, median)
    if spread == 0.0:  # values that differ only in the last bit
        return None
    with np.errstate(over="ignore"):
        centred = np.clip((values - median) / spread, -_FARTHEST, _FARTHEST)
    centred[missing] = 0.0
    return np.arcsinh(centred).astype(np.float32)


def _deviation(values: np.ndarray, center: float) -> float:
    """The standard deviation without overflow; subtracting `center` first keeps its digits far from 0."""
    largest = np.abs(values).max() or 1.0
    return float(np.std(values / largest - center / largest) * largest)


def _some(values: np.ndarray) -> np.ndarray:
    """A sample of the values that is large enough to estimate a scale, the same one every time."""
    if len(values) <= _SCALE_ROWS:
        return values
    return values[np.random.default_rng(0).integers(len(values), size=_SCALE_ROWS)]


def _levels(codes: np.ndarray) -> tuple[np.ndarray, int]:
    """A nominal column as 0, 1, … for the codes that occur, a missing value as one more level; and their number."""
    levels, position = np.unique(codes, return_inverse=True)
    return position.astype(np.int32), len(levels)


def _embed_nominal(nominal: list[tuple[np.ndarray, int]], out: np.ndarray) -> None:
    """Write the one-hot form of the nominal columns into `out`, or its random projection if `out` is narrower."""
    width = sum(n_levels for _, n_levels in nominal)
    if width <= out.shape[1]:
        start = 0
        for position, n_levels in nominal:
            out[np.arange(len(out)), start + position] = np.sqrt(0.5)
            start += n_levels
        return
    # Random signs keep squared distances on average (Achlioptas, 2003), and equal categories at exactly 0.
    rng = np.random.default_rng(0)
    size = np.float32(np.sqrt(0.5 / out.shape[1]))
    for position, n_levels in nominal:
        signs = rng.integers(0, 2, size=(n_levels, out.shape[1]), dtype=np.int8)
        table = size * (2 * signs - 1).astype(np.float32)
        for rows in _blocks(len(out)):
            out[rows] += table[position[rows]]


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, n, _BLOCK))
