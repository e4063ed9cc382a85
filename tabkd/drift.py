"""How far rows of today are from those that a model learnt from: the reference, and the population stability index."""

from __future__ import annotations

from typing import Any

import numpy as np

#: Bins of the scores, of about equal shares of the training rows.
N_BINS = 10
# Against a share of zero, which would make the index infinite.
_LEAST_SHARE = 1e-4
# Scores so close, against the largest, may be one to float32; such a share of all must not be torn apart.
_CLOSE = 1e-6
_ATOM = 0.02
_DIGITS = 6


def ranked(scores: np.ndarray, task: str) -> np.ndarray:
    """The one number of each row (n,) by which its scores (n, K) are compared.

    The probability of the second of two classes, which of more classes is the most probable, or the first output.
    """
    if task != "classification":
        return scores[:, 0]
    return scores[:, 1] if scores.shape[1] == 2 else scores.argmax(axis=1).astype(np.float64)


def reference(codes: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    """What a model notes of the rows that it learnt from.

    Parameters
    ----------
    codes : array of shape (n, d)
    scores : array of shape (n,)
        By `ranked`.

    Returns
    -------
    dict
        "missing", the share of each column that is missing; "edges" (b - 1,) between the bins of the scores, in
        ascending order; "shares" (b,) of the rows in them.
    """
    edges = _edges(np.sort(scores))
    return {
        "missing": np.isnan(codes).mean(axis=0).round(_DIGITS).tolist(),
        "edges": edges.tolist(),
        "shares": (counts(scores, edges) / len(scores)).round(_DIGITS).tolist(),
    }


def _edges(scores: np.ndarray) -> np.ndarray:
    """The deciles of scores in ascending order; where many scores are one but for rounding, behind all of them."""
    quantiles = np.quantile(scores, np.linspace(0, 1, N_BINS + 1)[1:-1], method="lower")
    close = _CLOSE * np.abs(scores).max()
    first = np.searchsorted(scores, quantiles - close, "left")
    behind = np.searchsorted(scores, quantiles + close, "right")
    is_atom = behind - first > _ATOM * len(scores)
    after = np.where(is_atom, behind, np.searchsorted(scores, quantiles, "right"))
    after = after[after < len(scores)]
    return np.unique((scores[after - 1] + scores[after]) / 2)


def counts(scores: np.ndarray, edges) -> np.ndarray:
    """How many of the scores lie in each bin, int64 (b,)."""
    return np.bincount(np.searchsorted(np.asarray(edges), scores), minlength=len(edges) + 1)


def stability_index(expected: np.ndarray, found: np.ndarray) -> float:
    """The population stability index of shares or counts (b,): the sum of (found - expected) ln(found / expected).

    Parameters
    ----------
    expected, found : array of shape (b,)

    References
    ----------
    N. Siddiqi, "Credit Risk Scorecards", 2006, ch. 8.

    Examples
    --------
    >>> import numpy as np
    >>> from tabkd.drift import stability_index
    >>> stability_index(np.array([0.5, 0.5]), np.array([10, 10]))
    0.0
    >>> round(stability_index(np.array([0.5, 0.5]), np.array([2, 18])), 3)
    0.879
    """
    shares = [np.maximum(np.asarray(part) / np.sum(part), _LEAST_SHARE) for part in (expected, found)]
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
