"""Functions of pairs that keep a score rising, or falling, in a constrained column.

Along a unit of a constrained column, the score moves by the weight of the unit plus its products with units of other
columns. These are linear between the corners of another column: the places where its units begin or end, its levels,
and missing values. So the score rises everywhere if the weight outweighs the sum of the smallest products at the
corners of each other column. Every function of the terms that rises along each unit can be written in this way.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, Self

import numpy as np

from tabkd.students._additive.terms import STEP, AdditiveTerms
from tabkd.students._encoding.encoder import TableEncoder


class Side(NamedTuple):
    """The features on one side of products, and the corners of the columns on the other side.

    Attributes
    ----------
    place : int ndarray of shape (z,)
        The position of each feature among the k features of this side; k for one that is not there.
    signs : int8 ndarray of shape (k,)
        The sign along each feature.
    corners : float ndarray of shape (columns, corners, r)
        The r features of the other side at each corner of each column; the first corner has zeros.
    """

    place: np.ndarray
    signs: np.ndarray
    corners: np.ndarray


class Directions(NamedTuple):
    """The sign with which the score has to move along each feature (z,), 0 for any, and both sides of its products."""

    signs: np.ndarray
    left: Side
    right: Side

    @classmethod
    def of(cls, encoder: TableEncoder, signs: np.ndarray, left: np.ndarray, right: np.ndarray) -> Self:
        """The directions of the features of an encoder, whose products are of the features `left` and `right`."""
        return cls(signs, _side(encoder, signs, left, right), _side(encoder, signs, right, left))

    def least(self, products: Any, xp: Any = np) -> Any:
        """The smallest weights (z,), times signs, that outweigh products (left, right, 1); for NumPy or JAX arrays."""
        table = products[:, :, 0]
        return _depths(self.left, table, xp) + _depths(self.right, table.T, xp)

    def kept_by(self, terms: AdditiveTerms) -> np.ndarray:
        """Whether the terms keep the sign of each feature (z,)."""
        moved = self.signs * terms.weights[:, 0].astype(np.float64)
        return (self.signs == 0) | (moved >= self.least(terms.products.astype(np.float64)))

    def imposed_on(self, terms: AdditiveTerms) -> AdditiveTerms:
        """Rounded terms with the weights that are too small raised, as multiples of `STEP`, so that signs are kept."""
        least = np.ceil(self.least(terms.products.astype(np.float64)) / STEP) * STEP
        weights = self.signs * np.maximum(self.signs * terms.weights[:, 0], least)
        weights = np.where(self.signs == 0, terms.weights[:, 0], weights)
        return replace(terms, weights=weights.astype(np.float32)[:, None])


def _depths(side: Side, products: Any, xp: Any) -> Any:
    """How far products (k, r) move at most against the sign of each feature: (z,), at least 0."""
    added = side.signs[:, None, None] * xp.einsum("kr,jcr->kjc", products, side.corners)
    return xp.append(-added.min(axis=2).sum(axis=1), 0)[side.place]


def _side(encoder: TableEncoder, signs: np.ndarray, own: np.ndarray, other: np.ndarray) -> Side:
    place = np.full(len(signs), len(own))
    place[own] = np.arange(len(own))
    found = [np.vstack([np.zeros((1, len(other))), corners]) for corners in _corners(encoder, other)]
    padded = np.zeros((len(found), max(map(len, found), default=1), len(other)))
    for table, corners in zip(padded, found, strict=True):
        table[: len(corners)] = corners
    return Side(place, signs[own], padded)


def _corners(encoder: TableEncoder, features: np.ndarray) -> list[np.ndarray]:
    """The features at the corners of each column that they come from."""
    n_units, n_inputs = len(encoder.unit_column_), len(encoder.fill_)
    inputs = np.append(encoder.unit_column_, -1)[np.minimum(features, n_units)]  # -1 for levels
    numbers = np.unique(np.append(np.arange(n_inputs), encoder.missing_)[inputs[inputs >= 0]])
    levels = np.where(inputs < 0, encoder.feature_columns()[features], -1)
    at_numbers = [_at_ends(encoder, features, inputs, int(j)) for j in numbers]
    return at_numbers + [np.eye(len(features))[levels == i] for i in np.unique(levels[inputs < 0])]


def _at_ends(encoder: TableEncoder, features: np.ndarray, inputs: np.ndarray, j: int) -> np.ndarray:
    """The features where the ramps of a number begin and end, and of a missing number."""
    own = np.flatnonzero(inputs == j)
    scale, bias = (part[features[own]].astype(np.float64) for part in (encoder.unit_scale_, encoder.unit_bias_))
    places = np.concatenate([-bias / scale, (1 - bias) / scale, encoder.fill_[[j]]])
    corners = np.zeros((len(places), len(features)))
    corners[:, own] = np.clip(places[:, None] * scale + bias, 0, 1)
    corners[-1, inputs == len(encoder.fill_) + np.searchsorted(encoder.missing_, j)] = j in encoder.missing_
    return corners
