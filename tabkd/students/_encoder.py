"""The table as an MLP reads it: every feature between 0 and 1.

A numeric column becomes piecewise-linear units (Gorishniy, Rubachev, Babenko, "On Embeddings for Numerical Features in
Tabular Deep Learning", 2022, eq. 1): between the knots a and b the unit is ``clip((x - a) / (b - a), 0, 1)``. One more
unit spans the whole column, and one tells a missing value. A categorical column becomes one unit a level; beyond a
limit of levels, the mean soft target of its level, read as a numeric column.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from tabkd._sklearn import N_JOBS, Interval, validate_params
from tabkd._tables.schema import TableSchema
from tabkd._validation import TakesTables, check_table, check_targets, learn_features
from tabkd.onnx._convertible import Convertible, Output
from tabkd.onnx._graph import Graph
from tabkd.onnx._inputs import Inputs
from tabkd.students._encoder_graph import EncoderGraph
from tabkd.students._float32 import centers, check_range, to_float32
from tabkd.students._knots import share_knots, surrogate_splits
from tabkd.students._levels import level_means, level_positions
from tabkd.students._rows import SoftRows, is_simplex

# A knot closer to its neighbour than this share of the column's spread says nothing that float32 could carry.
_CLOSEST = 1e-5
# Of float32's 24 bits a unit keeps at least 12.
_WIDEST_RATIO = 4096


class TableEncoder(EncoderGraph, Convertible, TransformerMixin, TakesTables, BaseEstimator):
    """Encode a table for an MLP: piecewise-linear units, level units and soft-target means.

    Parameters
    ----------
    n_knots : int, default=128
        The most units that numeric columns may have in all, beside one for the whole range of each.
    max_levels : int, default=64
        The most levels that a categorical column may have to get a unit for each.
    max_units : int, default=288
        The most units in all, on which the size of a network depends. Where levels would take more than two
        thirds of them, the columns of the most levels are read by their mean targets; knots get what is left,
        but no less than a third of `n_knots`.
    n_jobs : int, optional
        Threads of the surrogate.
    random_state : int, RandomState instance or None

    Attributes
    ----------
    n_features_out_ : int
    """

    _parameter_constraints = {
        "n_knots": [Interval(Integral, 0, None, closed="left")],
        "max_levels": [Interval(Integral, 1, None, closed="left")],
        "max_units": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": N_JOBS,
        "random_state": ["random_state"],
    }

    def __init__(self, *, n_knots=128, max_levels=64, max_units=288, n_jobs=None, random_state=None):
        self.n_knots = n_knots
        self.max_levels = max_levels
        self.max_units = max_units
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X, y):
        """Learn the encoding of table `X` (n, d) from its soft targets `y` (n, K) or (n,)."""
        X = check_table(self, X)
        schema = TableSchema.of(X)
        targets = check_targets(self, y, ravel=False)
        codes = schema.encode(X)
        return self.fit_rows(schema, SoftRows(codes, targets.reshape(len(targets), -1), np.ones(len(codes))))

    def fit_rows(self, schema: TableSchema, rows: SoftRows):
        """Learn the encoding of a table with this schema from rows with their soft targets."""
        validate_params(self)
        learn_features(self, schema)
        codes, targets, weights = rows.codes, rows.targets, rows.weights
        self.schema_ = schema
        check_range(schema)
        self._fit_columns(codes, targets, weights)
        values = self.numeric_values(codes)
        levels = self.level_rows(codes)
        self._fit_levels(levels, weights)
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        knots = [np.empty(0)] * values.shape[1]
        if n_knots := self._n_knots(values):
            knots = share_knots(surrogate_splits(values, levels, targets, weights, seed, self.n_jobs), n_knots)
        self._fit_units(values, knots)
        self.n_features_out_ = len(self.unit_column_) + self.n_levels_
        return self

    def _fit_columns(self, codes, targets, weights):
        """Decide what each column is read as, and learn what turns it into numbers."""
        schema = self.schema_
        categorical = schema.positions("categorical")
        seen = {i: np.unique(codes[~np.isnan(codes[:, i]), i]).astype(int) for i in categorical}
        few = _few_levels({i: len(levels) for i, levels in seen.items()}, self.max_levels, 2 * self.max_units // 3)
        many = [i for i in categorical if i not in few]
        self.numeric_ = np.array([i for i in schema.positions("numeric") if _varies(codes[:, i])], dtype=int)
        self.level_columns_ = np.array(
            [i for i in categorical if i not in many and (len(seen[i]) > 1 or _varies(codes[:, i]))], dtype=int
        )
        self.mean_columns_ = np.array(many, dtype=int)
        self.center_ = centers(codes[:, self.numeric_])
        # One table of means per column of many levels: a row for each category, then unseen, then missing.
        summary = _summary(targets)
        self.means_ = [level_means(codes[:, i], len(schema.columns[i].categories), summary, weights) for i in many]
        # One unit for each level seen: `level_of_[j][code]` is its row, then unseen's, then missing's.
        self.level_of_ = []
        self.n_levels_ = 0
        for i in self.level_columns_:
            n = len(schema.columns[i].categories)
            known = list(seen[i]) + [n + 1] * bool(np.isnan(codes[:, i]).any())
            row_of = np.full(n + 2, -1, dtype=np.int64)
            row_of[known] = self.n_levels_ + np.arange(len(known))
            self.n_levels_ += len(known)
            self.level_of_.append(row_of)
        # Whatever was never seen in a column shares one row of that column, after all others.
        for j, row_of in enumerate(self.level_of_):
            row_of[row_of < 0] = self.n_levels_ + j

    def _n_knots(self, values) -> int:
        """How many knots there is room for: a column has a unit of its own, one between two knots, one for missing."""
        taken = self.n_levels_ + 2 * values.shape[1] + int(np.isnan(values).any(axis=0).sum())
        return int(np.clip(self.max_units - taken, self.n_knots // 3, self.n_knots))

    def _fit_levels(self, rows, weights):
        """`level_units_`: the units of each row; unseen levels stand for the average of their column."""
        self.level_units_ = np.zeros((self.n_levels_ + len(self.level_columns_), self.n_levels_), np.float32)
        np.fill_diagonal(self.level_units_, 1)
        for j in range(rows.shape[1]):
            share = np.bincount(rows[:, j], weights, minlength=self.n_levels_)[: self.n_levels_]
            self.level_units_[self.n_levels_ + j] = share / max(share.sum(), 1e-300)

    def set_learnt(self, columns: np.ndarray) -> None:
        """Let no unit stand for an unseen level of these columns, which a network has met so, and learnt by its bias.

        Parameters
        ----------
        columns : bool array of shape (j,)
            Of `level_columns_`.
        """
        self.level_units_[self.n_levels_ + np.flatnonzero(columns)] = 0

    def _fit_units(self, values, knots):
        """Turn the knots of each numeric column into units ``clip(x * scale + bias, 0, 1)``."""
        self.missing_ = np.flatnonzero(np.isnan(values).any(axis=0))
        self.fill_ = np.zeros(values.shape[1], np.float32)
        column, scale, bias = [], [], []

        def add(i, a, b):
            # In float64, then rounded once; the graph multiplies and adds with the very same float32 numbers.
            column.append(i)
            scale.append(1 / (b - a))
            bias.append(-a / (b - a))

        for i in range(values.shape[1]):
            seen = values[~np.isnan(values[:, i]), i].astype(np.float64)
            low, self.fill_[i], high = seen.min(), np.median(seen), seen.max()
            if low == high:  # only the indicator of missing values tells anything
                continue
            low_, high_ = np.quantile(seen, [0.01, 0.99])
            add(i, *((low_, high_) if high_ > low_ else (low, high)))
            edges = _spaced(np.concatenate([[low], knots[i], [high]]), _CLOSEST * max(high_ - low_, 1e-30))
            for a, b in pairwise(edges):
                if len(edges) > 2:
                    add(i, a, b)
        for k in range(len(self.missing_)):
            column.append(values.shape[1] + k)
            scale.append(1.0)
            bias.append(0.0)
        self.unit_column_ = np.array(column, dtype=np.int64)
        self.unit_scale_ = np.array(scale, dtype=np.float32)
        self.unit_bias_ = np.array(bias, dtype=np.float32)

    def numeric_values(self, codes: np.ndarray) -> np.ndarray:
        """The numeric columns, float32 (n, m), NaN where missing: centred values, then means of levels."""
        parts = [to_float32(codes[:, self.numeric_], self.center_)]
        for i, means in zip(self.mean_columns_, self.means_, strict=True):
            parts.append(means[level_positions(codes[:, i], len(means) - 2)])
        return np.hstack(parts)

    def level_rows(self, codes: np.ndarray) -> np.ndarray:
        """The row of `level_units_` of each categorical column, int64 (n, j)."""
        rows = np.empty((len(codes), len(self.level_columns_)), dtype=np.int64)
        for j, (i, row_of) in enumerate(zip(self.level_columns_, self.level_of_, strict=True)):
            rows[:, j] = row_of[level_positions(codes[:, i], len(row_of) - 2)]
        return rows

    def filled(self, values: np.ndarray) -> np.ndarray:
        """Numeric values with missing ones filled, then an indicator for each column that misses some."""
        missing = np.isnan(values)
        if not missing.any():
            indicators = np.zeros((len(values), len(self.missing_)), np.float32)
            return np.hstack([values, indicators]) if len(self.missing_) else values
        return np.hstack([np.where(missing, self.fill_, values), missing[:, self.missing_].astype(np.float32)])

    def units(self, codes: np.ndarray) -> np.ndarray:
        """The units of the numeric columns, float32 (n, u)."""
        inputs = self.filled(self.numeric_values(codes))
        units = inputs[:, self.unit_column_]
        with np.errstate(over="ignore"):  # far beyond the knots is as good as infinity
            units *= self.unit_scale_
            units += self.unit_bias_
        return np.clip(units, 0, 1, out=units)

    def transform(self, X):
        """The features of `X`, float32 of shape (n, n_features_out_)."""
        check_is_fitted(self)
        X = check_table(self, X, reset=False)
        return self.transform_codes(self.schema_.encode(X))

    def transform_codes(self, codes: np.ndarray) -> np.ndarray:
        """The features of codes (n, d), float32 of shape (n, n_features_out_)."""
        return np.hstack([self.units(codes), self.level_units_[self.level_rows(codes)].sum(axis=1)])

    def onnx_outputs(self) -> list[Output]:
        """List the output of the graph: the features, named "variable"."""
        return [Output("variable", "FLOAT", self.n_features_out_)]

    def onnx_tensors(self, graph: Graph, variables: Sequence[Any]) -> list[str]:
        """Write the graph of the encoder alone."""
        return [self.write_onnx(graph, Inputs(graph, variables, self.schema_))]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _summary(targets: np.ndarray) -> np.ndarray:
    """What the mean target of a level is taken of: one of two classes, and three principal components of many."""
    if targets.shape[1] <= 3:
        return targets[:, 1:] if is_simplex(targets) else targets
    return PCA(min(3, len(targets))).fit_transform(targets)


def _few_levels(counts: dict[int, int], most: int, in_all: int) -> list[int]:
    """The columns of at most `most` levels each and `in_all` together, those of the fewest first."""
    chosen, total = [], 0
    for i in sorted(counts, key=lambda i: counts[i]):
        total += counts[i]
        if counts[i] <= most and total <= in_all:
            chosen.append(i)
    return chosen


def _varies(column: np.ndarray) -> bool:
    """Whether a column tells rows apart."""
    missing = np.isnan(column)
    if missing.any():
        return not missing.all()
    return bool((column != column[0]).any())


def _spaced(edges: np.ndarray, closest: float) -> np.ndarray:
    """Ascending edges without those closer than `closest` to the one before; the ends stay.

    ``x * scale + bias`` loses the digits that |x| has beyond the unit's width, so that far from zero units are wider.
    """
    kept = [edges[0]]
    for edge in edges[1:]:
        if edge - kept[-1] > max(closest, abs(edge) / _WIDEST_RATIO):
            kept.append(edge)
    kept[-1] = max(kept[-1], edges[-1])
    return np.array(kept)
