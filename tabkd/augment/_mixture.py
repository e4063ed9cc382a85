"""Rows of several augmenters."""

from __future__ import annotations

import numpy as np
from sklearn.base import clone

from tabkd._sklearn import N_JOBS
from tabkd.augment._augmenter import Augmenter
from tabkd.augment._marginal import Marginal
from tabkd.augment._munge import Munge


class Mixture(Augmenter):
    """Draw from several augmenters, each its share of the rows.

    By default three rows of MUNGE, which are like those of the table, for each row whose values come together at any
    degree of independence, rare ones more often than in the table. The latter teach the student to follow its
    teacher in sparse regions, where new data tends to fall under distribution shift.

    Parameters
    ----------
    augmenters : list of Augmenter, optional
        None is ``[Munge(), Marginal(p=None, power=0.5)]``, with the weights 3 and 1.
    weights : list of float, optional
        The shares of the rows are in proportion to them; None shares alike, and 3 to 1 among the default augmenters.
    n_jobs : int, optional
        Threads of the default augmenters; None for all cores.

    Examples
    --------
    >>> import numpy as np
    >>> from tabkd.augment import Jitter, Marginal, Mixture
    >>> X = np.array([[0.5, 10.5], [1.5, 20.5]])
    >>> Mixture([Jitter(), Marginal()]).fit(X).sample(100, random_state=0).shape
    (100, 2)
    """

    _parameter_constraints = {"augmenters": ["array-like", None], "weights": ["array-like", None], "n_jobs": N_JOBS}

    def __init__(self, augmenters=None, *, weights=None, n_jobs=None):
        self.augmenters = augmenters
        self.weights = weights
        self.n_jobs = n_jobs

    def _fit(self, codes):
        parts, weights = self.augmenters, self.weights
        if parts is None:
            parts = [Munge(n_jobs=self.n_jobs), Marginal(p=None, power=0.5)]
            weights = [3, 1] if weights is None else weights
        if len(parts) == 0:
            raise ValueError("augmenters is empty; give one or more, or None for the default ones.")
        weights = np.ones(len(parts)) if weights is None else np.asarray(weights, dtype=np.float64)
        if len(weights) != len(parts) or not (weights.min() >= 0 and weights.sum() > 0):
            raise ValueError(
                f"weights are {weights.tolist()} for {len(parts)} augmenters; give one number from 0 for each of them, "
                "not all of them 0."
            )
        self.augmenters_ = [clone(part).fit_codes(self.schema_, codes) for part in parts]
        self.shares_ = weights / weights.sum()

    def _sample(self, n_samples, rng):
        ends = np.round(np.cumsum(self.shares_) * n_samples).astype(int)
        drawn = np.empty((n_samples, len(self.schema_.columns)))
        places = np.split(rng.permutation(n_samples), ends[:-1])
        for part, rows in zip(self.augmenters_, places, strict=True):
            drawn[rows] = part.sample_codes(len(rows), rng)
        return drawn

    def _within_table(self, codes):
        """As the parts gave them: they have held them to the table."""
        return codes
