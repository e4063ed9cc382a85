"""The teacher: the checks of its interface, and its fit unless it is frozen."""

from __future__ import annotations

import warnings
from copy import deepcopy
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from tabkd._weights import fit_with
from tabkd.teachers._integer_classes import IntegerClasses, with_integer_classes
from tabkd.teachers._predictor import check_fitted, is_estimator, task_of

# For each task, the name of a teacher's kind and the class that distils it.
_KINDS = {"classification": ("classifier", "DistilledClassifier"), "regression": ("regressor", "DistilledRegressor")}


def is_frozen(teacher: Any) -> bool:
    """Whether the teacher is used as it is: it is in a `FrozenEstimator`, or scikit-learn could not copy and fit it."""
    return isinstance(teacher, FrozenEstimator) or not is_estimator(teacher)


def unfrozen(teacher: Any) -> Any:
    """The estimator in a `FrozenEstimator`; any other teacher itself."""
    return teacher.estimator if isinstance(teacher, FrozenEstimator) else teacher


def check_teacher(teacher: Any, task: str) -> None:
    """Refuse a teacher that cannot give the answers that a student needs.

    Parameters
    ----------
    teacher : object
        The teacher that the user passed.
    task : {"classification", "regression"}
        The task of the student.

    Raises
    ------
    TypeError
        If `predict_proba` or `predict` is missing, or the teacher has another task.
    sklearn.exceptions.NotFittedError
        If a frozen teacher is not fitted.
    """
    model = unfrozen(teacher)
    if isinstance(model, type):
        raise TypeError(f"teacher is the class {model.__name__}; pass an instance: {model.__name__}().")
    if is_frozen(teacher):
        check_fitted(model, teacher_name(teacher))
    _check_task(teacher, task)
    if task == "regression":
        if not hasattr(model, "predict"):
            raise TypeError(f"teacher {teacher_name(teacher)} has no `predict`; a regressor is needed.")
    # An object may return probabilities from `predict`, like H2O's; only its answers show whether it does.
    elif not _has_probabilities(model) and (is_estimator(model) or not hasattr(model, "predict")):
        raise no_probabilities(teacher)


def _check_task(teacher: Any, task: str) -> None:
    found, name = task_of(unfrozen(teacher)), teacher_name(teacher)
    if found is None or found == task:
        return
    kind = _KINDS[task][0]
    if found not in _KINDS:
        raise TypeError(f"teacher {name} has the problem_type {found!r}, which no student learns; pass a {kind}.")
    raise TypeError(f"teacher {name} is a {_KINDS[found][0]}; use {_KINDS[found][1]}, or pass a {kind}.")


def no_probabilities(teacher: Any) -> TypeError:
    """The error of a teacher that gives no probabilities."""
    name = teacher_name(teacher)
    model = unfrozen(teacher)
    if not is_estimator(model):
        remedy = "Give it a method predict_proba(X) that returns a frame with a column for each class, named after it."
    elif is_classifier(model) and hasattr(model, "decision_function"):
        remedy = f"Wrap it: CalibratedClassifierCV({name}())."
    else:
        remedy = "Pass a classifier that has it: a VotingClassifier with voting='soft', a search with refit=True."
    return TypeError(f"teacher {name} has no `predict_proba`, and a student learns from probabilities. {remedy}")


def _has_probabilities(estimator: Any) -> bool:
    """Whether a teacher has `predict_proba`, or will have it once it is fitted.

    scikit-learn's stack with its default final estimator, a logistic regression, does not have it before the fit.
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


def teacher_name(estimator: Any) -> str:
    """The name of an estimator: its class, or that of the estimator in a FrozenEstimator or at the end of a Pipeline.

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


def unfitted_copy(teacher: Any) -> Any:
    """A clone of the teacher, or a deep copy of one that scikit-learn cannot clone: CatBoost with `cat_features`."""
    try:
        return clone(teacher)
    except RuntimeError:
        return deepcopy(teacher)


def fit_teacher(teacher: Any, X: Any, y: np.ndarray, fit_params: dict[str, Any]) -> Any:
    """A copy of `teacher` fitted on (X, y), with unchanged labels; a frozen teacher itself."""
    if is_frozen(teacher):
        return teacher
    teacher = unfitted_copy(teacher)
    if is_classifier(teacher):
        teacher = with_integer_classes(teacher, y)
    return fit_with(teacher, X, y, fit_params)


def set_seed(estimator: Any, rng: np.random.RandomState) -> None:
    """Set every `random_state` of an unfrozen estimator that is None to a different seed."""
    if isinstance(estimator, BaseEstimator) and not is_frozen(estimator):
        seeds = {
            name: rng.randint(2**31 - 1)
            for name, value in sorted(estimator.get_params(deep=True).items())
            if value is None and (name == "random_state" or name.endswith("__random_state"))
        }
        estimator.set_params(**seeds)


def warn_of_positions(teacher: Any, classes: np.ndarray) -> None:
    """Warn of a histogram gradient boosting whose `class_weight` scikit-learn looks up by the positions of classes.

    Parameters
    ----------
    teacher : estimator
        The teacher, which may contain such an estimator.
    classes : array of shape (K,)
        The labels, sorted.
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
                stacklevel=5,
            )
            return


def _reads_positions(classifier: type) -> bool:
    """Whether weights by label are refused."""
    try:
        classifier(max_iter=1, class_weight={5: 1, 7: 1}).fit(np.zeros((4, 1)), [5, 7, 5, 7])
    except ValueError:
        return True
    return False
