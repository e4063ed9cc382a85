"""Rankings as losses of rows: one value for each row, whose weighted mean is the loss of the ranking.

A ranking is not a mean over rows. The loss of a row is the value of the ranking plus the row's influence on it: the
change if the row counts a little more. The bootstrap of the mean of these values is the bootstrap of the ranking to
first order (the infinitesimal jackknife), at the cost of a mean.

References
----------
E. DeLong, D. DeLong, D. Clarke-Pearson, "Comparing the Areas under Two or More Correlated Receiver Operating
Characteristic Curves: A Nonparametric Approach", Biometrics 44, 1988. Their structural components are the influences on
the area under the curve.
B. Efron, "The Jackknife, the Bootstrap and Other Resampling Plans", SIAM, 1982.
"""

from __future__ import annotations

import numpy as np


def auc_losses(positive: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """One minus the area under the ROC curve, as losses of rows.

    Parameters
    ----------
    positive : array of bool of shape (n,)
        Which rows are to be ranked high.
    score : array of shape (n,)
        The scores that rank them.
    weights : array of shape (n,)
        How much each row counts.

    Returns
    -------
    array of shape (n,)
        NaN if one of the classes has no row.
    """
    groups = _Groups(score)
    of_positive, of_negative = weights * positive, weights * ~positive
    n_positive, n_negative = of_positive.sum(), of_negative.sum()
    if not (n_positive > 0 and n_negative > 0):
        return np.full(len(score), np.nan)
    # Rows that tie are half above and half below each other.
    beaten = groups.at_most(of_negative) - groups.tied(of_negative) / 2
    beating = n_positive - groups.at_most(of_positive) + groups.tied(of_positive) / 2
    component = np.where(positive, beaten / n_negative, beating / n_positive)
    area = float(of_positive @ component / n_positive)
    influence = (component - area) * np.where(positive, 1 / n_positive, 1 / n_negative)
    return 1 - area - weights.sum() * influence


def average_precision_losses(positive: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """One minus the average precision, as losses of rows.

    Parameters
    ----------
    positive, score, weights
        Like those of :func:`auc_losses`, and so is the result.
    """
    groups = _Groups(score)
    of_positive, total = weights * positive, weights.sum()
    n_positive = of_positive.sum()
    if not 0 < n_positive < total:
        return np.full(len(score), np.nan)
    found = n_positive - groups.at_most(of_positive) + groups.tied(of_positive)
    reviewed = total - groups.at_most(weights) + groups.tied(weights)
    precision = np.divide(found, reviewed, out=np.zeros(len(score)), where=reviewed > 0)
    average = float(of_positive @ precision / n_positive)
    # A row that counts more changes the precision at every positive row that it is reviewed with or before.
    inverse = np.divide(of_positive, reviewed, out=np.zeros(len(score)), where=reviewed > 0)
    change = positive * groups.at_most(inverse) - groups.at_most(inverse * precision)
    influence = (positive * (precision - average) + change) / n_positive
    return 1 - average - total * influence


def balanced_errors(codes: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """One minus the mean recall of the classes that occur, as losses of rows.

    Parameters
    ----------
    codes, predicted : array of int of shape (n,)
        Positions of the true and of the predicted classes.
    weights : array of shape (n,)
        How much each row counts.
    """
    of_class = np.bincount(codes, weights=weights)
    hit = (codes == predicted).astype(np.float64)
    hits = np.bincount(codes, weights=weights * hit)
    recall = np.divide(hits, of_class, out=np.zeros(len(of_class)), where=of_class > 0)
    occurring = of_class > 0
    own = np.where(of_class[codes] > 0, of_class[codes], 1)
    influence = (hit - recall[codes]) / own / occurring.sum()
    return 1 - float(recall[occurring].mean()) - weights.sum() * influence


class _Groups:
    """Rows in groups of equal scores, for sums over the rows that do not score higher."""

    def __init__(self, score: np.ndarray) -> None:
        _, self._group = np.unique(score, return_inverse=True)

    def tied(self, values: np.ndarray) -> np.ndarray:
        """For each row the sum over the rows with the same score."""
        return np.bincount(self._group, weights=values)[self._group]

    def at_most(self, values: np.ndarray) -> np.ndarray:
        """For each row the sum over the rows with the same score or a lower one."""
        return np.cumsum(np.bincount(self._group, weights=values))[self._group]
