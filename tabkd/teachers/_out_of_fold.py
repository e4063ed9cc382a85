"""Out-of-fold soft targets: a teacher's answers to rows that it was not fitted on."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.model_selection import check_cv

from tabkd._sklearn import check_method_params, safe_indexing
from tabkd.teachers._answers import soft_targets
from tabkd.teachers._teacher import fit_teacher, is_frozen, teacher_name


def out_of_fold_targets(
    teacher: Any,
    X: Any,
    y: np.ndarray,
    cv: Any,
    fit_params: dict[str, Any],
    classes: np.ndarray | None = None,
    n_jobs: int | None = None,
    split_params: dict[str, Any] | None = None,
    first: np.ndarray | None = None,
) -> np.ndarray:
    """The answers of copies of the teacher, each fitted on all folds except one and asked about the rows of that one.

    Every copy is fitted on the labels as the user wrote them. scikit-learn's `cross_val_predict` would number them
    first, so parameters that name classes, such as `class_weight`, would mean other classes or none.

    Parameters
    ----------
    teacher : unfitted estimator
        The teacher to copy.
    X : frame or array of shape (n, d)
        The rows.
    y : array of shape (n,) or (n, K)
        The labels or values of the rows.
    cv : int, splitter or iterable of splits
        The folds.
    fit_params : dict
        Arguments of the teacher's `fit`; those with a value for each row are split into folds.
    classes : array of shape (K,), optional
        The order of the columns; without it, the answers are real values.
    n_jobs : int, optional
        Number of folds that are fitted at a time.
    split_params : dict, optional
        Arguments of the splitter, such as `groups`.
    first : array of shape (m, K), optional
        The answers to the rows of the first fold, if they are already known.

    Returns
    -------
    array of shape (n, K), float64
        A class that is missing from the rows that a copy was fitted on has probability 0 in that fold.

    Raises
    ------
    ValueError
        If the teacher is frozen and cannot be fitted again, or the folds do not contain each row exactly once.
    """
    if is_frozen(teacher):
        raise ValueError(
            f"cv={cv!r} asks for out-of-fold targets, but teacher {teacher_name(teacher)} is frozen and is not "
            "fitted again. Use cv=None, or an unfitted teacher."
        )
    folds = list(check_cv(cv, y, classifier=classes is not None).split(X, y, **(split_params or {})))
    times = np.bincount(np.concatenate([test for _, test in folds]), minlength=len(y))
    if len(times) != len(y) or (times != 1).any():
        raise ValueError(
            f"cv={cv!r} must hold each row in exactly one test fold, but row {int(np.argmax(times != 1))} is in "
            f"{times[np.argmax(times != 1)]}. Use an int, KFold, StratifiedKFold or GroupKFold."
        )
    known = [] if first is None else [first]
    said = known + Parallel(n_jobs=n_jobs)(
        delayed(fold_targets)(teacher, X, y, train, test, fit_params, classes) for train, test in folds[len(known) :]
    )
    if classes is not None:
        _warn_of_missing_classes(folds, y, classes)
    targets = np.empty((len(y), said[0].shape[1]))
    for (_, test), part in zip(folds, said, strict=True):
        targets[test] = part
    return targets


def fold_targets(
    teacher: Any,
    X: Any,
    y: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    fit_params: dict[str, Any],
    classes: np.ndarray | None,
) -> np.ndarray:
    """The answers to the rows `test` of a copy that is fitted on the rows `train`."""
    params = check_method_params(X, fit_params, indices=train)
    fitted = fit_teacher(teacher, safe_indexing(X, train), y[train], params)
    return soft_targets(fitted, safe_indexing(X, test), classes, some_classes=True)


def _warn_of_missing_classes(folds: list[tuple[np.ndarray, np.ndarray]], y: np.ndarray, classes: np.ndarray) -> None:
    missing = {c for train, _ in folds for c in np.setdiff1d(classes, y[train]).tolist()}
    if missing:
        warnings.warn(
            f"The classes {sorted(missing)[:5]} are missing from the rows that some fold is fitted on; their "
            "out-of-fold probability is 0 in that fold. Use fewer folds, or a splitter that spreads the classes.",
            UserWarning,
            stacklevel=4,
        )
