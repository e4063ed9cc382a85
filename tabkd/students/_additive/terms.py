"""A sum of functions of one and of two columns, as weights of features and of products of features."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from tabkd.students._additive.grids import Pair

#: Weights are multiples of this share of a unit of log-odds, or of a standard deviation: then a file stores them as
#: whole numbers of two bytes. The effect on the score is below noise.
STEP = 2.0**-10


@dataclass(frozen=True)
class AdditiveTerms:
    """The weights of an additive model.

    Attributes
    ----------
    weights : ndarray of shape (z, M)
        What each feature adds to each score.
    intercept : ndarray of shape (M,)
        The scores where every feature is zero.
    left, right : int ndarrays
        The features whose products have weights.
    products : ndarray of shape (left, right, M)
        What each product adds to each score.
    """

    weights: np.ndarray
    intercept: np.ndarray
    left: np.ndarray
    right: np.ndarray
    products: np.ndarray

    def scores(self, z: np.ndarray) -> np.ndarray:
        """The scores (n, M), float64, of features (n, z)."""
        z = z.astype(np.float64)
        return z @ self.weights + self.intercept + self.interactions(z).sum(axis=2)

    def interactions(self, z: np.ndarray) -> np.ndarray:
        """What each right feature adds by its products: float64 of shape (n, M, right)."""
        n_left, n_right, n_scores = self.products.shape
        flat = self.products.transpose(0, 2, 1).reshape(n_left, n_scores * n_right)
        return (z[:, self.left] @ flat).reshape(len(z), n_scores, n_right) * z[:, None, self.right]

    def mirrored(self) -> AdditiveTerms:
        """The same terms with left and right exchanged."""
        return replace(self, left=self.right, right=self.left, products=self.products.transpose(1, 0, 2))

    def scaled(self, scale: np.ndarray, offset: np.ndarray) -> AdditiveTerms:
        """The terms whose scores are ``scores * scale + offset``."""
        return replace(
            self,
            weights=self.weights * scale,
            intercept=self.intercept * scale + offset,
            products=self.products * scale,
        )

    def relative(self) -> AdditiveTerms:
        """The terms whose scores are those of each class minus their mean, which the softmax does not tell apart."""
        weights, intercept, products = (
            part - part.mean(axis=-1, keepdims=True) for part in (self.weights, self.intercept, self.products)
        )
        return replace(self, weights=weights, intercept=intercept, products=products)

    def spread(self, spread: np.ndarray) -> AdditiveTerms:
        """The terms of further features, each of which is a sum (f, z) of these."""
        rows, columns = (np.flatnonzero(spread[:, side].any(axis=1)) for side in (self.left, self.right))
        left, right = spread[np.ix_(rows, self.left)], spread[np.ix_(columns, self.right)]
        products = np.einsum("al,lrm,br->abm", left, self.products, right)
        return AdditiveTerms(spread @ self.weights, self.intercept, rows, columns, products)

    def float64(self) -> AdditiveTerms:
        """The terms in float64."""
        weights, intercept, products = (
            part.astype(np.float64) for part in (self.weights, self.intercept, self.products)
        )
        return replace(self, weights=weights, intercept=intercept, products=products)

    def centred(self, means: np.ndarray) -> AdditiveTerms:
        """The terms of features from which their means (z,) are subtracted: the scores stay.

        Then the functions of a pair average to zero along each of its columns, while the other one is fixed: they are
        free of main effects (Lengerich et al., 2020, for columns that are independent of each other).
        """
        left, right = means[self.left], means[self.right]
        weights = self.weights.astype(np.float64)
        np.add.at(weights, self.left, np.einsum("lrm,r->lm", self.products, right))
        np.add.at(weights, self.right, np.einsum("lrm,l->rm", self.products, left))
        return replace(self, weights=weights, intercept=self.scores(means[None])[0])

    def rounded(self) -> AdditiveTerms:
        """The terms as stored in a graph, multiples of `STEP` in float32; the intercept is unchanged."""
        weights, products = ((np.rint(part / STEP) * STEP).astype(np.float32) for part in (self.weights, self.products))
        return replace(self, weights=weights, products=products)


def sides(pairs: Iterable[Pair]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The features on the left and on the right of products, and which of these products the pairs have.

    On the right are few columns, one of each pair: the cost of a graph grows with their features.
    """
    pairs = list(pairs)
    few = _cover(pairs)
    turned = [(first, second) if b in few else (second, first) for (a, b), first, second in pairs]
    left, right = (
        np.unique(np.concatenate([np.empty(0, np.int64), *(pair[side] for pair in turned)])) for side in (0, 1)
    )
    allowed = np.zeros((len(left), len(right)), bool)
    for first, second in turned:
        allowed[np.ix_(np.searchsorted(left, first), np.searchsorted(right, second))] = True
    return left, right, allowed


def _cover(pairs: list[Pair]) -> set[int]:
    """Columns such that each pair has one: repeatedly the one in the most remaining pairs for its features."""
    size = {column: len(own) for pair in pairs for column, own in zip(pair.columns, pair[1:], strict=True)}
    chosen: set[int] = set()
    while left := [column for pair in pairs if not chosen & set(pair.columns) for column in pair.columns]:
        chosen.add(max(sorted(set(left)), key=lambda column: left.count(column) / size[column]))
    return chosen


@dataclass(frozen=True)
class Explanation:
    """How the columns of a table share the score of an additive model: their functions, and halves of those of pairs.

    These are exact Shapley values against background rows: a pair's function that averages to zero along each column
    is shared by halves.

    Attributes
    ----------
    terms : AdditiveTerms
        Centred on the means.
    means : ndarray of shape (z,)
        The means of the features over the background rows.
    columns : int ndarray of shape (z,)
        The column of the table that each feature comes from.
    n_columns : int
        The number d of columns of the table.
    offset : ndarray of shape (M, d)
        The mean over the background rows of what is shared, which is subtracted.
    """

    terms: AdditiveTerms
    means: np.ndarray
    columns: np.ndarray
    n_columns: int
    offset: np.ndarray

    @classmethod
    def of(cls, terms: AdditiveTerms, background: np.ndarray, columns: np.ndarray, n_columns: int) -> Explanation:
        """The explanation of a model against background rows, given as features (m, z)."""
        means = background.mean(axis=0, dtype=np.float64)
        first = cls(terms.centred(means), means, columns, n_columns, np.zeros((len(terms.intercept), n_columns)))
        return replace(first, offset=first.contributions(background).mean(axis=0))

    @property
    def base(self) -> np.ndarray:
        """The mean scores (M,) of the background rows."""
        return self.terms.intercept + self.offset.sum(axis=1)

    @property
    def at_zero(self) -> np.ndarray:
        """What is subtracted (M, d) from the weighted sum of features that are not centred."""
        moved = self.means[:, None] * self.terms.weights
        return self.offset + _by_column(moved.T, self.columns, self.n_columns)

    def contributions(self, z: np.ndarray) -> np.ndarray:
        """The contributions (n, M, d) of features (n, z)."""
        z = z.astype(np.float64) - self.means
        out = _by_column(z[:, None, :] * self.terms.weights.T, self.columns, self.n_columns) - self.offset
        for form in (self.terms, self.terms.mirrored()):
            out += _by_column(form.interactions(z) / 2, self.columns[form.right], self.n_columns)
        return out


def _by_column(parts: np.ndarray, columns: np.ndarray, n_columns: int) -> np.ndarray:
    """The sums (..., d) over the features (..., k) of each column."""
    share = np.zeros((len(columns), n_columns))
    share[np.arange(len(columns)), columns] = 1
    return parts @ share
