"""Which pairs of columns the teacher combines: trees on the residuals of main effects, whose branches use two columns.

LightGBM grows them with a constraint for each pair, so that every leaf is a region of two columns and the trees are a
sum of functions of two columns (Lou, Caruana, Gehrke, Hooker, "Accurate Intelligible Models with Pairwise
Interactions", KDD 2013). The gain of their splits ranks the pairs, and their thresholds show where to put knots.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from tabkd._threads import lightgbm_threads

# Targets with a booster each, and the trees of all boosters: of one split, and of two columns in each branch.
_MAX_TARGETS = 10
_N_STUMPS, _N_TREES = 500, 100
# Most bins of a column, and of all columns together, but a few of each: the time of a tree grows with them.
_MAX_BINS, _BINS_IN_ALL, _MIN_BINS = 255, 16_000, 31
# Most columns whose pairs are tried: those of the largest gain.
_MAX_COLUMNS = 32


@dataclass
class Interaction:
    """What the trees found about a pair: the gain of its splits, and the gain at each threshold of each column."""

    gain: float = 0.0
    cuts: dict[int, dict[float, float]] = field(default_factory=dict)


def interactions(
    table: np.ndarray,
    n_numeric: int,
    targets: np.ndarray,
    weights: np.ndarray,
    groups: np.ndarray,
    random_state: int,
    n_jobs: int | None,
) -> tuple[dict[tuple[int, int], Interaction], np.ndarray]:
    """Find the pairs of columns that explain the residuals of a sum over columns.

    Parameters
    ----------
    table : ndarray of shape (n, c)
        Numeric columns, then codes of categorical ones.
    n_numeric : int
        The number of numeric columns.
    targets : ndarray of shape (n, M)
        The scores to explain.
    weights : ndarray of shape (n,)
        Weights of the rows.
    groups : int ndarray of shape (c,)
        Columns of one group make no pair.
    random_state : int
        Seed.
    n_jobs : int or None
        Threads; None for all cores.

    Returns
    -------
    interactions : dict of (int, int) to Interaction
        The pairs that the trees use, by the positions of their columns in ascending order.
    residual : ndarray of shape (n, M)
        The targets minus a boosted sum of functions of one column.
    """
    import lightgbm

    n, n_columns = table.shape
    threads = lightgbm_threads(n_jobs, table.size)
    names = list(range(n_numeric, n_columns))
    max_bin = int(np.clip(_BINS_IN_ALL // n_columns, _MIN_BINS, _MAX_BINS))
    settings = {"verbosity": -1, "max_bin": max_bin, "min_data_in_bin": 1, "num_threads": threads}
    data = lightgbm.Dataset(table, categorical_feature=names, params=settings, free_raw_data=False)
    params = {
        "objective": "regression",
        "learning_rate": 0.2,
        "min_data_in_leaf": max(3, min(20, n // 200)),
        "verbosity": -1,
        "seed": random_state % (2**31),
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads,
    }

    def boosted(target: np.ndarray, n_trees: int, **changed: Any) -> Any:
        data.set_label(target)
        data.set_weight(weights)
        return lightgbm.train(params | changed, data, num_boost_round=n_trees)

    residual = np.array(targets, dtype=np.float64)
    found: dict[tuple[int, int], Interaction] = {}
    some = range(min(targets.shape[1], _MAX_TARGETS))
    for k in some:
        main = boosted(residual[:, k], max(50, _N_STUMPS // len(some)), num_leaves=2)
        residual[:, k] -= main.predict(table, num_threads=threads)
        allowed = _pairs(_columns(lambda k=k: boosted(residual[:, k], 20, num_leaves=16), n_columns), groups)
        if allowed:
            n_trees = max(10, _N_TREES // len(some))
            trees = boosted(residual[:, k], n_trees, num_leaves=16, interaction_constraints=allowed)
            for tree in trees.dump_model()["tree_info"]:
                _collect(tree["tree_structure"], found)
    return found, residual[:, some]


def _columns(first_trees: Callable, n_columns: int) -> np.ndarray:
    """The columns that may be in a pair; of many, those with the largest gain in a few unconstrained trees."""
    if n_columns <= _MAX_COLUMNS:
        return np.arange(n_columns)
    gains = first_trees().feature_importance("gain")
    return np.sort(np.argsort(-gains, kind="stable")[:_MAX_COLUMNS])


def _pairs(columns: np.ndarray, groups: np.ndarray) -> list[list[int]]:
    return [[int(a), int(b)] for a, b in combinations(columns, 2) if groups[a] != groups[b]]


def _collect(root: dict, found: dict[tuple[int, int], Interaction]) -> None:
    """Add the gain of every split that makes a branch one of two columns to the pair and to all thresholds above."""
    stack: list[tuple[dict, list[tuple[int, float]]]] = [(root, [])]
    while stack:
        node, path = stack.pop()
        if "split_feature" not in node:
            continue
        threshold = float(node["threshold"]) if node["decision_type"] == "<=" else np.inf
        path = [*path, (int(node["split_feature"]), threshold)]
        columns = sorted({column for column, _ in path})
        if len(columns) == 2:
            gain = float(node["split_gain"])
            gain = gain if 0 < gain < np.inf else 0.0  # rounding makes others where nothing is left to explain
            pair = found.setdefault((columns[0], columns[1]), Interaction())
            pair.gain += gain
            for column, cut in path:
                # LightGBM writes a split between missing and present values as a threshold beyond every number.
                if abs(cut) < 1e30:
                    cuts = pair.cuts.setdefault(column, {})
                    cuts[cut] = cuts.get(cut, 0.0) + gain
        stack += [(node["left_child"], path), (node["right_child"], path)]
