"""Rows with attributes of other rows."""

from __future__ import annotations

from numbers import Real

import numpy as np

from tabkd._sklearn import Interval
from tabkd.augment._augmenter import Augmenter, base_rows


class Marginal(Augmenter):
    r"""Replace attributes of a row by those of other rows, each drawn from its column alone.

    Every value occurs in the table, missing ones as often as there; how columns hang together is kept only
    among the attributes that stay.

    Parameters
    ----------
    p : float or None, default=0.1
        Probability with which each attribute is replaced; None draws one for each row, uniformly from [0, 1], so that
        the rows reach from those of the table to columns that know nothing of each other.
    power : float, default=1.0
        A value that occurs c times in its column is drawn in proportion to c to this power: 1 is the marginal
        distribution itself, 0 draws every distinct value alike, so that rare ones come up more often.

    Notes
    -----
    It is the corruption of SCARF: :math:`\tilde x_a = x_a` with probability 1 - p, and a draw from the
    empirical marginal distribution of column a otherwise, independently for each attribute, where SCARF
    replaces a fixed number of them. Below a `power` of 1 a column has as many places as the table has rows: where
    nearly all of its values differ, the fewest of them have none.

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

    _parameter_constraints = {
        "p": [Interval(Real, 0, 1, closed="both"), None],
        "power": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(self, *, p=0.1, power=1.0):
        self.p = p
        self.power = power

    def _fit(self, codes):
        self._codes = codes
        # What replaces values: a column of `codes`, or as many values of it in other proportions.
        self._pool = codes if self.power == 1 else np.column_stack([_flattened(c, self.power) for c in codes.T])

    def _sample(self, n_samples, rng):
        drawn = self._codes[base_rows(len(self._codes), n_samples, rng)]
        p = rng.random_sample((n_samples, 1)) if self.p is None else self.p
        replaced = rng.random_sample(drawn.shape) < p
        sources = rng.randint(len(self._pool), size=np.count_nonzero(replaced))
        drawn[replaced] = self._pool[sources, np.nonzero(replaced)[1]]
        return drawn


def _flattened(column: np.ndarray, power: float) -> np.ndarray:
    """As many values as there are in the column, each as often as its count to the power says.

    Missing and present values are two such values first, so that a missing one has not to stand against many distinct
    numbers.
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
