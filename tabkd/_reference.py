"""How far rows of today are from those that a model learnt from: the reference, and the population stability index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

#: Bins of the scores, of about equal shares of the training rows.
N_BINS = 10
# Against a share of zero, which would make the index infinite.
_LEAST_SHARE = 1e-4
# Values so close, against their size, may be one to float32; such a share of all must not be torn apart.
_CLOSE = 1e-6
_ATOM = 0.02
_DIGITS, _SHARE_DIGITS = 6, 4
# The share of a column's values that may change their bin so that its edge has few digits.
_MOVED = 0.005


def ranked(scores: np.ndarray, task: str) -> np.ndarray:
    """The one number of each row (n,) by which its scores (n, K) are compared.

    The probability of the second of two classes, which of more classes is the most probable, or the first output.
    """
    if task != "classification":
        return scores[:, 0]
    return scores[:, 1] if scores.shape[1] == 2 else scores.argmax(axis=1).astype(np.float64)


def reference(codes: np.ndarray, scores: np.ndarray, n_categories: Sequence[int] | None = None) -> dict[str, Any]:
    """What a model notes of the rows that it learnt from.

    Parameters
    ----------
    codes : array of shape (n, d)
    scores : array of shape (n,)
        By `ranked`.
    n_categories : sequence of int of shape (d,), optional
        How many categories each column has, 0 for numbers; None where all columns are of numbers.

    Returns
    -------
    dict
        "rows", n; "missing", the share of each column that is missing; "edges" (b - 1,) between the bins of the scores,
        in ascending order; "shares" (b,) of the rows in them; "columns", for each column None where it has no value,
        "edges" and "shares" of its numbers as those of the scores, or the "levels" that are most frequent, by position
        among its categories, and their "shares", then that of all others.
    """
    scores = np.sort(scores)
    edges = _edges(scores, _CLOSE * np.abs(scores).max())
    categories = [0] * codes.shape[1] if n_categories is None else n_categories
    return {
        "rows": len(scores),
        "missing": np.isnan(codes).mean(axis=0).round(_DIGITS).tolist(),
        "edges": edges.tolist(),
        "shares": (counts(scores, edges) / len(scores)).round(_DIGITS).tolist(),
        "columns": [_column(column[~np.isnan(column)], n) for column, n in zip(codes.T, categories, strict=True)],
    }


def _column(values: np.ndarray, n_categories: int) -> dict[str, list] | None:
    """The bins of a column's values, none of which is missing, in few digits."""
    if not len(values):
        return None
    if not n_categories:
        values = np.sort(values)
        edges = _short(values, _edges(values))
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
    """Edges in as few digits as move next to no value to another bin, and leave none on an edge but for rounding.

    Parameters
    ----------
    values : array of shape (n,)
        In ascending order.
    edges : array of shape (b - 1,)
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


def _edges(values: np.ndarray, close: float | None = None) -> np.ndarray:
    """The deciles of values in ascending order; where many are one but for rounding, behind all of them.

    Values are one where they differ by `close`, or by as little of their own size.
    """
    quantiles = np.quantile(values, np.linspace(0, 1, N_BINS + 1)[1:-1], method="lower")
    close = _CLOSE * np.abs(quantiles) if close is None else close
    first = np.searchsorted(values, quantiles - close, "left")
    behind = np.searchsorted(values, quantiles + close, "right")
    is_atom = behind - first > _ATOM * len(values)
    after = np.where(is_atom, behind, np.searchsorted(values, quantiles, "right"))
    after = after[after < len(values)]
    return np.unique((values[after - 1] + values[after]) / 2)


def counts(scores: np.ndarray, edges) -> np.ndarray:
    """How many of the scores lie in each bin, int64 (b,)."""
    return np.bincount(np.searchsorted(np.asarray(edges), scores), minlength=len(edges) + 1)


def counts_above(values: np.ndarray, n_missing: int, edges: Sequence[float]) -> np.ndarray:
    """As `counts`, for values of which so many are NaN: fast where there are many of them and few edges."""
    with np.errstate(over="ignore"):  # edges beyond float32
        above = [int(np.count_nonzero(values > edge)) for edge in edges]
    return -np.diff(np.array([len(values) - n_missing, *above, 0]))


def by_chance(n_bins: int, n_expected: int, n_found: int) -> float:
    """How large the index of rows of one distribution becomes by chance, with four standard deviations.

    The sum is about chi-squared with a degree of freedom less than there are bins, times 1 / n_expected + 1 / n_found.
    """
    degrees = n_bins - 1
    return (degrees + 4 * (2 * degrees) ** 0.5) * (1 / n_expected + 1 / n_found)


def median(edges: Sequence[float], times: np.ndarray, low: float, high: float) -> float | None:
    """The median of values from `low` to `high` whose numbers in bins are known; None where it cannot be told.

    Within a bin values are taken to be spread evenly, and evenly by their logarithm where all are positive.

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
    >>> from tabkd._reference import stability_index
    >>> stability_index(np.array([0.5, 0.5]), np.array([10, 10]))
    0.0
    >>> round(stability_index(np.array([0.5, 0.5]), np.array([2, 18])), 3)
    0.879
    """
    shares = [np.maximum(np.asarray(part) / np.sum(part), _LEAST_SHARE) for part in (expected, found)]
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
