"""What every estimator checks of its input, with scikit-learn's errors."""

from __future__ import annotations

import numbers

import numpy as np
import pandas as pd
from sklearn.utils import check_array
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_y, validate_data

from tabkd.table import as_table

_LARGEST = float(np.finfo(np.float32).max)


class TakesTables:
    """Mixin that says so in scikit-learn's tags: numbers, strings, categories, and missing values."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags


def check_table(estimator, X, reset: bool = True):
    """`X` as a frame or a 2-D array, its number and names of columns learnt (`reset`) or checked.

    Columns with names are left to `TableSchema.encode`, which takes them in any order.
    """
    X = as_table(X)
    columns = getattr(X, "columns", None)
    named = columns is not None and all(isinstance(name, str) for name in columns)
    if reset or not named or not hasattr(estimator, "feature_names_in_"):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
    return X


def check_labels(estimator, y) -> np.ndarray:
    """Class labels of shape (n,), none of them missing.

    Raises
    ------
    ValueError
        Also where there is one class only.
    """
    _check_given(estimator, y)
    # As objects first: NumPy would make strings of the numbers and of NaN in a list of strings.
    labels = y if isinstance(y, np.ndarray) else np.asarray(y, dtype=object)
    if labels.dtype == object:
        _check_label_objects(labels)
    if labels.dtype.kind in "mMcV":
        raise ValueError(
            f"y has labels of dtype {labels.dtype}, but classes are strings, numbers or booleans; use y.astype(str)."
        )
    y = _check_y(y, estimator=estimator)
    check_classification_targets(y)
    classes = np.unique(y)
    if len(classes) < 2:
        raise ValueError(
            f"y has one class only, {classes.tolist()[0]!r}, in {len(y)} rows; a classifier needs rows of two or "
            "more classes."
        )
    return y


def _check_label_objects(y: np.ndarray) -> None:
    missing = pd.isna(y)
    if missing.any():
        raise ValueError(f"Input y contains {y[missing][0]!r} ({missing.sum()} rows); leave out rows without a label.")
    strange = [label for label in y if not isinstance(label, (str, numbers.Number, np.bool_))]
    if strange:
        raise ValueError(
            f"y has the label {strange[0]!r} of type {type(strange[0]).__name__}, but classes are strings, numbers or "
            "booleans; convert y, for example with y.astype(str)."
        )
    if len({isinstance(label, str) for label in y}) > 1:
        kinds = sorted({type(label).__name__ for label in y})
        raise ValueError(f"y has labels of type {' and '.join(kinds)}; make them all strings or all numbers.")


def check_targets(estimator, y) -> np.ndarray:
    """Real targets, float64 of shape (n,) or (n, K), all finite."""
    _check_given(estimator, y)
    y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y", estimator=estimator)
    if (np.abs(y) > _LARGEST).any():
        raise ValueError(
            f"y holds {y.flat[np.abs(y).argmax()]:g}, but ONNX Runtime computes in float32, which ends at "
            f"{_LARGEST:g}; rescale y."
        )
    return y


def _check_given(estimator, y) -> None:
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None; give it as the second "
            "argument of fit."
        )
