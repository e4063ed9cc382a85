"""Where to put the knots of a piecewise-linear encoding: where the soft targets change.

An MLP is bad at the steps that a tree ensemble makes. A small gradient-boosted surrogate of the soft targets finds
those steps; the gain of its splits says how many knots a column deserves and where.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA

from tabkd._threads import lightgbm_threads
from tabkd.students._rows import is_simplex

# Rows that the surrogate is fitted on. Its time follows rows × columns: many columns make do with fewer rows, but not
# with so few that their steps are lost in the noise.
_MAX_ROWS, _MAX_VALUES, _MIN_ROWS = 100_000, 10_000_000, 20_000
_MAX_TARGETS = 10
_N_TREES = 120


@dataclass(frozen=True)
class Splits:
    """The distinct split thresholds of one column, ascending, and the gain of each."""

    thresholds: np.ndarray
    gains: np.ndarray


def surrogate_splits(
    values: np.ndarray,
    levels: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    random_state: int,
    n_jobs: int | None = None,
) -> list[Splits]:
    """The splits that a LightGBM surrogate of the targets makes in each numeric column, by 100,000 rows at most.

    Parameters
    ----------
    values : array of shape (n, m)
        Numeric columns.
    levels : array of shape (n, j)
        Codes of categorical columns: the surrogate sees them, so that the numeric columns need not stand in for them.
    targets : array of shape (n, K)
    weights : array of shape (n,)
    random_state : int
    n_jobs : int, optional

    Returns
    -------
    list of Splits, one for each column of `values`
    """
    m = values.shape[1]
    if m == 0 or not (values != values[0]).any():
        return [Splits(np.empty(0), np.empty(0))] * m
    import lightgbm

    rng = np.random.RandomState(random_state)
    most = min(_MAX_ROWS, max(_MIN_ROWS, _MAX_VALUES // (m + levels.shape[1])))
    if len(values) > most:
        rows = rng.choice(len(values), most, replace=False)
        values, levels, targets, weights = values[rows], levels[rows], targets[rows], weights[rows]
    threads = lightgbm_threads(n_jobs, len(values))
    directions, objective = _directions(targets, rng)
    found: list[dict[float, float]] = [{} for _ in range(m)]
    dataset = lightgbm.Dataset(
        np.hstack([values, levels]),
        categorical_feature=list(range(m, m + levels.shape[1])),
        params={"verbosity": -1, "max_bin": 255, "min_data_in_bin": 1, "num_threads": threads},
        free_raw_data=False,
    )
    params = {
        "objective": objective,
        "learning_rate": 0.15,
        "num_leaves": 31,
        "min_data_in_leaf": max(3, min(20, len(values) // 200)),
        "verbosity": -1,
        "seed": random_state % (2**31),
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads,
    }
    for direction in directions.T:
        dataset.set_label(direction)
        dataset.set_weight(weights)
        booster = lightgbm.train(params, dataset, num_boost_round=max(10, _N_TREES // directions.shape[1]))
        for tree in booster.dump_model()["tree_info"]:
            _collect(tree["tree_structure"], found)
    return [_splits(gains) for gains in found]


def share_knots(splits: list[Splits], budget: int) -> list[np.ndarray]:
    """Choose at most `budget` thresholds in all: each column's share follows the square root of its gain.

    The square root keeps one dominant column from taking every knot: its hundredth knot tells less than the
    second of a weaker column.
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
            extra[np.argmax(share)] = 1
        counts += extra
    return [_strongest(split, k) for split, k in zip(splits, counts, strict=True)]


def _strongest(split: Splits, k: int) -> np.ndarray:
    order = np.argsort(-split.gains, kind="stable")[:k]
    return np.sort(split.thresholds[order])


def _directions(targets: np.ndarray, rng) -> tuple[np.ndarray, str]:
    """What the surrogate is fitted on, one column at a time, and the loss for it."""
    if is_simplex(targets):
        if targets.shape[1] == 2:
            return targets[:, 1:], "cross_entropy"
        if targets.shape[1] <= _MAX_TARGETS:
            return targets, "cross_entropy"
    if targets.shape[1] <= _MAX_TARGETS:
        return targets, "regression"
    n_components = min(_MAX_TARGETS, len(targets), targets.shape[1])
    return PCA(n_components, random_state=rng).fit_transform(targets), "regression"


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
    # LightGBM writes a split of missing from present values as a threshold beyond every number.
    thresholds = np.array(sorted(t for t in gains if abs(t) < 1e30))
    return Splits(thresholds, np.array([gains[t] for t in thresholds]))
