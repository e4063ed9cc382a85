"""The grid of a pair of columns: the features of one times the features of the other.

A numeric column has ramps ``clip((x - low) / (high - low), 0, 1)``, each centred at a threshold, so that the products
of two columns span functions that are bilinear between the ends of the ramps. A categorical column has its most
frequent levels. Both have a feature for missing values, if there were any.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np

from tabkd.students._additive.pair_trees import Interaction
from tabkd.students._encoding.encoder import TableEncoder
from tabkd.students._encoding.knots import CLOSEST, Splits, share_knots, spaced


class Pair(NamedTuple):
    """Two columns of the table, and the positions of their features."""

    columns: tuple[int, int]
    first: np.ndarray
    second: np.ndarray

    @property
    def n_cells(self) -> int:
        """The number of products."""
        return len(self.first) * len(self.second)


class Grids(NamedTuple):
    """Pairs, by their positions among the numeric columns and then those of levels, and an encoder with their units."""

    encoder: TableEncoder
    pairs: dict[tuple[int, int], Pair]

    @classmethod
    def of(
        cls,
        encoder: TableEncoder,
        values: np.ndarray,
        chosen: dict[tuple[int, int], Interaction],
        n_knots: int,
        n_levels: int,
    ) -> Self:
        """The grids of some pairs.

        Parameters
        ----------
        encoder : TableEncoder
            The encoding of the table.
        values : ndarray of shape (n, m)
            Numeric columns as `encoder` reads them.
        chosen : dict of (int, int) to Interaction
            The pairs, by their positions among the numeric columns and then the columns of levels.
        n_knots : int
            Most ramps of all columns.
        n_levels : int
            Most levels of a column; rows of other levels have no feature.
        """
        columns = sorted({column for pair in chosen for column in pair})
        n_numeric = values.shape[1]
        numeric = [column for column in columns if column < n_numeric]
        thresholds = share_knots([_splits(chosen, column) for column in numeric], n_knots)
        ramps: list[tuple[int, float, float]] = []
        first = len(encoder.unit_column_)
        features: dict[int, np.ndarray] = {}
        for column, knots in zip(numeric, thresholds, strict=True):
            own = _ramps(values[:, column], knots)
            here = first + len(ramps) + np.arange(len(own))
            missing = np.flatnonzero(encoder.unit_column_ == n_numeric + np.searchsorted(encoder.missing_, column))
            features[column] = np.concatenate([here, missing if column in encoder.missing_ else []]).astype(np.int64)
            ramps += [(column, low, high) for low, high in own]
        first += len(ramps)
        for column in columns:
            if column >= n_numeric:
                features[column] = first + _frequent(encoder, column - n_numeric, n_levels)
        place = places(encoder)
        pairs = {
            (a, b): Pair((int(place[a]), int(place[b])), features[a], features[b])
            for a, b in chosen
            if len(features[a]) and len(features[b])
        }
        return cls(encoder.with_units(*np.array(ramps).reshape(-1, 3).T), pairs)

    def in_order(self) -> Grids:
        """The same grids with the levels in pairs first among those of their columns: a graph then has fewer steps."""
        encoder, n_units = self.encoder, len(self.encoder.unit_column_)
        used = np.zeros(encoder.n_levels_, bool)
        for pair in self.pairs.values():
            for own in (pair.first, pair.second):
                used[own[own >= n_units] - n_units] = True
        owner = encoder.feature_columns()[n_units : n_units + encoder.n_levels_]
        order = np.lexsort([~used, np.searchsorted(encoder.level_columns_, owner)])
        moved = np.argsort(order)

        def moved_features(own: np.ndarray) -> np.ndarray:
            return np.sort(np.concatenate([own[own < n_units], n_units + moved[own[own >= n_units] - n_units]]))

        pairs = {key: Pair(pair.columns, *map(moved_features, pair[1:])) for key, pair in self.pairs.items()}
        return Grids(encoder.with_levels(order), pairs)

    @property
    def n_cells(self) -> int:
        """The number of products of all pairs."""
        return sum(pair.n_cells for pair in self.pairs.values())


def places(encoder: TableEncoder) -> np.ndarray:
    """The column of the table of each numeric column that an encoder reads, then of each column of levels."""
    means = [np.full(table.shape[1], i) for i, table in zip(encoder.mean_columns_, encoder.means_, strict=True)]
    return np.concatenate([encoder.numeric_, *means, encoder.level_columns_]).astype(np.int64)


def features(encoder: TableEncoder, codes: np.ndarray) -> np.ndarray:
    """The units of the numeric columns, then ones at the rows of `TableEncoder.level_units_`: float32 (n, z)."""
    rows = encoder.level_rows(codes)
    levels = np.zeros((len(codes), len(encoder.level_units_)), np.float32)
    np.put_along_axis(levels, rows, 1, axis=1)
    return np.hstack([encoder.units(codes), levels])


def _splits(chosen: dict[tuple[int, int], Interaction], column: int) -> Splits:
    """The thresholds of a column in all pairs, with the sum of their gains."""
    total: dict[float, float] = {}
    for found in chosen.values():
        for cut, gain in found.cuts.get(column, {}).items():
            total[cut] = total.get(cut, 0.0) + gain
    thresholds = np.array(sorted(cut for cut, gain in total.items() if gain > 0))
    return Splits(thresholds, np.array([total[cut] for cut in thresholds]))


def _ramps(values: np.ndarray, thresholds: np.ndarray) -> list[tuple[float, float]]:
    """Ramps around the thresholds of a column, from halfway to the threshold before to halfway to the next."""
    if len(thresholds) == 0:
        return []
    seen = values[~np.isnan(values)].astype(np.float64)
    low, high = np.quantile(seen, [0.01, 0.99])
    ends = [min(low, thresholds[0]), *thresholds, max(high, thresholds[-1])]
    if ends[0] == ends[1]:
        ends[0] = min(seen.min(), ends[1])
    if ends[-1] == ends[-2]:
        ends[-1] = max(seen.max(), ends[-2])
    edges = spaced(np.array([(a + b) / 2 for a, b in pairwise(ends)]), CLOSEST * max(high - low, 1e-30))
    return list(pairwise(edges))


def _frequent(encoder: TableEncoder, j: int, most: int) -> np.ndarray:
    """The rows of the most frequent levels of a column of levels."""
    rows = np.unique(encoder.level_of_[j][encoder.level_of_[j] < encoder.n_levels_])
    share = encoder.level_units_[encoder.n_levels_ + j, rows]
    return np.sort(rows[np.argsort(-share, kind="stable")[:most]])
