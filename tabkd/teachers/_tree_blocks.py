"""LightGBM's answers, found a few trees at a time.

LightGBM takes each row through all trees before the next row. A large ensemble does not fit into the cache of a core,
so every row fetches its trees again. Here all rows go through some trees, which stay in the cache, before the next ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, softmax

if TYPE_CHECKING:
    import lightgbm

# Trees of this number stay in the cache of a core; a round of more trees is not divided.
_TREES = 16
# Each block is a call with costs of its own, so few rows or few trees are not divided.
_LEAST_ROWS, _LEAST_BLOCKS = 512, 4
_LINKS = {
    "binary": expit,
    "multiclass": lambda raw: softmax(raw, axis=1),
    "regression": lambda raw: raw,
}


def raw_scores(booster: lightgbm.Booster, X: np.ndarray, **params: Any) -> np.ndarray:
    """`booster.predict(X, raw_score=True)`, a few trees at a time.

    Parameters
    ----------
    booster : lightgbm.Booster
        Any that adds up its trees.
    X : array of shape (n, d)
        Rows.
    **params : object
        Further arguments of `predict`.

    Returns
    -------
    array of shape (n,) or (n, K), float64
        The scores; the last digits may differ, because sums are added up in another order.

    Examples
    --------
    >>> import lightgbm
    >>> X = np.random.default_rng(0).normal(size=(600, 3))
    >>> booster = lightgbm.train({"verbosity": -1}, lightgbm.Dataset(X, X[:, 0]), 100)
    >>> bool(np.allclose(raw_scores(booster, X), booster.predict(X)))
    True
    """
    n_rounds = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
    size = max(1, _TREES // booster.num_model_per_iteration())
    if len(X) < _LEAST_ROWS or n_rounds < _LEAST_BLOCKS * size:
        return booster.predict(X, raw_score=True, **params)
    total: Any = 0.0
    for start in range(0, n_rounds, size):
        n = min(size, n_rounds - start)
        total = total + booster.predict(X, raw_score=True, start_iteration=start, num_iteration=n, **params)
    return total


def answers(booster: lightgbm.Booster, X: np.ndarray, objective: str, **params: Any) -> np.ndarray:
    """`booster.predict(X)` of a booster with this objective: binary, multiclass or regression."""
    return _LINKS[objective](raw_scores(booster, X, **params))
