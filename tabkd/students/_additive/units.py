"""The units that the graph of an additive student computes, and its terms as weights of these.

A level is read as the number of its row, so that numbers and levels are one product and one clip: the unit of a step is
1 from a row on, and a feature, which is 1 at a single row, is the difference of two steps. If there is one score, a
level is also read as its main effect, so steps are needed only for pairs. One more unit is always 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from tabkd.students._additive.terms import AdditiveTerms, Explanation
from tabkd.students._encoding.encoder import TableEncoder


@dataclass(frozen=True)
class AdditiveUnits:
    """Units ``clip(input * scale + bias, 0, 1)`` in the order of a graph.

    Attributes
    ----------
    encoder : TableEncoder
        The encoding whose features the units make.
    effects : ndarray of shape (rows,)
        The main effect of each row of levels, of which there is a unit for each column; zeros if there is none.
    column : int ndarray of shape (q,)
        The input of each unit: a number that `TableEncoder.filled` returns, a row of `level_rows`, or its effect.
    scale, bias : ndarrays of shape (q,)
        The ramp of each unit.
    spread : ndarray of shape (z, q)
        The features as sums of units.
    main : ndarray of shape (q,)
        The effects as sums of units, all added up.
    constant : int
        The unit that is always 1.
    left, right : tuple of (int, int)
        The ranges of units in products.
    """

    encoder: TableEncoder
    effects: np.ndarray
    column: np.ndarray
    scale: np.ndarray
    bias: np.ndarray
    spread: np.ndarray
    main: np.ndarray
    constant: int
    left: tuple[int, int]
    right: tuple[int, int]

    @classmethod
    def of(cls, encoder: TableEncoder, terms: AdditiveTerms) -> Self:
        """The units that some terms need, with those of each side of products in a row."""
        n_units, n_scores = len(encoder.unit_column_), len(terms.intercept)
        effects = terms.weights[n_units:, 0] if n_scores == 1 else np.zeros(len(encoder.level_units_), np.float32)
        units = cls._all(encoder, effects.astype(np.float32))
        used = [(units.spread[side] != 0).any(axis=0) for side in (terms.left, terms.right)]
        for side in used:
            side[0] = True
        weights = units.terms(replace(terms, left=terms.left[:0])).weights
        kept = used[0] | used[1] | (weights != 0).any(axis=1)
        # Those only on the left, on both sides, only on the right, and on neither.
        order = np.argsort(np.select([used[0] & used[1], used[0], used[1]], [1, 0, 2], 3), kind="stable")
        order = order[kept[order]]
        ranges = [(int(side[order].argmax()), int(side[order].argmax() + side.sum())) for side in used]
        parts = (units.column, units.scale, units.bias, units.spread.T, units.main)
        column, scale, bias, spread, main = (part[order] for part in parts)
        constant = int(np.flatnonzero(order == 0)[0])
        return cls(encoder, units.effects, column, scale, bias, spread.T, main, constant, *ranges)

    @classmethod
    def _all(cls, encoder: TableEncoder, effects: np.ndarray) -> Self:
        """The constant, the units of the encoder, all steps, and the effect of each column."""
        n_numbers, n_units = len(encoder.fill_) + len(encoder.missing_), len(encoder.unit_column_)
        rows = [np.unique(row_of) for row_of in encoder.level_of_]
        owner = np.repeat(np.arange(len(rows)), [len(own) - 1 for own in rows])
        low, high = (np.array([of(effects[own].astype(np.float64)) for own in rows]) for of in (np.min, np.max))
        size = high - low if rows else np.empty(0)
        width = np.where(size > 0, size, 1)
        j = np.arange(len(rows))
        column = np.concatenate([[0], encoder.unit_column_, n_numbers + owner, n_numbers + len(rows) + j])
        scale = np.concatenate([[0], encoder.unit_scale_, np.ones(len(owner)), 1 / width])
        bias = np.concatenate(
            [[1], encoder.unit_bias_, 1 - np.concatenate([[], *(own[1:] for own in rows)]), -low / width]
        )
        spread = np.zeros((n_units + len(encoder.level_units_), len(column)))
        spread[:n_units, 1 : n_units + 1] = np.eye(n_units)
        for k, own in enumerate(rows):
            steps = 1 + n_units + np.flatnonzero(owner == k)
            spread[np.ix_(n_units + own[1:], steps)] += np.eye(len(steps))
            spread[np.ix_(n_units + own[:-1], steps)] -= np.eye(len(steps))
            spread[n_units + own[0], 0] = 1
        main = np.concatenate([[low.sum()], np.zeros(n_units + len(owner)), size])
        return cls(encoder, effects, column.astype(np.int64), scale, bias, spread, main, 0, (0, 0), (0, 0))

    @property
    def n_inputs(self) -> int:
        """The number of inputs that units read; where there are none, the constant unit reads a zero."""
        encoder = self.encoder
        levels = len(encoder.level_columns_) * (2 if self.effects.any() else 1)
        return max(1, len(encoder.fill_) + len(encoder.missing_) + levels)

    def terms(self, terms: AdditiveTerms, factor: float = 1.0) -> AdditiveTerms:
        """Terms of features as terms of units; `factor` is how many times the effects they have."""
        others = terms.weights.astype(np.float64)
        others[len(self.encoder.unit_column_) :] -= factor * self.effects[:, None]
        weights = self.spread.T @ others + factor * self.main[:, None]
        if not len(terms.left):
            return replace(terms, weights=weights)
        left, right = np.arange(*self.left), np.arange(*self.right)
        products = np.einsum(
            "la,lrm,rb->abm",
            self.spread[np.ix_(terms.left, left)],
            terms.products.astype(np.float64),
            self.spread[np.ix_(terms.right, right)],
            optimize=True,
        )
        return AdditiveTerms(weights, terms.intercept, left, right, products)

    def explanation(self, explanation: Explanation, factor: float, background: np.ndarray) -> Explanation:
        """An explanation of features as one of units, with the codes of its background; the constant adds nothing."""
        varying = np.arange(len(self.column)) != self.constant
        moving = replace(self, spread=self.spread * varying, main=self.main * varying)
        means = self.values(background).mean(axis=0, dtype=np.float64)
        return replace(explanation, terms=moving.terms(explanation.terms, factor), means=means, columns=self._columns())

    def values(self, codes: np.ndarray) -> np.ndarray:
        """The units (n, q) of encoded rows."""
        encoder = self.encoder
        rows = encoder.level_rows(codes)
        filled = encoder.filled(encoder.numeric_values(codes))
        inputs = np.hstack([filled, rows, self.effects[rows], np.zeros((len(codes), 1))])
        return np.clip(inputs[:, self.column] * self.scale + self.bias, 0, 1)

    def _columns(self) -> np.ndarray:
        """The column of the table that each unit comes from; 0 for the constant."""
        encoder = self.encoder
        means = [np.full(table.shape[1], i) for i, table in zip(encoder.mean_columns_, encoder.means_, strict=True)]
        numbers = np.concatenate([encoder.numeric_, *means]).astype(np.int64)
        inputs = [numbers, numbers[encoder.missing_], *[encoder.level_columns_] * 2, [0]]
        return np.concatenate(inputs).astype(np.int64)[self.column]
