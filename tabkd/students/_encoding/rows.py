"""The part of `TableEncoder` that encodes rows, says which column a feature comes from, and adds or orders features."""

from __future__ import annotations

from copy import copy as shallow_copy
from typing import Self

import numpy as np

from tabkd._blocks import row_blocks
from tabkd.students._encoding.float32 import to_float32
from tabkd.students._encoding.level_means import level_positions, merged_means


class EncoderRows:
    """The side of a fitted `TableEncoder` that encodes rows; students add features to it, or order them."""

    numeric_: np.ndarray
    center_: np.ndarray
    level_columns_: np.ndarray
    level_of_: list[np.ndarray]
    level_units_: np.ndarray
    n_levels_: int
    n_features_out_: int
    mean_columns_: np.ndarray
    means_: list[np.ndarray]
    fill_: np.ndarray
    missing_: np.ndarray
    unit_column_: np.ndarray
    unit_scale_: np.ndarray
    unit_bias_: np.ndarray

    def numeric_values(self, codes: np.ndarray) -> np.ndarray:
        """The numeric columns: centred values, then the mean targets of levels.

        Parameters
        ----------
        codes : ndarray of shape (n, d), float64
            Rows encoded by `schema_`.

        Returns
        -------
        ndarray of shape (n, m), float32
            The values; NaN if missing.
        """
        numbers = np.empty((len(codes), len(self.numeric_)), np.float32)
        for rows in row_blocks(numbers.shape):
            numbers[rows] = to_float32(codes[rows, self.numeric_], self.center_)
        means = zip(self.mean_columns_, self.means_, strict=True)
        parts = [table[level_positions(codes[:, i], len(table) - 2)] for i, table in means]
        return np.hstack([numbers, *parts]) if parts else numbers

    def level_rows(self, codes: np.ndarray) -> np.ndarray:
        """The row of `level_units_` for each column of levels.

        Parameters
        ----------
        codes : ndarray of shape (n, d), float64
            Rows encoded by `schema_`.

        Returns
        -------
        ndarray of shape (n, j), int64
            Positions of rows of `level_units_`.
        """
        rows = np.empty((len(codes), len(self.level_columns_)), dtype=np.int64)
        for j, (i, row_of) in enumerate(zip(self.level_columns_, self.level_of_, strict=True)):
            rows[:, j] = row_of[level_positions(codes[:, i], len(row_of) - 2)]
        return rows

    def filled(self, values: np.ndarray) -> np.ndarray:
        """Fill missing numeric values, and append an indicator for each column that had missing values at fit.

        Parameters
        ----------
        values : ndarray of shape (n, m), float32
            Values as `numeric_values` returns them.

        Returns
        -------
        ndarray of shape (n, m + n_missing), float32
            The values without NaN, then 1 for a missing value and 0 for a present one.
        """
        missing = np.isnan(values)
        if not missing.any():
            indicators = np.zeros((len(values), len(self.missing_)), np.float32)
            return np.hstack([values, indicators]) if len(self.missing_) else values
        return np.hstack([np.where(missing, self.fill_, values), missing[:, self.missing_].astype(np.float32)])

    def units(self, codes: np.ndarray) -> np.ndarray:
        """The units of the numeric columns.

        Parameters
        ----------
        codes : ndarray of shape (n, d), float64
            Rows encoded by `schema_`.

        Returns
        -------
        ndarray of shape (n, u), float32
            Numbers from 0 to 1.
        """
        inputs = self.filled(self.numeric_values(codes))
        units = inputs[:, self.unit_column_]
        with np.errstate(over="ignore"):  # infinity is clipped like any value beyond the knots
            units *= self.unit_scale_
            units += self.unit_bias_
        return np.clip(units, 0, 1, out=units)

    def transform_codes(self, codes: np.ndarray) -> np.ndarray:
        """The features of encoded rows.

        Parameters
        ----------
        codes : ndarray of shape (n, d), float64
            Rows encoded by `schema_`.

        Returns
        -------
        ndarray of shape (n, n_features_out), float32
            Units of numbers, then units of levels.
        """
        return np.hstack([self.units(codes), self.level_units_[self.level_rows(codes)].sum(axis=1)])

    def feature_columns(self) -> np.ndarray:
        """The column of the table that each unit, and then each row of `level_units_`, comes from.

        Returns
        -------
        ndarray of int64
            Positions of columns.
        """
        means = [np.full(table.shape[1], i) for i, table in zip(self.mean_columns_, self.means_, strict=True)]
        numbers = np.concatenate([self.numeric_, *means]).astype(np.int64)
        inputs = np.concatenate([numbers, numbers[self.missing_]])
        levels = np.zeros(len(self.level_units_), dtype=np.int64)
        for i, row_of in zip(self.level_columns_, self.level_of_, strict=True):
            levels[row_of] = i
        levels[self.n_levels_ :] = self.level_columns_
        return np.concatenate([inputs[self.unit_column_], levels])

    def rising_columns(self) -> np.ndarray:
        """The numeric column that each unit rises with.

        Returns
        -------
        ndarray of int64
            Positions of columns; -1 for units of mean targets and of missing values.
        """
        found = np.full(len(self.fill_) + len(self.missing_), -1)
        found[: len(self.numeric_)] = self.numeric_
        return found[self.unit_column_]

    def with_units(self, column: np.ndarray, low: np.ndarray, high: np.ndarray) -> Self:
        """A copy with further units ``clip((x - low) / (high - low), 0, 1)``, placed after the other units.

        Parameters
        ----------
        column : int ndarray of shape (k,)
            The column of `numeric_values` that each unit reads.
        low, high : ndarrays of shape (k,)
            The values at which each unit begins and ends.

        Returns
        -------
        TableEncoder
            The copy; it shares all other arrays.
        """
        copy = shallow_copy(self)
        copy.unit_column_ = np.concatenate([self.unit_column_, np.asarray(column, dtype=np.int64)])
        scale = 1 / (np.asarray(high, dtype=np.float64) - low)
        copy.unit_scale_ = np.concatenate([self.unit_scale_, scale]).astype(np.float32)
        copy.unit_bias_ = np.concatenate([self.unit_bias_, -low * scale]).astype(np.float32)
        copy.n_features_out_ = self.n_features_out_ + len(scale)
        return copy

    def with_levels(self, order: np.ndarray) -> Self:
        """A copy with the rows of levels in another order, in which those of a column stay together.

        Parameters
        ----------
        order : int ndarray of shape (r,)
            The present row of each one in the new order, without the rows of unseen levels.

        Returns
        -------
        TableEncoder
            The copy; it shares all other arrays.
        """
        copy = shallow_copy(self)
        rows = np.concatenate([order, np.arange(self.n_levels_, len(self.level_units_))])
        copy.level_of_ = [np.argsort(rows)[row_of] for row_of in self.level_of_]
        copy.level_units_ = self.level_units_[rows][:, order]
        return copy

    def with_merged_means(self, codes: np.ndarray, weights: np.ndarray, most: int, random_state: int) -> Self:
        """A copy in which each table of means has at most so many different rows.

        Parameters
        ----------
        codes : ndarray of shape (n, d), float64
            Rows encoded by `schema_`.
        weights : ndarray of shape (n,)
            Their weights.
        most : int
            Most different rows of means of a column.
        random_state : int
            Seed.

        Returns
        -------
        TableEncoder
            The copy; it shares all other arrays.
        """
        copy = shallow_copy(self)
        copy.means_ = []
        for i, means in zip(self.mean_columns_, self.means_, strict=True):
            positions = level_positions(codes[:, i], len(means) - 2)
            counts = np.bincount(positions, weights, minlength=len(means))
            copy.means_.append(merged_means(means, counts, most, random_state))
        return copy

    def set_learnt(self, columns: np.ndarray) -> None:
        """Set the units of an unseen level to zero in columns where a network has learnt such levels by its bias.

        Parameters
        ----------
        columns : bool ndarray of shape (j,)
            Whether the network has met unseen levels, for each of `level_columns_`.
        """
        self.level_units_[self.n_levels_ + np.flatnonzero(columns)] = 0
