"""Fitted models that are not scikit-learn estimators, such as AutoGluon's predictor, and how their task is recognised.

Everything is read from attributes, so that no library is imported.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

_TASKS = {"binary": "classification", "multiclass": "classification", "regression": "regression"}


def is_estimator(model: Any) -> bool:
    """Whether a model follows scikit-learn: it can be copied by its parameters and fitted by `fit(X, y)`."""
    return hasattr(model, "fit") and hasattr(model, "get_params")


def check_fitted(model: Any, name: str) -> None:
    """Refuse a model that is used as it is, if it shows that it is not fitted.

    Parameters
    ----------
    model : object
        The model; one that does not show whether it is fitted is accepted.
    name : str
        The name of the model in errors.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    """
    if is_estimator(model):
        check_is_fitted(model)
    elif getattr(model, "is_fit", True) is False:
        raise NotFittedError(
            f"teacher {name} is not fitted yet, and its fit is not scikit-learn's, so tabkd does not call it. "
            "Fit it first, then pass it as teacher."
        )


def may_be_unfitted(model: Any) -> bool:
    """Whether a model may need a fit that tabkd cannot make, and does not show whether it is fitted."""
    return hasattr(model, "fit") and not is_estimator(model) and not hasattr(model, "is_fit")


def task_of(model: Any) -> str | None:
    """The task of a model, by scikit-learn's tags or an attribute `problem_type`.

    Returns
    -------
    str or None
        "classification", "regression", another `problem_type` such as "quantile", or None if it is unknown.
    """
    if hasattr(model, "__sklearn_tags__"):
        return "classification" if is_classifier(model) else "regression" if is_regressor(model) else None
    kind = getattr(model, "problem_type", None)
    return _TASKS.get(kind, kind) if isinstance(kind, str) else None


def own_table(model: Any, X: Any, name: str) -> Any:
    """A table in the form that a model takes: a pandas frame if the model knows its columns by name, like AutoGluon.

    Parameters
    ----------
    model : object
        A model with a method `features` takes frames; to any other, the table is passed unchanged.
    X : pandas or polars frame, or array of shape (n, d)
        The columns of an array are assumed to be those that the model was fitted on, in the same order.
    name : str
        The name of the model in errors.

    Raises
    ------
    ValueError
        For an array with another number of columns, and for a frame without a column that the model needs.
    """
    if is_estimator(model) or not callable(getattr(model, "features", None)):
        return X
    if isinstance(X, np.ndarray):
        # All columns that the model was fitted on; `features()` leaves out those that it does not use.
        names = list(getattr(model, "original_features", None) or model.features())
        if X.shape[1] != len(names):
            raise ValueError(
                f"teacher {name} was fitted on {len(names)} columns, {names[:10]}, but X is an array of "
                f"{X.shape[1]} columns, which have no names. Pass X as a DataFrame with the names of the columns."
            )
        return pd.DataFrame(X, columns=names).infer_objects()
    frame = X if isinstance(X, pd.DataFrame) else X.to_pandas()
    present = set(frame.columns)
    missing = [column for column in model.features() if column not in present]
    if missing:
        raise ValueError(
            f"teacher {name} needs the columns {missing[:5]}, which X does not have: its columns are "
            f"{list(frame.columns)[:10]}. Pass X with all columns that the teacher was fitted on."
        )
    return frame
