"""The teacher: fitted or frozen, and what it says of a table, class order and all."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from tabkd._sklearn import safe_indexing
from tabkd._tables.schema import TableSchema
from tabkd._weights import fit_with
from tabkd.teachers._integer_classes import IntegerClasses, with_integer_classes

# Rows that a teacher is asked about at a time, so that its own copies of a table stay small.
CHUNK_ROWS = 32_768


def is_frozen(teacher) -> bool:
    """Whether the teacher is used as it is: wrapped in `FrozenEstimator`, or an object without `fit`."""
    return isinstance(teacher, FrozenEstimator) or not hasattr(teacher, "fit")


def check_teacher(teacher, task: str) -> None:
    """Refuse a teacher that cannot say what a student needs.

    Raises
    ------
    TypeError
        Where `predict_proba`, `classes_` or `predict` is missing, or the teacher is of the other task.
    sklearn.exceptions.NotFittedError
        Where a frozen teacher is not fitted.
    """
    name = teacher_name(teacher)
    inner = teacher.estimator if isinstance(teacher, FrozenEstimator) else teacher
    if isinstance(inner, type):
        raise TypeError(f"teacher is the class {inner.__name__}; pass an instance: {inner.__name__}().")
    if is_frozen(teacher) and hasattr(inner, "fit"):
        check_is_fitted(inner)
    if task == "regression":
        if not hasattr(inner, "predict"):
            raise TypeError(f"teacher {name} has no `predict`; a regressor is needed.")
        if hasattr(inner, "fit") and is_classifier(inner):
            raise TypeError(f"teacher {name} is a classifier; use DistilledClassifier, or pass a regressor.")
        return
    if not _has_probabilities(inner):
        if hasattr(inner, "fit") and is_regressor(inner):
            raise TypeError(f"teacher {name} is a regressor; use DistilledRegressor, or pass a classifier.")
        raise TypeError(
            f"teacher {name} has no `predict_proba`, and a student learns from probabilities. "
            f"Wrap it: CalibratedClassifierCV({name}())."
        )
    if is_frozen(teacher) and not hasattr(inner, "classes_"):
        raise TypeError(
            f"teacher {name} has no attribute `classes_`; set it to the labels of the columns of its "
            "predict_proba, in their order."
        )


def _has_probabilities(estimator) -> bool:
    """Whether a teacher has `predict_proba`, or will have it once it is fitted.

    scikit-learn's stack has none before, where its final estimator is left out: a logistic regression.
    """
    if hasattr(estimator, "predict_proba"):
        return True
    if isinstance(estimator, Pipeline):
        return _has_probabilities(estimator.steps[-1][1])
    # By name: the class is imported where a teacher is one.
    if type(estimator).__name__ == "StackingClassifier":
        return estimator.final_estimator is None
    inner = getattr(estimator, "estimator", None)
    return hasattr(inner, "get_params") and _has_probabilities(inner)


def teacher_name(estimator) -> str:
    """What an estimator is called: its class, behind a FrozenEstimator, at the end of a Pipeline.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.frozen import FrozenEstimator
    >>> teacher_name(FrozenEstimator(RandomForestClassifier()))
    'RandomForestClassifier'
    """
    if isinstance(estimator, (FrozenEstimator, IntegerClasses)):
        return teacher_name(estimator.estimator)
    if isinstance(estimator, Pipeline):
        return teacher_name(estimator.steps[-1][1])
    return str(getattr(estimator, "name", type(estimator).__name__))


def unfitted_copy(teacher):
    """A clone of the teacher, or a deep copy of one that scikit-learn cannot clone: CatBoost with `cat_features`."""
    try:
        return clone(teacher)
    except RuntimeError:
        return deepcopy(teacher)


def fit_teacher(teacher, X, y, fit_params: dict[str, Any]):
    """A copy of `teacher` fitted on (X, y), the labels as they are; a frozen teacher as it is."""
    if is_frozen(teacher):
        return teacher
    teacher = unfitted_copy(teacher)
    if is_classifier(teacher):
        teacher = with_integer_classes(teacher, y)
    return fit_with(teacher, X, y, fit_params)


def warn_of_positions(teacher, classes) -> None:
    """Warn of a histogram gradient boosting whose `class_weight` scikit-learn looks up by the positions of classes.

    Parameters
    ----------
    teacher : estimator
    classes : array of shape (K,)
    """
    if is_frozen(teacher) or not hasattr(teacher, "get_params") or np.array_equal(classes, np.arange(len(classes))):
        return
    for part in [teacher, *teacher.get_params(deep=True).values()]:
        # By name: the class is imported where a teacher is one.
        if type(part).__name__ != "HistGradientBoostingClassifier" or not isinstance(part.class_weight, dict):
            continue
        if _reads_positions(type(part)):
            warnings.warn(
                f"scikit-learn looks up class_weight {part.class_weight} of {type(part).__name__} by the "
                f"positions 0 to {len(classes) - 1} of the classes {np.asarray(classes).tolist()[:5]}, not by their "
                "labels. Pass sample_weight instead, or number the labels from 0.",
                UserWarning,
                stacklevel=4,
            )
            return


def _reads_positions(classifier: type) -> bool:
    """Whether weights by label are refused."""
    try:
        classifier(max_iter=1, class_weight={5: 1, 7: 1}).fit(np.zeros((4, 1)), [5, 7, 5, 7])
    except ValueError:
        return True
    return False


def check_known(teacher, classes) -> None:
    """Refuse classes that a frozen teacher was not fitted on.

    Raises
    ------
    ValueError
    """
    known = np.asarray(teacher.classes_).tolist()
    unknown = [c for c in np.asarray(classes).tolist() if c not in known]
    if unknown:
        raise ValueError(
            f"y holds the classes {unknown[:5]}, which teacher {teacher_name(teacher)} does not know: its classes_ "
            f"are {known[:20]}. Leave those rows out, or fit the teacher on them."
        )


def soft_targets(teacher, X, classes=None, some_classes: bool = False) -> np.ndarray:
    """What the teacher says of the rows of `X`, asked in chunks.

    Parameters
    ----------
    teacher : fitted estimator
    X : frame or array of shape (n, d), in the form that the teacher was fitted on
    classes : array of shape (K,), optional
        The order of the columns. Without it, real values are asked for.
    some_classes : bool, default=False
        Whether the teacher may know some of them only; the others get 0.

    Returns
    -------
    array of shape (n, K), float64
        Probabilities, or predictions.
    """
    if classes is not None and not some_classes:
        check_known(teacher, classes)
    ask = _probabilities(teacher, classes) if classes is not None else _values(teacher)
    n = X.shape[0]
    return np.concatenate(
        [ask(X if n <= CHUNK_ROWS else safe_indexing(X, slice(i, i + CHUNK_ROWS))) for i in range(0, n, CHUNK_ROWS)]
    )


def soft_targets_of_codes(teacher, schema: TableSchema, codes: np.ndarray, classes=None) -> np.ndarray:
    """`soft_targets` of rows given by their codes; the teacher sees them in the table's own form."""
    # The default teacher reads codes itself: no frame is built only to be taken apart again.
    if getattr(teacher, "schema_", None) == schema and hasattr(teacher, "predict_codes"):
        targets = teacher.predict_codes(codes)
        return targets if targets.ndim == 2 else targets[:, None]
    parts = [codes[i : i + CHUNK_ROWS] for i in range(0, len(codes), CHUNK_ROWS)]
    return np.concatenate([soft_targets(teacher, schema.decode(part), classes) for part in parts])


def _probabilities(teacher, classes) -> Callable[[Any], np.ndarray]:
    known = np.asarray(teacher.classes_)
    column_of = {label: i for i, label in enumerate(known.tolist())}
    # The last column, of zeros, stands for every class that the teacher does not know.
    order = np.array([column_of.get(label, len(known)) for label in np.asarray(classes).tolist()])

    def ask(X):
        given = np.asarray(teacher.predict_proba(X), dtype=np.float64)
        if given.ndim == 1 and len(known) == 2:  # some bare objects give the positive class alone
            given = np.column_stack([1 - given, given])
        if given.ndim != 2 or given.shape[1] != len(known):
            raise ValueError(
                f"predict_proba of teacher {teacher_name(teacher)} gave shape {given.shape}, but its classes_ "
                f"call for {len(known)} columns."
            )
        if not np.isfinite(given).all():
            raise ValueError(
                f"predict_proba of teacher {teacher_name(teacher)} gave NaN or infinite values; no student can "
                "learn from them."
            )
        given = np.clip(np.column_stack([given, np.zeros(len(given))])[:, order], 0, None)
        if not given.any(axis=1).all():
            row = int(np.flatnonzero(~given.any(axis=1))[0])
            raise ValueError(
                f"predict_proba of teacher {teacher_name(teacher)} gave no class of row {row} a positive probability; "
                "no student can learn from that."
            )
        return given / np.maximum(given.sum(axis=1, keepdims=True), 1e-300)

    return ask


def _values(teacher) -> Callable[[Any], np.ndarray]:
    def ask(X):
        given = np.asarray(teacher.predict(X), dtype=np.float64)
        if not np.isfinite(given).all():
            raise ValueError(
                f"predict of teacher {teacher_name(teacher)} gave NaN or infinite values; no student can learn "
                "from them."
            )
        return given.reshape(len(given), -1)

    return ask
