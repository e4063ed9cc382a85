"""A small gradient-boosted surrogate of soft targets: it shows on which columns they depend, and where they change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from sklearn.decomposition import PCA

from tabkd._threads import lightgbm_threads
from tabkd.students._soft_rows import SoftRows, is_simplex

if TYPE_CHECKING:
    import lightgbm

#: A table with more columns is wide: it is worth saving time on each column.
MANY_COLUMNS = 64
# Bins of a column. Many columns get few knots each, which need fewer bins, and their histograms stay in the cache.
_MAX_BIN, _MAX_BIN_OF_MANY = 255, 63
_MAX_TARGETS = 10
# Rows and trees that show which columns are used at all.
_USED_ROWS, _USED_TREES = 10_000, 30
# A gain worth mentioning: more than this share of the mean gain of all columns.
_LEAST_GAIN = 1e-3


def surrogates(
    values: np.ndarray,
    levels: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    random_state: int,
    n_jobs: int | None,
    max_rows: int,
    n_trees: int,
) -> Iterator[lightgbm.Booster]:
    """LightGBM's models of the targets, one for each direction in which they vary.

    Parameters
    ----------
    values : ndarray of shape (n, m)
        Numeric columns.
    levels : ndarray of shape (n, j)
        Codes of categorical columns.
    targets : ndarray of shape (n, K)
        Class probabilities, or real values.
    weights : ndarray of shape (n,)
        Weights of the rows.
    random_state : int
        Seed.
    n_jobs : int or None
        Threads; None for all cores.
    max_rows : int
        Most rows that are read, drawn at random.
    n_trees : int
        Trees of all models together.
    """
    import lightgbm

    rng = np.random.RandomState(random_state)
    if len(values) > max_rows:
        rows = rng.choice(len(values), max_rows, replace=False)
        values, levels, targets, weights = values[rows], levels[rows], targets[rows], weights[rows]
    threads = lightgbm_threads(n_jobs, values.size + levels.size)
    directions, objective = _directions(targets, rng)
    m, n_columns = values.shape[1], values.shape[1] + levels.shape[1]
    max_bin = _MAX_BIN if n_columns <= MANY_COLUMNS else _MAX_BIN_OF_MANY
    dataset = lightgbm.Dataset(
        np.hstack([values, levels]),
        categorical_feature=list(range(m, n_columns)),
        params={"verbosity": -1, "max_bin": max_bin, "min_data_in_bin": 1, "num_threads": threads},
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
        yield lightgbm.train(params, dataset, num_boost_round=max(10, n_trees // directions.shape[1]))


def used_columns(rows: SoftRows, random_state: int, n_jobs: int | None = None) -> np.ndarray:
    """Whether the targets seem to depend on a column, as a few trees on some of the rows show it.

    Parameters
    ----------
    rows : SoftRows
        Rows with their targets.
    random_state : int
        Seed.
    n_jobs : int or None, default=None
        Threads; None for all cores.

    Returns
    -------
    ndarray of shape (d,), bool
        Whether splits in the column have a gain worth mentioning.

    Examples
    --------
    >>> codes = np.random.default_rng(0).integers(9, size=(200, 3))
    >>> used_columns(SoftRows(codes, codes[:, :1] > 4.0, np.ones(200)), random_state=0, n_jobs=1)
    array([ True, False, False])
    """
    levels = np.empty((len(rows), 0))
    found = surrogates(rows.codes, levels, rows.targets, rows.weights, random_state, n_jobs, _USED_ROWS, _USED_TREES)
    return worthwhile(np.sum([booster.feature_importance("gain") for booster in found], axis=0))


def worthwhile(gains: np.ndarray) -> np.ndarray:
    """Whether the splits in a column have a gain worth mentioning, bool (d,), by the gains (d,) of all columns."""
    return gains > _LEAST_GAIN * gains.mean()


def _directions(targets: np.ndarray, rng: np.random.RandomState) -> tuple[np.ndarray, str]:
    """The targets that the surrogate is fitted on, one column at a time, and its loss."""
    if is_simplex(targets):
        if targets.shape[1] == 2:
            return targets[:, 1:], "cross_entropy"
        if targets.shape[1] <= _MAX_TARGETS:
            return targets, "cross_entropy"
    if targets.shape[1] <= _MAX_TARGETS:
        return targets, "regression"
    n_components = min(_MAX_TARGETS, len(targets), targets.shape[1])
    return PCA(n_components, random_state=rng).fit_transform(targets), "regression"
