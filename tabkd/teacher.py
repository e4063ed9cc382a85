"""The teacher: fitted or frozen, and what it says of a table, class order and all."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import check_cv, cross_val_predict
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.validation import check_is_fitted

from tabkd.table import TableSchema

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
    if not hasattr(inner, "predict_proba"):
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


def teacher_name(estimator) -> str:
    """What an estimator is called: its class, behind a FrozenEstimator, at the end of a Pipeline.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.frozen import FrozenEstimator
    >>> teacher_name(FrozenEstimator(RandomForestClassifier()))
    'RandomForestClassifier'
    """
    if isinstance(estimator, FrozenEstimator):
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
    """`teacher` fitted on (X, y); a frozen teacher as it is."""
    if is_frozen(teacher):
        return teacher
    if _needs_integer_classes(teacher) and not np.array_equal(np.unique(y), np.arange(len(np.unique(y)))):
        teacher = IntegerClasses(teacher)
    return teacher.fit(X, y, **fit_params)


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


def soft_targets(teacher, X, classes=None) -> np.ndarray:
    """What the teacher says of the rows of `X`, asked in chunks.

    Parameters
    ----------
    teacher : fitted estimator
    X : frame or array of shape (n, d), in the form that the teacher was fitted on
    classes : array of shape (K,), optional
        The order of the columns. Without it, real values are asked for.

    Returns
    -------
    array of shape (n, K), float64
        Probabilities, or predictions.
    """
    ask = _probabilities(teacher, classes) if classes is not None else _values(teacher)
    n = X.shape[0]
    return np.concatenate(
        [ask(X if n <= CHUNK_ROWS else _safe_indexing(X, slice(i, i + CHUNK_ROWS))) for i in range(0, n, CHUNK_ROWS)]
    )


def soft_targets_of_codes(teacher, schema: TableSchema, codes: np.ndarray, classes=None) -> np.ndarray:
    """`soft_targets` of rows given by their codes; the teacher sees them in the table's own form."""
    # The default teacher reads codes itself: no frame is built only to be taken apart again.
    if getattr(teacher, "schema_", None) == schema and hasattr(teacher, "predict_codes"):
        targets = teacher.predict_codes(codes)
        return targets if targets.ndim == 2 else targets[:, None]
    parts = [codes[i : i + CHUNK_ROWS] for i in range(0, len(codes), CHUNK_ROWS)]
    return np.concatenate([soft_targets(teacher, schema.decode(part), classes) for part in parts])


def out_of_fold_targets(teacher, X, y, cv, fit_params, classes=None, n_jobs=None) -> np.ndarray:
    """What clones of the teacher say of the rows that they were not fitted on, of shape (n, K).

    Raises
    ------
    ValueError
        For a frozen teacher, which cannot be fitted again.
    """
    if is_frozen(teacher):
        raise ValueError(
            f"cv={cv!r} asks for out-of-fold targets, but teacher {teacher_name(teacher)} is frozen and is not "
            "fitted again. Use cv=None, or an unfitted teacher."
        )
    folds = check_cv(cv, y, classifier=classes is not None)
    if classes is None:
        out = cross_val_predict(teacher, X, y, cv=folds, params=fit_params, n_jobs=n_jobs)
        return np.asarray(out, dtype=np.float64).reshape(len(out), -1)
    codes = np.searchsorted(classes, y)
    return cross_val_predict(
        IntegerClasses(teacher), X, codes, cv=folds, method="predict_proba", params=fit_params, n_jobs=n_jobs
    )


class IntegerClasses(ClassifierMixin, BaseEstimator):
    """A classifier fitted on the positions 0 … K − 1 of its classes, as XGBoost wants them.

    Parameters
    ----------
    estimator : classifier
    """

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y, **fit_params):
        """Fit a clone of the estimator on the positions of the classes."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.estimator_ = clone(self.estimator).fit(X, codes, **fit_params)
        return self

    def predict_proba(self, X):
        """Probabilities of shape (n, K), in the order of `classes_`."""
        return self.estimator_.predict_proba(X)

    def predict(self, X):
        """The most probable class of each row."""
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]

    def get_metadata_routing(self):
        """How metadata travels: `fit` hands it to the estimator."""
        fit = MethodMapping().add(caller="fit", callee="fit")
        return MetadataRouter(owner=self).add(estimator=self.estimator, method_mapping=fit)


def _needs_integer_classes(teacher) -> bool:
    """Whether this is XGBoost's classifier, alone or where a wrapper hands it the labels unchanged."""
    if isinstance(teacher, Pipeline):
        return _needs_integer_classes(teacher.steps[-1][1])
    if isinstance(teacher, CalibratedClassifierCV):
        return _needs_integer_classes(teacher.estimator)
    return type(teacher).__module__.startswith("xgboost.") and is_classifier(teacher)


def _probabilities(teacher, classes) -> Callable[[Any], np.ndarray]:
    check_known(teacher, classes)
    known = np.asarray(teacher.classes_)
    order = np.array([int(np.flatnonzero(known == c)[0]) for c in classes])

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
        given = np.clip(given[:, order], 0, None)
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
