"""How contributions are read from the scores of walks, and how a better readout is learnt."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.linear_model import RidgeCV

# Penalties that are tried, in the mean square of the features.
_PENALTIES = 10.0 ** np.arange(-2, 6)


class Readout(NamedTuple):
    """Contributions as a linear function of scores; those of a row add up to its score minus a constant.

    Attributes
    ----------
    differences : ndarray of shape (s, p)
        How much the change of the score at each step counts for each player.
    ends : ndarray of shape (p,)
        How much the score of the row itself counts. They add up to one, and each row of `differences` to zero.
    bias : ndarray of shape (M, p)
        What is added.
    """

    differences: np.ndarray
    ends: np.ndarray
    bias: np.ndarray

    def of(self, changes: np.ndarray, own: np.ndarray) -> np.ndarray:
        """The contributions (n, M, p) from the changes (n, s, M) and the rows' own scores (n, M)."""
        return changes.transpose(0, 2, 1) @ self.differences + own[:, :, None] * self.ends + self.bias

    def corrected(self, changes: np.ndarray, own: np.ndarray, better: np.ndarray, weighs: bool) -> Readout:
        """A readout whose errors are smaller, learnt from rows whose contributions are known better.

        Parameters
        ----------
        changes, own : ndarray of shape (n, s, M) and (n, M)
            The scores of the rows.
        better : ndarray of shape (n, M, p)
            Their contributions, which add up to the scores minus a constant. They may be noisy: a regression follows
            their mean.
        weighs : bool
            Whether the scores get other weights. If not, only the mean error is subtracted.
        """
        # The errors of all rows have the same sum, so the weights of the regression add up to zero.
        errors = better - self.of(changes, own)
        mean = errors.mean(axis=0)
        if not weighs:
            return self._replace(bias=self.bias + mean)
        features = np.concatenate([changes.transpose(0, 2, 1), own[:, :, None]], axis=2, dtype=np.float64)
        usual = features.mean(axis=0)
        n_features, p = features.shape[2], better.shape[2]
        weights = _weights((features - usual).reshape(-1, n_features), (errors - mean).reshape(-1, p))
        weights -= weights.mean(axis=1, keepdims=True)
        bias = self.bias + mean - usual @ weights
        return Readout(self.differences + weights[:-1], self.ends + weights[-1], bias)


def _weights(features: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The weights (k, p) of a ridge regression of centred features (n, k) on centred targets (n, p)."""
    scale = np.mean(features**2)
    if scale == 0:
        return np.zeros((features.shape[1], targets.shape[1]))
    return RidgeCV(alphas=scale * _PENALTIES, fit_intercept=False).fit(features, targets).coef_.T
