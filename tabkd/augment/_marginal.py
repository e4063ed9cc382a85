"""Rows with attributes of other rows."""

from __future__ import annotations

from numbers import Real

import numpy as np

from tabkd._sklearn import Interval
from tabkd.augment._augmenter import Augmenter, base_rows


class Marginal(Augmenter):
    r"""Replace values of a row by values of other rows, each drawn from its column alone.

    Every drawn value occurs in the table, and missing values are as frequent as in the table. Dependence between
    columns is kept only among the values that are not replaced.

    Parameters
    ----------
    p : float or None, default=0.1
        Probability with which each value is replaced. None draws one probability for each row, uniformly from [0, 1],
        so that the rows range from those of the table to rows of independent columns.
    power : float, default=1.0
        A value that occurs c times in its column is drawn with a probability in proportion to c to this power: 1 is
        the marginal distribution itself; 0 draws all distinct values equally often, so that rare ones are drawn more
        often than they occur.

    Notes
    -----
    This is the corruption of SCARF: :math:`\tilde x_a = x_a` with probability 1 - p, and a draw from the
    empirical marginal distribution of column a otherwise, independently for each column. (SCARF replaces a
    fixed number of values in each row.) With a `power` below 1, values are drawn from a pool of as many values
    as the table has rows, so that in a column of almost only distinct values a few of the rarest may not be
    in the pool.

    References
    ----------
    D. Bahri, H. Jiang, Y. Tay, D. Metzler, "SCARF: Self-Supervised Contrastive Learning using Random Feature
    Corruption", ICLR 2022, Algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from tabkd.augment import Marginal
    >>> X = np.array([[0.5, 10.0], [1.5, 20.0]])
    >>> rows = Marginal().fit(X).sample(100, random_state=0)
    >>> np.unique(rows[:, 0]), np.unique(rows[:, 1])
    (array([0.5, 1.5]), array([10., 20.]))
    """

    treats_columns_alike = True
    _parameter_constraints = {
        "p": [Interval(Real, 0, 1, closed="both"), None],
        "power": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(self, *, p: float | None = 0.1, power: float = 1.0) -> None:
        self.p = p
        self.power = power

    def _fit(self, codes: np.ndarray) -> None:
        self._codes = codes
        # Values are drawn from this: the columns of `codes`, or the same number of their values in other proportions.
        self._pool = codes if self.power == 1 else np.column_stack([_flattened(c, self.power) for c in codes.T])

    def _sample(self, n_samples: int, rng: np.random.RandomState) -> np.ndarray:
        drawn = self._codes[base_rows(len(self._codes), n_samples, rng)]
        p = rng.random_sample((n_samples, 1)) if self.p is None else self.p
        replaced = rng.random_sample(drawn.shape) < p
        sources = rng.randint(len(self._pool), size=np.count_nonzero(replaced))
        drawn[replaced] = self._pool[sources, np.nonzero(replaced)[1]]
        return drawn


def _flattened(column: np.ndarray, power: float) -> np.ndarray:
    """As many values as the column has, the count of each in proportion to its count in the column to the power.

    Missing and present values share the places first, as if they were two distinct values: otherwise the missing one
    would compete with each of many distinct numbers.
    """
    n, n_missing = len(column), int(np.isnan(column).sum())
    if n_missing in (0, n):
        return _repeated(*np.unique(column, return_counts=True), power, n)
    missing, present = n_missing**power, (n - n_missing) ** power
    n_missing = round(n * missing / (missing + present))
    values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
    return np.append(_repeated(values, counts, power, n - n_missing), np.full(n_missing, np.nan))


def _repeated(values: np.ndarray, counts: np.ndarray, power: float, n: int) -> np.ndarray:
    cumulative = np.cumsum(counts**power)
    ends = np.floor(cumulative * (n / cumulative[-1]) + 0.5).astype(np.int64)
    return np.repeat(values, np.diff(ends, prepend=0))
