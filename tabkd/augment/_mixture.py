"""Rows of several augmenters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.base import clone

from tabkd._sklearn import N_JOBS
from tabkd.augment._augmenter import Augmenter
from tabkd.augment._marginal import Marginal
from tabkd.augment._munge import Munge


class Mixture(Augmenter):
    """Draw a share of the rows from each of several augmenters.

    By default three quarters of the rows come from `Munge` and resemble those of the table. The others come from
    `Marginal`: their columns depend on each other to any degree, and rare values are more frequent than in the table.
    They teach the student to follow its teacher in sparse regions, where new data tends to fall under distribution
    shift.

    Parameters
    ----------
    augmenters : list of Augmenter or None, default=None
        The augmenters to draw from. None means ``[Munge(), Marginal(p=None, power=0.5)]``.
    weights : list of float or None, default=None
        Weight of each augmenter; it draws a share of the rows in proportion to its weight. None means equal weights,
        or 3 and 1 for the default augmenters.
    n_jobs : int or None, default=None
        Threads of the default augmenters; None for all cores.

    Attributes
    ----------
    augmenters_ : list of Augmenter
        The fitted augmenters.
    shares_ : ndarray of shape (n_augmenters,)
        The share of rows that each augmenter draws; their sum is 1.
    schema_ : TableSchema
        The columns of the table at fit.

    Examples
    --------
    >>> import numpy as np
    >>> from tabkd.augment import Jitter, Marginal, Mixture
    >>> X = np.array([[0.5, 10.5], [1.5, 20.5]])
    >>> Mixture([Jitter(), Marginal()]).fit(X).sample(100, random_state=0).shape
    (100, 2)
    """

    _parameter_constraints = {"augmenters": ["array-like", None], "weights": ["array-like", None], "n_jobs": N_JOBS}

    def __init__(
        self,
        augmenters: Sequence[Augmenter] | None = None,
        *,
        weights: Sequence[float] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.augmenters = augmenters
        self.weights = weights
        self.n_jobs = n_jobs

    @property
    def treats_columns_alike(self) -> bool:  # type: ignore[override]
        """Whether all of its augmenters treat columns alike."""
        return self.augmenters is None or all(getattr(part, "treats_columns_alike", False) for part in self.augmenters)

    def _fit(self, codes: np.ndarray) -> None:
        parts, given = self.augmenters, self.weights
        if parts is None:
            parts = [Munge(n_jobs=self.n_jobs), Marginal(p=None, power=0.5)]
            given = [3, 1] if given is None else given
        if len(parts) == 0:
            raise ValueError("augmenters is empty; give one or more, or None for the default ones.")
        for i, part in enumerate(parts):
            if not isinstance(part, Augmenter):
                raise TypeError(f"augmenters[{i}] is {part!r:.80}, but each has to be a tabkd.augment.Augmenter.")
        weights = np.ones(len(parts)) if given is None else np.asarray(given, dtype=np.float64)
        if len(weights) != len(parts) or not (weights.min() >= 0 and weights.sum() > 0):
            raise ValueError(
                f"weights are {weights.tolist()} for {len(parts)} augmenters; give one number from 0 for each of them, "
                "not all of them 0."
            )
        self.augmenters_ = [clone(part).fit_codes(self.schema_, codes) for part in parts]
        self.shares_ = weights / weights.sum()

    def _sample(self, n_samples: int, rng: np.random.RandomState) -> np.ndarray:
        ends = np.round(np.cumsum(self.shares_) * n_samples).astype(int)
        drawn = np.empty((n_samples, len(self.schema_.columns)))
        places = np.split(rng.permutation(n_samples), ends[:-1])
        for part, rows in zip(self.augmenters_, places, strict=True):
            drawn[rows] = part.sample_codes(len(rows), rng)
        return drawn

    def _within_table(self, codes: np.ndarray) -> np.ndarray:
        """The codes as they are: each augmenter has rounded and clipped its own."""
        return codes
