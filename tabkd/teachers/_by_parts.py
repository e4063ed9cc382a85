"""Forests that answer on all cores, with exactly the same answers.

A forest of scikit-learn with `n_jobs=None` answers on one core. Its own threads, one for each of some trees, add up the
answers in the order in which they finish, so that the last digits differ from call to call. Here each thread answers a
part of the rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.parallel import Parallel, delayed

from tabkd._sklearn import safe_indexing

# Fewer rows are not worth a thread.
_LEAST_ROWS = 1_000


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
