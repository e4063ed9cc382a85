"""How far new rows are from a model's training rows: the reference distribution and the population stability index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

#: Number of bins, each with about the same share of the training rows.
N_BINS = 10
# Smaller shares count as this one: a share of zero would make the index infinite.
_LEAST_SHARE = 1e-4
# Values with a relative difference up to `_CLOSE` may be equal in float32. If more than this share of all values is
# that close together, no edge separates them.
_CLOSE = 1e-6
_ATOM = 0.02
_DECILES = np.linspace(0, 1, N_BINS + 1)[1:-1]
_DIGITS, _SHARE_DIGITS = 6, 4
# Largest share of a column's values that may change their bin to give its edge fewer digits.
_MOVED = 0.005


def ranked(scores: np.ndarray, task: str) -> np.ndarray:
    """Reduce the scores (n, K) to one number per row, shape (n,), whose distribution is compared.

    It is the probability of the second of two classes, the index of the most probable of several classes, or the first
    output of a regressor.

    Parameters
    ----------
    scores : ndarray of shape (n, K)
        Probabilities of the classes, or predictions.
    task : {"classification", "regression"}
        What the model predicts.
    """
    if task != "classification":
        return scores[:, 0]
    return scores[:, 1] if scores.shape[1] == 2 else scores.argmax(axis=1).astype(np.float64)


def reference(codes: np.ndarray, scores: np.ndarray, n_categories: Sequence[int] | None = None) -> dict[str, Any]:
    """The reference that a model file keeps of the training rows.

    Parameters
    ----------
    codes : ndarray of shape (n, d), float64
        The encoded rows.
    scores : ndarray of shape (n,)
        The scores of the rows, reduced by `ranked`.
    n_categories : sequence of int of shape (d,), optional
        Number of categories of each column, 0 for a numeric one; None if all columns are numeric.

    Returns
    -------
    dict
        ``rows``: n. ``missing``: the share of missing values in each column. ``edges``: the b - 1 edges between the
        bins of the scores, in ascending order. ``shares``: the shares of the rows in the b bins. ``columns``: for each
        column a dict, or None if all of its values are missing. The dict of a numeric column has the ``edges`` and
        ``shares`` of its values; that of a categorical column has ``levels``, the positions of its most frequent
        categories, and ``shares``, those of these levels followed by that of all others together.
    """
    scores = np.sort(scores)
    edges = edges_at(scores, _DECILES)
    categories = [0] * codes.shape[1] if n_categories is None else n_categories
    return {
        "rows": len(scores),
        "missing": np.isnan(codes).mean(axis=0).round(_DIGITS).tolist(),
        "edges": edges.tolist(),
        "shares": (counts(scores, edges) / len(scores)).round(_DIGITS).tolist(),
        "columns": [_column(column[~np.isnan(column)], n) for column, n in zip(codes.T, categories, strict=True)],
    }


def _column(values: np.ndarray, n_categories: int) -> dict[str, list] | None:
    """The bins of a column's present values, rounded to few digits."""
    if not len(values):
        return None
    if not n_categories:
        values = np.sort(values)
        edges = _short(values, _edges(values, _DECILES))
        return {"edges": edges.tolist(), "shares": _rounded(counts(values, edges))}
    times = np.bincount(values.astype(np.int64), minlength=n_categories)[:n_categories]
    levels = np.argsort(-times, kind="stable")[:N_BINS]
    levels = levels[times[levels] > 0]
    return {
        "levels": levels.tolist(),
        "shares": _rounded(np.append(times[levels], len(values) - times[levels].sum())),
    }


def _rounded(times: np.ndarray) -> list[float]:
    return (times / times.sum()).round(_SHARE_DIGITS).tolist()


def _short(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Round edges to as few digits as possible while few values change their bin or are within rounding of an edge.

    Parameters
    ----------
    values : ndarray of shape (n,)
        The values in ascending order.
    edges : ndarray of shape (b - 1,)
        The edges between their bins.
    """
    allowed = _MOVED * len(values)
    out = []
    for edge in edges.tolist():
        place = np.searchsorted(values, edge)
        for digits in range(2, 18):
            short = float(f"{edge:.{digits}g}")
            close = _CLOSE * abs(short)
            near = np.searchsorted(values, [short - close, short, short + close])
            if abs(near[1] - place) <= allowed and near[2] - near[0] <= allowed:
                break
        else:
            short = edge
        out.append(short)
    return np.unique(out)


def edges_at(scores: np.ndarray, shares: Sequence[float] | np.ndarray) -> np.ndarray:
    """Edges between bins of scores, in ascending order: about these shares of the scores are below them.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Scores of one model in ascending order. Those that may be equal in float32 are not separated.
    shares : sequence of float
        The shares, in ascending order.
    """
    return _edges(scores, shares, _CLOSE * np.abs(scores).max())


def moved_apart(edges: Sequence[float], scores: np.ndarray) -> np.ndarray:
    """The edges, in ascending order, moved up from scores that they may be equal to in float32, or left out there.

    Parameters
    ----------
    edges : sequence of float
        Wanted edges between bins of scores.
    scores : ndarray of shape (n,)
        Scores of one model in ascending order.
    """
    close, moved = _CLOSE * np.abs(scores).max(), np.array(edges, dtype=np.float64)
    first, behind = np.searchsorted(scores, moved - close), np.searchsorted(scores, moved + close, "right")
    is_met = first < behind
    after = behind[is_met & (behind < len(scores))]
    return np.unique([*moved[~is_met], *(scores[after - 1] + scores[after]) / 2])


def _edges(values: np.ndarray, shares: Sequence[float] | np.ndarray, close: float | None = None) -> np.ndarray:
    """Edges at quantiles of the values, which are in ascending order.

    Where many values around a quantile are equal up to rounding, the edge is above all of them. Values are equal up to
    rounding if they differ by at most `close`, by default by at most a millionth of their size.
    """
    quantiles = np.quantile(values, shares, method="lower")
    close = _CLOSE * np.abs(quantiles) if close is None else close
    first = np.searchsorted(values, quantiles - close, "left")
    behind = np.searchsorted(values, quantiles + close, "right")
    is_atom = behind - first > _ATOM * len(values)
    after = np.where(is_atom, behind, np.searchsorted(values, quantiles, "right"))
    after = after[after < len(values)]
    return np.unique((values[after - 1] + values[after]) / 2)


def counts(scores: np.ndarray, edges: Sequence[float] | np.ndarray) -> np.ndarray:
    """The number of scores in each bin, int64 of shape (b,)."""
    return np.bincount(np.searchsorted(np.asarray(edges), scores), minlength=len(edges) + 1)


def counts_above(values: np.ndarray, n_missing: int, edges: Sequence[float]) -> np.ndarray:
    """Like `counts`, for values with `n_missing` NaNs: fast for many values and few edges."""
    with np.errstate(over="ignore"):  # edges beyond float32
        above = [int(np.count_nonzero(values > edge)) for edge in edges]
    return -np.diff(np.array([len(values) - n_missing, *above, 0]))


def by_chance(n_bins: int, n_expected: float, n_found: float) -> float:
    """How large the index becomes by chance for rows of the same distribution: the mean and four standard deviations.

    The index is approximately (1 / n_expected + 1 / n_found) times a chi-squared variable with n_bins - 1 degrees of
    freedom.
    """
    degrees = n_bins - 1
    return (degrees + 4 * (2 * degrees) ** 0.5) * (1 / n_expected + 1 / n_found)


def median(edges: Sequence[float], times: np.ndarray, low: float, high: float) -> float | None:
    """Estimate the median of values between `low` and `high` from their counts in bins; None if it is not possible.

    Within a bin the values are assumed to be uniformly distributed, or their logarithms if all are positive.

    Parameters
    ----------
    edges : sequence of float of shape (b - 1,)
        The edges between the bins.
    times : ndarray of shape (b,)
        Counts, or shares, of the bins.
    low, high : float
        The smallest and the largest value.

    Examples
    --------
    >>> import numpy as np
    >>> from tabkd._reference import median
    >>> median([0.0, 1.0, 2.0], np.array([1, 2, 2, 1]), -1.0, 3.0)
    1.0
    """
    half, before = times.sum() / 2, np.cumsum(times)
    k = int(np.searchsorted(before, half))
    start, stop = [low, *edges][k], [*edges, high][k]
    if not start <= stop:
        return None
    share = (half - (before[k] - times[k])) / times[k]
    return float(start * (stop / start) ** share if start > 0 else start + (stop - start) * share)


def stability_index(expected: np.ndarray, found: np.ndarray) -> float:
    """The population stability index: the sum over bins of (found - expected) ln(found / expected).

    Parameters
    ----------
    expected, found : ndarray of shape (b,)
        Counts or shares of the bins; they are divided by their sums.

    References
    ----------
    N. Siddiqi, "Credit Risk Scorecards", 2006, ch. 8.

    Examples
    --------
    >>> import numpy as np
    >>> from tabkd._reference import stability_index
    >>> stability_index(np.array([0.5, 0.5]), np.array([10, 10]))
    0.0
    >>> round(stability_index(np.array([0.5, 0.5]), np.array([2, 18])), 3)
    0.879
    """
    shares = [np.maximum(np.asarray(part) / np.sum(part), _LEAST_SHARE) for part in (expected, found)]
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
