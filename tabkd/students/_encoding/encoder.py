"""The table as an MLP reads it: every feature is between 0 and 1.

A numeric column becomes piecewise-linear units (Gorishniy, Rubachev, Babenko, "On Embeddings for Numerical Features in
Tabular Deep Learning", 2022, eq. 1): between the knots a and b the unit is ``clip((x - a) / (b - a), 0, 1)``. One more
unit spans the whole column, and another one indicates a missing value. A categorical column becomes one unit for each
level. If it has too many levels, each level is replaced by its mean soft target, which is read as a numeric column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from tabkd._sklearn import N_JOBS, Interval, validate_params
from tabkd._tables.schema import TableSchema
from tabkd._typing import ColumnLike, RandomState, TableLike
from tabkd._validation import TakesTables, check_table, check_targets, learn_features
from tabkd.onnx._convertible import Convertible, Output
from tabkd.onnx._graph import Graph
from tabkd.onnx._inputs import Inputs
from tabkd.students._encoding.float32 import centers, check_range
from tabkd.students._encoding.graph import EncoderGraph
from tabkd.students._encoding.knots import CLOSEST, Splits, share_knots, spaced, surrogate_splits
from tabkd.students._encoding.level_means import level_means
from tabkd.students._encoding.surrogate import worthwhile
from tabkd.students._soft_rows import SoftRows, is_simplex


class TableEncoder(EncoderGraph, Convertible, TransformerMixin, TakesTables, BaseEstimator):
    """Encode a table for an MLP: piecewise-linear units, level units and soft-target means.

    Parameters
    ----------
    n_knots : int, default=128
        Most piecewise-linear units of all numeric columns together, not counting the one that spans each column.
    max_levels : int, default=64
        Most levels of a categorical column that gets one unit for each level.
    max_units : int, default=288
        Most units in total; the size of a network depends on it. Levels take at most two thirds of the units: the
        columns with the most levels are replaced by mean targets until they do. Knots take the remaining units, but
        at least a third of `n_knots`.
    n_jobs : int or None, default=None
        Threads of the surrogate that places the knots; None for all cores.
    random_state : int, RandomState instance or None, default=None
        Seed, or generator of the random numbers.

    Attributes
    ----------
    n_features_out_ : int
        Number of features that `transform` returns.
    schema_ : TableSchema
        The columns of the table at fit.
    numeric_, level_columns_, mean_columns_ : int ndarray
        Positions of the columns that become piecewise-linear units, one unit for each level, and mean targets. Columns
        that do not vary are in none of them, nor are numeric ones that the surrogate does not use, where `max_units`
        leaves too few units for all knots.

    References
    ----------
    Y. Gorishniy, I. Rubachev, A. Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning",
    NeurIPS 2022, eq. 1.

    Examples
    --------
    >>> import pandas as pd
    >>> from tabkd.students import TableEncoder
    >>> X = pd.DataFrame({"amount": [0.0, 1.0, 2.0, 3.0] * 25, "country": ["de", "fr"] * 50})
    >>> encoder = TableEncoder(n_knots=4, random_state=0).fit(X, X["amount"] > 1.5)
    >>> encoder.transform(X).shape == (100, encoder.n_features_out_)
    True
    """

    _parameter_constraints = {
        "n_knots": [Interval(Integral, 0, None, closed="left")],
        "max_levels": [Interval(Integral, 1, None, closed="left")],
        "max_units": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": N_JOBS,
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        n_knots: int = 128,
        max_levels: int = 64,
        max_units: int = 288,
        n_jobs: int | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.n_knots = n_knots
        self.max_levels = max_levels
        self.max_units = max_units
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: TableLike, y: ColumnLike) -> Self:
        """Learn the encoding of a table from its soft targets.

        Parameters
        ----------
        X : pandas or polars frame, or array of shape (n, d)
            The table.
        y : array of shape (n, K) or (n,)
            Class probabilities, or real values.

        Returns
        -------
        self : TableEncoder
            The fitted encoder.

        Raises
        ------
        ValueError
            If a parameter, the table or the targets are invalid, or a number of the table is beyond float32.
        """
        X = check_table(self, X)
        schema = TableSchema.of(X)
        targets = check_targets(self, y, ravel=False)
        codes = schema.encode(X)
        return self.fit_rows(schema, SoftRows(codes, targets.reshape(len(targets), -1), np.ones(len(codes))))

    def fit_rows(
        self, schema: TableSchema, rows: SoftRows, find_splits: Callable[..., list[Splits]] = surrogate_splits
    ) -> Self:
        """Learn the encoding from encoded rows with their soft targets.

        Parameters
        ----------
        schema : TableSchema
            The columns of the table.
        rows : SoftRows
            Rows encoded by `schema`.
        find_splits : function, default=surrogate_splits
            Finds the splits among which the knots are chosen; `RememberedSplits` saves time if another encoder is
            fitted on the same rows with the same seed.

        Returns
        -------
        self : TableEncoder
            The fitted encoder.

        Raises
        ------
        ValueError
            If a parameter is invalid or a number of the table is beyond float32.
        """
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
            splits = find_splits(values, levels, targets, weights, seed, self.n_jobs)
            if n_knots < self.n_knots:
                values, splits = self._without_unused(values, splits)
            knots = share_knots(splits, self._n_knots(values))
        self._fit_units(values, knots)
        self.n_features_out_ = len(self.unit_column_) + self.n_levels_
        return self

    def _fit_columns(self, codes: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> None:
        """Decide how each column is encoded, and learn what turns it into numbers."""
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
        # One table of means for each column of many levels: a row for each category, then unseen, then missing.
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
        # All codes that were never seen in a column share one row of that column, after all others.
        for j, row_of in enumerate(self.level_of_):
            row_of[row_of < 0] = self.n_levels_ + j

    def _n_knots(self, values: np.ndarray) -> int:
        """How many knots fit: k knots make k + 1 units, and a column's range and its missing values take one each."""
        taken = self.n_levels_ + 2 * values.shape[1] + int(np.isnan(values).any(axis=0).sum())
        return int(np.clip(self.max_units - taken, self.n_knots // 3, self.n_knots))

    def _without_unused(self, values: np.ndarray, splits: list[Splits]) -> tuple[np.ndarray, list[Splits]]:
        """Leave out the numeric columns that the surrogate does not use, whose units others need."""
        used = worthwhile(np.array([split.gain for split in splits]))
        if not used.any():
            return values, splits
        used[len(self.numeric_) :] = True
        numeric = used[: len(self.numeric_)]
        self.numeric_, self.center_ = self.numeric_[numeric], self.center_[numeric]
        return values[:, used], [split for split, kept in zip(splits, used, strict=True) if kept]

    def _fit_levels(self, rows: np.ndarray, weights: np.ndarray) -> None:
        """Set `level_units_`, the units of each row; an unseen level has the average units of its column."""
        self.level_units_ = np.zeros((self.n_levels_ + len(self.level_columns_), self.n_levels_), np.float32)
        np.fill_diagonal(self.level_units_, 1)
        for j in range(rows.shape[1]):
            share = np.bincount(rows[:, j], weights, minlength=self.n_levels_)[: self.n_levels_]
            self.level_units_[self.n_levels_ + j] = share / max(share.sum(), 1e-300)

    def _fit_units(self, values: np.ndarray, knots: list[np.ndarray]) -> None:
        """Turn the knots of each numeric column into units ``clip(x * scale + bias, 0, 1)``."""
        self.missing_ = np.flatnonzero(np.isnan(values).any(axis=0))
        self.fill_ = np.zeros(values.shape[1], np.float32)
        column, scale, bias = [], [], []

        def add(i: int, a: float, b: float) -> None:
            # In float64, then rounded once; the graph computes with the same float32 numbers.
            column.append(i)
            scale.append(1 / (b - a))
            bias.append(-a / (b - a))

        for i in range(values.shape[1]):
            seen = values[~np.isnan(values[:, i]), i].astype(np.float64)
            low, self.fill_[i], high = seen.min(), np.median(seen), seen.max()
            if low == high:  # only the indicator of missing values carries information
                continue
            low_, high_ = np.quantile(seen, [0.01, 0.99])
            add(i, *((low_, high_) if high_ > low_ else (low, high)))
            edges = spaced(np.concatenate([[low], knots[i], [high]]), CLOSEST * max(high_ - low_, 1e-30))
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

    def transform(self, X: TableLike) -> np.ndarray:
        """Encode a table.

        Parameters
        ----------
        X : pandas or polars frame, or array of shape (n, d)
            A table with the columns of the one at fit, in any order if they have names.

        Returns
        -------
        ndarray of shape (n, n_features_out), float32
            Numbers from 0 to 1: the units of the numeric columns, then those of the levels.

        Raises
        ------
        ValueError
            If a column is missing or has values of another kind than at fit.
        sklearn.exceptions.NotFittedError
            If the encoder is not fitted.
        """
        check_is_fitted(self)
        X = check_table(self, X, reset=False)
        return self.transform_codes(self.schema_.encode(X))

    def onnx_outputs(self) -> list[Output]:
        """List the output of the graph: the features, named "variable".

        Returns
        -------
        list of Output
            One output.
        """
        return [Output("variable", "FLOAT", (self.n_features_out_,))]

    def onnx_tensors(self, graph: Graph, variables: Sequence[Any]) -> list[str]:
        """Write the graph of the encoder alone.

        Parameters
        ----------
        graph : tabkd.onnx.Graph
            Takes the nodes.
        variables : sequence of skl2onnx Variable
            The inputs.

        Returns
        -------
        list of str
            The tensor of the features.
        """
        return [self.write_onnx(graph, Inputs(graph, variables, self.schema_))]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _summary(targets: np.ndarray) -> np.ndarray:
    """The targets whose mean each level gets: one of two classes, or three principal components of many targets."""
    if targets.shape[1] <= 3:
        return targets[:, 1:] if is_simplex(targets) else targets
    return PCA(min(3, len(targets))).fit_transform(targets)


def _few_levels(counts: dict[int, int], most: int, in_all: int) -> list[int]:
    """Choose columns of at most `most` levels each and `in_all` levels together, those with the fewest levels first."""
    chosen, total = [], 0
    for i in sorted(counts, key=lambda i: counts[i]):
        total += counts[i]
        if counts[i] <= most and total <= in_all:
            chosen.append(i)
    return chosen


def _varies(column: np.ndarray) -> bool:
    """Whether a column has two different values, of which one may be missing."""
    missing = np.isnan(column)
    if missing.any():
        return not missing.all()
    return bool((column != column[0]).any())
