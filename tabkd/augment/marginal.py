"""Rows with attributes of other rows."""

from __future__ import annotations

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval

from tabkd.augment.base import Augmenter, base_rows


class Marginal(Augmenter):
    r"""Replace attributes of a row by those of other rows, each drawn from its column alone.

    Every value occurs in the table, missing ones as often as there; how columns hang together is kept only
    among the attributes that stay.

    Parameters
    ----------
    p : float, default=0.1
        Probability with which each attribute is replaced.

    Notes
    -----
    It is the corruption of SCARF: :math:`\tilde x_a = x_a` with probability 1 - p, and a draw from the
    empirical marginal distribution of column a otherwise, independently for each attribute, where SCARF
    replaces a fixed number of them.

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

    _parameter_constraints = {"p": [Interval(Real, 0, 1, closed="both")]}

    def __init__(self, *, p=0.1):
        self.p = p

    def _fit(self, codes):
        self._codes = codes

    def _sample(self, n_samples, rng):
        drawn = self._codes[base_rows(len(self._codes), n_samples, rng)]
        replaced = rng.random_sample(drawn.shape) < self.p
        sources = rng.randint(len(self._codes), size=np.count_nonzero(replaced))
        drawn[replaced] = self._codes[sources, np.nonzero(replaced)[1]]
        return drawn
