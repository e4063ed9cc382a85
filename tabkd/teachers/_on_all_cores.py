"""Forests that answer on all cores, with exactly the same answers.

A forest of scikit-learn with `n_jobs=None` answers on one core. Its own threads, one for each of some trees, add up the
answers in the order in which they finish, so that the last digits differ from call to call. Here each thread answers a
part of the rows.
"""

from __future__ import annotations

from copy import copy as shallow_copy
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import Parallel, delayed

from tabkd._sklearn import safe_indexing
from tabkd._threads import n_threads

# By name: the classes are already imported if a teacher is one.
_FORESTS = {f"{kind}{task}" for kind in ("RandomForest", "ExtraTrees") for task in ("Classifier", "Regressor")}
_OF_SEVERAL = {f"{kind}{task}" for kind in ("Stacking", "Voting") for task in ("Classifier", "Regressor")}
# Fewer rows are not worth a thread.
_LEAST_ROWS = 1_000


def on_all_cores(teacher: Any, n_jobs: int | None) -> Any:
    """The same teacher, with forests that answer on several cores.

    Parameters
    ----------
    teacher : fitted estimator
        A scikit-learn forest with `n_jobs=None`, possibly frozen, at the end of a pipeline, or in a stack or a voting
        ensemble.
    n_jobs : int or None
        The number of threads; None for all cores.

    Returns
    -------
    estimator
        A shallow copy that gives the same answers; any other teacher itself. The teacher is unchanged.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> X = np.random.default_rng(0).normal(size=(4000, 2))
    >>> forest = RandomForestRegressor(5, random_state=0).fit(X[:100], X[:100, 0])
    >>> bool((on_all_cores(forest, 2).predict(X) == forest.predict(X)).all())
    True
    """
    threads = n_threads(n_jobs)
    return teacher if threads == 1 else _with_threads(teacher, threads)


def _with_threads(model: Any, threads: int) -> Any:
    if isinstance(model, FrozenEstimator):
        return FrozenEstimator(_with_threads(model.estimator, threads))
    if type(model) is Pipeline:
        copy, (name, last) = shallow_copy(model), model.steps[-1]
        copy.steps = [*model.steps[:-1], (name, _with_threads(last, threads))]
        return copy
    kind = type(model)
    if not kind.__module__.startswith("sklearn.ensemble."):
        return model
    if kind.__name__ in _OF_SEVERAL:
        copy = shallow_copy(model)
        copy.estimators_ = [_with_threads(member, threads) for member in model.estimators_]
        return copy
    return ByParts(model, threads) if kind.__name__ in _FORESTS and model.n_jobs is None else model


class ByParts:
    """A fitted estimator whose answers to parts of the rows are found at the same time.

    Parameters
    ----------
    estimator : fitted estimator
        It answers each row by itself, and in several threads at once.
    threads : int
        The number of parts.
    """

    def __init__(self, estimator: Any, threads: int) -> None:
        self.estimator = estimator
        self.threads = threads
        self.name = type(estimator).__name__  # in error messages

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probabilities of the classes."""
        return self._by_parts(self.estimator.predict_proba, X)

    def predict(self, X: Any) -> np.ndarray:
        """The predictions."""
        return self._by_parts(self.estimator.predict, X)

    def __getattr__(self, name: str) -> Any:
        if name == "estimator":  # of a copy that has no attributes yet
            raise AttributeError(name)
        return getattr(self.estimator, name)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def _by_parts(self, ask: Any, X: Any) -> np.ndarray:
        n = X.shape[0]
        size = max(_LEAST_ROWS, -(-n // self.threads))
        if n <= size:
            return ask(X)
        parts = (safe_indexing(X, slice(start, start + size)) for start in range(0, n, size))
        return np.concatenate(Parallel(self.threads, backend="threading")(delayed(ask)(part) for part in parts))
