"""The checks of input that all estimators share, with scikit-learn's errors."""

from __future__ import annotations

import datetime
import numbers
import warnings
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import Tags, check_array
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from tabkd._sklearn import check_y
from tabkd._tables.containers import as_table
from tabkd._tables.schema import TableSchema
from tabkd._typing import ColumnLike, TableLike

_LARGEST = float(np.finfo(np.float32).max)


class TakesTables:
    """Mixin with scikit-learn's tags of an estimator that takes numbers, strings, categories and missing values."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags


def check_table(estimator: BaseEstimator, X: TableLike, reset: bool = True) -> Any:
    """Return `X` as a frame or a 2-D array, and learn or check the number and the names of its columns.

    Parameters
    ----------
    estimator : BaseEstimator
        Its `n_features_in_` and `feature_names_in_` are set or compared.
    X : pandas or polars frame, or array of shape (n, d)
        The table.
    reset : bool, default=True
        Whether the columns are learnt, as in `fit`, or checked. Named columns are not checked here:
        `TableSchema.encode` matches them by name, in any order.
    """
    X = as_table(X)
    columns = getattr(X, "columns", None)
    named = columns is not None and all(isinstance(name, str) for name in columns)
    if reset or not named or not hasattr(estimator, "feature_names_in_"):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
    return X


def learn_features(estimator: BaseEstimator, schema: TableSchema) -> None:
    """Set the attributes of an estimator in which scikit-learn keeps the number and the names of columns."""
    estimator.n_features_in_ = len(schema.columns)
    if schema.container != "numpy" and all(isinstance(name, str) for name in schema.names):
        estimator.feature_names_in_ = np.array(schema.names, dtype=object)


def check_labels(estimator: BaseEstimator, y: ColumnLike) -> np.ndarray:
    """Class labels as an array of shape (n,).

    Raises
    ------
    ValueError
        If there are no labels, labels are missing or invalid, or all are of one class.
    """
    y = as_labels(y, estimator)
    y = check_y(y, estimator=estimator)
    check_classification_targets(y)
    classes = np.unique(y)
    if len(classes) == 0:
        raise ValueError("y has no rows; a classifier needs rows of two or more classes.")
    if len(classes) == 1:
        raise ValueError(
            f"y has one class only, {classes.tolist()[0]!r}, in {len(y)} rows; a classifier needs rows of two or "
            "more classes."
        )
    return y


def as_labels(y: ColumnLike, estimator: BaseEstimator | None = None) -> np.ndarray:
    """Class labels as an array of shape (n,) with one dtype.

    A frame or an array with one column is accepted with scikit-learn's warning. An array of objects that are all
    booleans or all numbers gets their dtype.

    Raises
    ------
    ValueError
        If `y` is None, labels are missing, there are several columns, or labels are not strings, numbers or booleans.
    """
    _check_given(estimator, y)
    y = as_column(y)
    if y.ndim != 1:
        raise ValueError(
            f"y should be a 1d array, but has shape {y.shape}; pass one column of labels, for example y[:, 0] or "
            "frame['label']."
        )
    text = False
    if y.dtype == object and len(y):
        _check_label_objects(y)
        text = isinstance(y[0], str)
        y = y if text else np.array(y.tolist())
    if y.dtype.kind in "mMcV" or (y.dtype == object and len(y) and not text):
        raise ValueError(
            f"y has labels of dtype {y.dtype}, but classes are strings, numbers or booleans; use y.astype(str)."
        )
    return y


def as_column(y: ColumnLike, ravel: bool = True) -> np.ndarray:
    """A target as an array.

    Parameters
    ----------
    y : list, array, or a series or frame of pandas, polars or pyarrow
        The target of n rows.
    ravel : bool, default=True
        Whether shape (n, 1) becomes (n,), with scikit-learn's warning.
    """
    if not isinstance(y, np.ndarray):
        # A list becomes objects: NumPy would turn numbers and NaN among strings into strings.
        array = np.asarray(y, dtype=object if isinstance(y, (list, tuple)) else None)
        y = np.asarray(y) if array.ndim == 1 and _of_one_kind(array) else array
    if ravel and y.ndim == 2 and y.shape[1] == 1:
        warnings.warn(
            f"A column-vector y was passed when a 1d array was expected: y has shape {y.shape} and is read as "
            f"({len(y)},). Use y.ravel(), or one column of the frame.",
            DataConversionWarning,
            stacklevel=4,
        )
        y = y.ravel()
    return y


def _of_one_kind(labels: np.ndarray) -> bool:
    """Whether NumPy keeps the type of these objects: it does if all have the same type."""
    return labels.dtype != object or len({type(label) for label in labels}) == 1


def _check_label_objects(y: np.ndarray) -> None:
    """Refuse missing labels, and labels that are not all strings, all numbers or all booleans."""
    missing = pd.isna(y)
    if missing.any():
        raise ValueError(f"Input y contains {y[missing][0]!r} ({missing.sum()} rows); leave out rows without a label.")
    strange = [label for label in y if not isinstance(label, (str, numbers.Number, np.bool_))]
    if strange:
        raise ValueError(
            f"y has the label {strange[0]!r} of type {type(strange[0]).__name__}, but classes are strings, numbers or "
            "booleans; convert y, for example with y.astype(str)."
        )
    if len({(isinstance(label, str), isinstance(label, (bool, np.bool_))) for label in y}) > 1:
        kinds = sorted({type(label).__name__ for label in y})
        raise ValueError(
            f"y has labels of type {' and '.join(kinds)}; make them all strings, all numbers or all booleans."
        )


def check_targets(estimator: BaseEstimator, y: ColumnLike, ravel: bool = True) -> np.ndarray:
    """Finite real targets, float64 of shape (n,) or (n, K); with `ravel`, shape (n, 1) becomes (n,).

    Raises
    ------
    ValueError
        If `y` is None, has dates or durations, or has values that are not finite in float32.
    """
    y = as_targets(y, estimator, ravel)
    y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y", estimator=estimator)
    if (np.abs(y) > _LARGEST).any():
        raise ValueError(
            f"y holds {y.flat[np.abs(y).argmax()]:g}, but ONNX Runtime computes in float32, whose largest number is "
            f"{_LARGEST:g}; rescale y."
        )
    return y


def as_targets(y: ColumnLike, estimator: BaseEstimator | None = None, ravel: bool = True) -> np.ndarray:
    """Real targets as an array of shape (n,) or (n, K); with `ravel`, shape (n, 1) becomes (n,).

    Raises
    ------
    ValueError
        If `y` is None or has dates or durations, which NumPy would read as counts of some unit.
    """
    _check_given(estimator, y)
    y = as_column(y, ravel)
    dates = y.ravel()[:1].tolist() if y.dtype == object else []
    if y.dtype.kind in "mM" or any(isinstance(date, (datetime.date, datetime.timedelta)) for date in dates):
        raise ValueError(
            f"y holds dates or durations, for example {y.ravel()[0]}, but a regression needs numbers; convert them, "
            "for example to seconds or days since a date."
        )
    return y


def _check_given(estimator: BaseEstimator | None, y: ColumnLike | None) -> None:
    if y is None:
        name = "The estimator" if estimator is None else type(estimator).__name__
        raise ValueError(
            f"{name} requires y to be passed, but the target y is None; give it as the second argument of fit."
        )
