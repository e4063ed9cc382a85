"""The scores that contributions add up to, from the scores that a student computes."""

from __future__ import annotations

import numpy as np


def centring(n_logits: int) -> np.ndarray:
    """The matrix (n_logits, M) that turns the logits of classes into raw scores.

    The single logit of two classes is unchanged. Two logits become the log-odds of the second class, and the mean is
    subtracted from more.

    Examples
    --------
    >>> centring(2).tolist()
    [[-1.0], [1.0]]
    """
    if n_logits == 1:
        return np.eye(1)
    return np.array([[-1.0], [1.0]]) if n_logits == 2 else np.eye(n_logits) - 1 / n_logits


def raw_scaling(task: str, n_scores: int, mean: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The matrix (n_scores, M) and the offset (M,) that turn the scores of a student into raw scores.

    Parameters
    ----------
    task : {"classification", "regression"}
        Whether the scores are logits, or values in standard deviations of the targets.
    n_scores : int
        The number of scores: K, or 1 for two classes.
    mean, scale : arrays of shape (K,)
        `Student.target_mean_` and `Student.target_scale_`.
    """
    if task == "regression":
        return np.diag(scale), mean
    factors = centring(n_scores)
    return factors, np.zeros(factors.shape[1])
