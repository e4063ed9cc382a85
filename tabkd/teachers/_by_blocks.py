"""LightGBM's answers, found a few trees at a time.

LightGBM takes each row through all trees before the next row. A large ensemble does not fit into the cache of a core,
so every row fetches its trees again. Here all rows go through a few trees, which stay in the cache, then the next ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, softmax

from tabkd._threads import n_threads

if TYPE_CHECKING:
    import lightgbm

# Trees of this number stay in the cache of a core; a round of more trees is not divided.
_TREES = 16
# Each block is a call with costs of its own, so few rows or few trees are not divided.
_LEAST_ROWS, _LEAST_BLOCKS = 512, 4
# What LightGBM makes of raw scores, by its objective.
_LINKS = {"binary": expit, "multiclass": lambda raw: softmax(raw, axis=1), "regression": lambda raw: raw}
# LightGBM's own answers to so many rows are compared with ours; a booster that does something else answers by itself.
_COMPARED, _TOLERANCE = 256, 1e-9


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
        return np.asarray(booster.predict(X, raw_score=True, **params))
    total: Any = 0.0
    for start in range(0, n_rounds, size):
        n = min(size, n_rounds - start)
        total = total + booster.predict(X, raw_score=True, start_iteration=start, num_iteration=n, **params)
    return total


def answers(booster: lightgbm.Booster, X: np.ndarray, objective: str, **params: Any) -> np.ndarray:
    """`booster.predict(X)` of a booster with this objective: binary, multiclass or regression."""
    return _LINKS[objective](raw_scores(booster, X, **params))


def is_divisible(model: Any) -> bool:
    """Whether a fitted estimator of LightGBM adds up its trees and has an objective that is known here."""
    return getattr(model, "objective_", None) in _LINKS and model.boosting_type != "rf"


class ByBlocks:
    """A fitted estimator of LightGBM that answers matrices a few trees at a time.

    Parameters
    ----------
    estimator : fitted LGBMClassifier or LGBMRegressor
        It is asked itself about tables that are no matrix of numbers.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        self._agrees: bool | None = None

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probabilities of the classes."""
        return self._answers(self.estimator.predict_proba, X)

    def predict(self, X: Any) -> np.ndarray:
        """The predictions; labels of a classifier."""
        if hasattr(self.estimator, "predict_proba"):
            return self.estimator.predict(X)
        return self._answers(self.estimator.predict, X)

    def __getattr__(self, name: str) -> Any:
        if name == "estimator":  # of a copy that has no attributes yet
            raise AttributeError(name)
        return getattr(self.estimator, name)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def _answers(self, ask: Any, X: Any) -> np.ndarray:
        matrix = _matrix(X) if X.shape[0] >= _LEAST_ROWS and self._agrees is not False else None
        if matrix is None:
            return ask(X)
        threads = n_threads(self.estimator.n_jobs or None)  # 0 means all cores, too
        found = answers(self.estimator.booster_, matrix, self.estimator.objective_, num_threads=threads)
        found = np.column_stack([1 - found, found]) if self.estimator.objective_ == "binary" else found
        if self._agrees is None:
            some = X[:_COMPARED]
            self._agrees = np.allclose(found[:_COMPARED], ask(some), rtol=_TOLERANCE, atol=_TOLERANCE)
        return found if self._agrees else ask(X)


def _matrix(X: Any) -> np.ndarray | None:
    """The rows as a matrix of numbers; None if they are anything else."""
    if hasattr(X, "dtypes") and all(isinstance(dtype, np.dtype) and dtype.kind in "fiub" for dtype in X.dtypes):
        return X.to_numpy(dtype=np.float64)
    return X if isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "fiu" else None
