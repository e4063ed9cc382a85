"""Where to put the knots of a piecewise-linear encoding: where the soft targets change.

An MLP fits the steps of a tree ensemble poorly. A small gradient-boosted surrogate of the soft targets finds these
steps; the gain of its splits decides how many knots a column gets, and where.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tabkd.students._encoding.surrogate import MANY_COLUMNS, surrogates

# Rows that the surrogate is fitted on. Its time grows with rows × columns, so many columns get fewer rows, but enough
# that their steps are not lost in the noise.
_MAX_ROWS, _MAX_VALUES, _MIN_ROWS = 100_000, 10_000_000, 20_000
# Many columns have few knots each, which need fewer trees.
_N_TREES, _N_TREES_OF_MANY = 120, 60
# A knot closer to its neighbour than this share of the column's spread is dropped: float32 could not resolve it.
CLOSEST = 1e-5
# A unit keeps at least 12 of float32's 24 bits.
_WIDEST_RATIO = 4096


@dataclass(frozen=True)
class Splits:
    """The distinct split thresholds of one column in ascending order, the gain of each, and that of missing values."""

    thresholds: np.ndarray
    gains: np.ndarray
    of_missing: float = 0.0

    @property
    def gain(self) -> float:
        """The gain of all splits in the column."""
        return float(self.gains.sum()) + self.of_missing


def surrogate_splits(
    values: np.ndarray,
    levels: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    random_state: int,
    n_jobs: int | None = None,
) -> list[Splits]:
    """The splits of a LightGBM surrogate of the targets in each numeric column, fitted on at most 100,000 rows.

    Parameters
    ----------
    values : ndarray of shape (n, m)
        Numeric columns.
    levels : ndarray of shape (n, j)
        Codes of categorical columns: the surrogate reads them too, so that it does not use numeric columns as
        substitutes for them.
    targets : ndarray of shape (n, K)
        Class probabilities, or real values.
    weights : ndarray of shape (n,)
        Weights of the rows.
    random_state : int
        Seed.
    n_jobs : int or None, default=None
        Threads; None for all cores.

    Returns
    -------
    list of Splits of length m
        The splits of each column of `values`.
    """
    m = values.shape[1]
    if m == 0 or not (values != values[0]).any():
        return [Splits(np.empty(0), np.empty(0))] * m
    found: list[dict[float, float]] = [{} for _ in range(m)]
    n_columns = m + levels.shape[1]
    most = min(_MAX_ROWS, max(_MIN_ROWS, _MAX_VALUES // n_columns))
    n_trees = _N_TREES if n_columns <= MANY_COLUMNS else _N_TREES_OF_MANY
    for booster in surrogates(values, levels, targets, weights, random_state, n_jobs, most, n_trees):
        for tree in booster.dump_model()["tree_info"]:
            _collect(tree["tree_structure"], found)
    return [_splits(gains) for gains in found]


class RememberedSplits:
    """`surrogate_splits` that answers a question asked twice in a row from memory.

    Two networks of different sizes ask the same one if their encoders read the columns alike.
    """

    def __init__(self) -> None:
        self._question: tuple[Any, ...] | None = None
        self._answer: list[Splits] = []

    def __call__(self, *question: Any) -> list[Splits]:
        """What `surrogate_splits` returns for these arguments."""
        if self._question is None or not all(map(_same, self._question, question)):
            self._question, self._answer = question, surrogate_splits(*question)
        return self._answer


def share_knots(splits: list[Splits], budget: int) -> list[np.ndarray]:
    """Choose at most `budget` thresholds in total, shared in proportion to the square root of each column's gain.

    The square root keeps one dominant column from taking every knot: its hundredth knot is worth less than the second
    one of a weaker column.
    """
    strength = np.sqrt([split.gains.sum() for split in splits])
    available = np.array([len(split.thresholds) for split in splits])
    counts = np.zeros(len(splits), dtype=int)
    # Columns with fewer thresholds than their share give the rest back to the others.
    while (left := budget - counts.sum()) > 0:
        open_ = counts < available
        if not open_.any():
            break
        share = np.where(open_, strength, 0)
        extra = np.minimum(np.floor(left * share / max(share.sum(), 1e-300)).astype(int), available - counts)
        if extra.sum() == 0:
            extra[np.argmax(np.where(open_, strength, -1))] = 1
        counts += extra
    return [_strongest(split, k) for split, k in zip(splits, counts, strict=True)]


def spaced(edges: np.ndarray, closest: float) -> np.ndarray:
    """Ascending edges without those closer than `closest` to the previous one; both ends stay.

    Far from zero the units must be wider, because ``x * scale + bias`` cancels the leading digits of x.
    """
    kept = [edges[0]]
    for edge in edges[1:]:
        if edge - kept[-1] > max(closest, abs(edge) / _WIDEST_RATIO):
            kept.append(edge)
    kept[-1] = max(kept[-1], edges[-1])
    return np.array(kept)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return one.shape == other.shape and np.array_equal(one, other, equal_nan=True)
    return one == other


def _strongest(split: Splits, k: int) -> np.ndarray:
    """The k thresholds with the largest gains, in ascending order."""
    order = np.argsort(-split.gains, kind="stable")[:k]
    return np.sort(split.thresholds[order])


def _collect(node: dict, found: list[dict[float, float]]) -> None:
    """Add the gain of every numeric split below `node` to its threshold."""
    stack = [node]
    while stack:
        node = stack.pop()
        if "split_feature" not in node:
            continue
        if node["split_feature"] < len(found) and node["decision_type"] == "<=":
            gains = found[node["split_feature"]]
            threshold = float(node["threshold"])
            gains[threshold] = gains.get(threshold, 0.0) + max(float(node["split_gain"]), 0.0)
        stack += [node["left_child"], node["right_child"]]


def _splits(gains: dict[float, float]) -> Splits:
    # LightGBM writes a split between missing and present values as a threshold beyond every number.
    thresholds = np.array(sorted(t for t in gains if abs(t) < 1e30))
    of_missing = sum(gain for t, gain in gains.items() if abs(t) >= 1e30)
    return Splits(thresholds, np.array([gains[t] for t in thresholds]), of_missing)
