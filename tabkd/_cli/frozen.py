"""Fitted models that are not estimators: a function of the frame, with the interface of a teacher."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tabkd._cli.errors import CommandError


class FileClassifier:
    """A classifier from a file: a function of the frame gives its probabilities.

    Parameters
    ----------
    name : str
        What it is called in reports.
    scores : callable
        Frame to probabilities of shape (n, K), or (n,) of the second of two classes.
    classes : sequence
        The labels of the columns.
    params : mapping, optional
        The parameters of its fit, as far as the file has them: a report reads its loss and its class weights, and a
        student its monotone constraints.
    table_columns : sequence of str, optional
        The names of the columns that it picks of a table; None for all columns.
    """

    def __init__(
        self,
        name: str,
        scores: Callable[[Any], Any],
        classes: Sequence | np.ndarray,
        params: Mapping[str, Any] | None = None,
        table_columns: Sequence[str] | None = None,
    ):
        self.name = name
        self.scores = scores
        self.classes_ = np.asarray(classes)
        self.params = dict(params or {})
        self.table_columns = table_columns

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of shape (n, K), in the order of `classes_`."""
        P = np.asarray(self.scores(X), dtype=np.float64)
        return np.column_stack([1 - P, P]) if P.ndim == 1 or P.shape[1] == 1 else P

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class FileRegressor:
    """A regressor from a file: a function of the frame gives its predictions; otherwise like `FileClassifier`."""

    def __init__(
        self,
        name: str,
        scores: Callable[[Any], Any],
        params: Mapping[str, Any] | None = None,
        table_columns: Sequence[str] | None = None,
    ):
        self.name = name
        self.scores = scores
        self.params = dict(params or {})
        self.table_columns = table_columns

    def predict(self, X: Any) -> np.ndarray:
        """Predictions of shape (n,) or (n, n_outputs)."""
        values = np.asarray(self.scores(X), dtype=np.float64)
        return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def select_columns(X: pd.DataFrame, names: Sequence[str] | None, n_features: int) -> pd.DataFrame:
    """The columns that a teacher was fitted on: by name, or all of them if it has no names.

    Booleans with missing values become floats, which all libraries accept.
    """
    gaps = [name for name, dtype in X.dtypes.items() if isinstance(dtype, pd.BooleanDtype)]
    X = X.astype(dict.fromkeys(gaps, np.float64)) if gaps else X
    if names is None:
        if X.shape[1] != n_features:
            raise CommandError(
                f"the teacher was fitted on {n_features} columns without names, but the table has "
                f"{X.shape[1]}: {list(X.columns)[:10]}. Give it the same columns; --drop leaves some out."
            )
        return X
    missing = [name for name in names if name not in X.columns]
    if missing:
        raise CommandError(
            f"the teacher needs the columns {missing[:5]}, which the table does not have. "
            "Give the table that the teacher was fitted on."
        )
    return X[list(names)]
