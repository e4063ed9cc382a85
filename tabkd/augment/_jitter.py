"""Rows with noise."""

from __future__ import annotations

from numbers import Real

import numpy as np

from tabkd._sklearn import Interval
from tabkd.augment._augmenter import Augmenter, base_rows


class Jitter(Augmenter):
    r"""Add Gaussian noise to the numbers of a row, and replace some of its categories.

    A missing value stays missing.

    Parameters
    ----------
    scale : float, default=0.05
        Standard deviation of the noise, as a multiple of the standard deviation of the column.
    p_swap : float, default=0.1
        Probability with which each category is replaced by one that is drawn from its column.

    Notes
    -----
    A number becomes :math:`x_a + \mathrm{scale} \cdot \sigma_a \epsilon`, with
    :math:`\epsilon` standard normal and :math:`\sigma_a` the standard deviation of the column. Whole
    numbers are rounded afterwards, so that a column of few distinct numbers keeps most of its values.

    References
    ----------
    C. M. Bishop, "Training with Noise is Equivalent to Tikhonov Regularization",
    Neural Computation 7(1), 1995.

    Examples
    --------
    >>> import numpy as np
    >>> from tabkd.augment import Jitter
    >>> X = np.array([[0.25], [0.5], [1.75], [np.nan]])
    >>> rows = Jitter(scale=0.2).fit(X).sample(400, random_state=0)
    >>> int(np.isnan(rows).sum()), len(np.unique(rows)) > 100
    (100, True)
    """

    treats_columns_alike = True
    _parameter_constraints = {
        "scale": [Interval(Real, 0, None, closed="left")],
        "p_swap": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(self, *, scale: float = 0.05, p_swap: float = 0.1) -> None:
        self.scale = scale
        self.p_swap = p_swap

    def _fit(self, codes: np.ndarray) -> None:
        self._codes = codes
        self._numeric = self.schema_.positions("numeric")
        self._deviations = np.array([_deviation(codes[:, i]) for i in self._numeric])
        self._cumulated = {i: _cumulated(codes[:, i]) for i in self.schema_.positions("categorical")}

    def _sample(self, n_samples: int, rng: np.random.RandomState) -> np.ndarray:
        drawn = self._codes[base_rows(len(self._codes), n_samples, rng)]
        noise = rng.standard_normal((n_samples, len(self._numeric)))
        # `sample_codes` clips what overflows to the range of the table.
        with np.errstate(over="ignore"):
            drawn[:, self._numeric] += noise * (self.scale * self._deviations)
        for i, cumulated in self._cumulated.items():
            swapped = (rng.random_sample(n_samples) < self.p_swap) & ~np.isnan(drawn[:, i])
            places = rng.random_sample(np.count_nonzero(swapped))
            drawn[swapped, i] = np.searchsorted(cumulated, places, side="right")
        return drawn


def _deviation(values: np.ndarray) -> float:
    """The standard deviation of the present values, 0 if there are none."""
    seen = values[~np.isnan(values)]
    magnitude = np.abs(seen).max(initial=0.0)  # divided by it, no square overflows
    return float(magnitude * np.std(seen / magnitude)) if magnitude > 0.0 else 0.0


def _cumulated(codes: np.ndarray) -> np.ndarray:
    """The share of present codes up to and including each code."""
    counts = np.bincount(codes[~np.isnan(codes)].astype(np.int64))
    return np.cumsum(counts) / max(counts.sum(), 1)
