"""Soft targets: a teacher's answers to the rows of a table, in one array with a column for each class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tabkd._sklearn import safe_indexing
from tabkd._tables.schema import TableSchema
from tabkd.teachers._classes import AS_COLUMN, aligned, check_distinct, check_known, plain, stated_classes, translated
from tabkd.teachers._predictor import may_be_unfitted, own_table
from tabkd.teachers._teacher import no_probabilities, teacher_name, unfrozen

# Number of rows that a teacher is asked about at a time, so that its own copies of a table stay small.
CHUNK_ROWS = 32_768


def soft_targets(teacher: Any, X: Any, classes: Any = None, some_classes: bool = False) -> np.ndarray:
    """The teacher's answers to the rows of `X`, chunk by chunk.

    Parameters
    ----------
    teacher : fitted estimator
        An estimator, or any other fitted model that can teach.
    X : frame or array of shape (n, d)
        Rows in the form that the teacher was fitted on.
    classes : array of shape (K,), optional
        The order of the columns. Without it, the answers are real values.
    some_classes : bool, default=False
        Whether the teacher may know only some of the classes; the others get 0.

    Returns
    -------
    array of shape (n, K), float64
        Probabilities, or predictions.
    """
    ask = _values(teacher) if classes is None else _probabilities(teacher, plain(classes), some_classes)
    n = X.shape[0]
    return np.concatenate(
        [ask(X if n <= CHUNK_ROWS else safe_indexing(X, slice(i, i + CHUNK_ROWS))) for i in range(0, n, CHUNK_ROWS)]
    )


def soft_targets_of_codes(teacher: Any, schema: TableSchema, codes: np.ndarray, classes: Any = None) -> np.ndarray:
    """`soft_targets` of rows given by their codes; the teacher sees them in the table's own form."""
    # The default teacher reads codes itself, which saves building a frame only to encode it again.
    if getattr(teacher, "schema_", None) == schema and hasattr(teacher, "predict_codes"):
        targets = teacher.predict_codes(codes)
        return targets if targets.ndim == 2 else targets[:, None]
    parts = [codes[i : i + CHUNK_ROWS] for i in range(0, len(codes), CHUNK_ROWS)]
    return np.concatenate([soft_targets(teacher, schema.decode(part), classes) for part in parts])


def label_names(classes: Any, n_outputs: int = 1) -> list[str]:
    """The names of the columns with soft labels, in files and in DataFrames.

    Parameters
    ----------
    classes : array of shape (K,) or None
        The labels; None for values.
    n_outputs : int, default=1
        The number of values.

    Examples
    --------
    >>> label_names([False, True]), label_names(None), label_names(None, 2)
    (['probability_False', 'probability_True'], ['prediction'], ['prediction_0', 'prediction_1'])
    """
    if classes is not None:
        return [f"probability_{label}" for label in classes]
    return ["prediction"] if n_outputs == 1 else [f"prediction_{k}" for k in range(n_outputs)]


def classes_of(teacher: Any, X: Any, labels: np.ndarray) -> np.ndarray:
    """The classes of a frozen teacher, written like the labels and sorted.

    Parameters
    ----------
    teacher : fitted estimator
        If it has no attribute with its classes, they are the column names of the frame that it returns.
    X : frame or array of shape (n, d)
        The teacher is asked about the first row if it has no such attribute.
    labels : array of shape (k,)
        The labels in `y`, sorted.

    Returns
    -------
    array of shape (K,)
        `labels`, and any other class that the teacher knows.

    Raises
    ------
    TypeError
        If the teacher has neither such an attribute nor names of columns.
    ValueError
        If the teacher does not know a label.
    """
    name, known = teacher_name(teacher), stated_classes(unfrozen(teacher))
    if known is None:
        names, _ = _answer(teacher, safe_indexing(X, slice(0, 1)))
        known = translated(_named(names, name), labels, AS_COLUMN)
    known = translated(known, labels)
    check_known(known, labels, name)
    check_distinct(known, name)
    return labels if len(known) == len(labels) else np.sort(np.asarray(known))


def _probabilities(teacher: Any, classes: list, some_classes: bool) -> Callable[[Any], np.ndarray]:
    name, stated = teacher_name(teacher), stated_classes(unfrozen(teacher))

    def ask(X: Any) -> np.ndarray:
        names, given = _answer(teacher, X)
        known = translated(_named(names, name), classes, AS_COLUMN) if stated is None else stated
        given = _by_class(given, names, known, name)
        known = translated(known, classes)
        if not some_classes:
            check_known(known, classes, name)
        # The last column, of zeros, is used for every class that the teacher does not know.
        order = [known.index(label) if label in known else len(known) for label in classes]
        given = np.clip(np.column_stack([given, np.zeros(len(given))])[:, order], 0, None)
        if not given.any(axis=1).all():
            row = int(np.flatnonzero(~given.any(axis=1))[0])
            raise ValueError(
                f"predict_proba of teacher {name} gave no class of row {row} a positive probability; "
                "no student can learn from that."
            )
        return given / np.maximum(given.sum(axis=1, keepdims=True), 1e-300)

    return ask


def _answer(teacher: Any, X: Any) -> tuple[list | None, Any]:
    """The column names of a teacher's probabilities, or None if they have no names, and the probabilities."""
    if hasattr(unfrozen(teacher), "predict_proba"):
        given = _asked(teacher, "predict_proba", X)
        return _names(given), given
    if not hasattr(unfrozen(teacher), "predict"):  # such as a search that does not refit
        raise no_probabilities(teacher)
    given = _asked(teacher, "predict", X)
    names = _names(given)
    if names is None or len(names) < 3 or names[0] != "predict":
        raise no_probabilities(teacher)
    return names[1:], np.asarray(given)[:, 1:]


def _asked(teacher: Any, method: str, X: Any) -> Any:
    """The result of a teacher's method for the rows of `X`, one entry for each row."""
    model, name = unfrozen(teacher), teacher_name(teacher)
    try:
        given = getattr(model, method)(own_table(model, X, name))
    except Exception as error:
        if may_be_unfitted(model):
            error.add_note(
                f"teacher {name} has a `fit` but no `get_params`, so tabkd cannot copy or fit it. If it is not "
                "fitted yet, fit it first, or derive its class from sklearn.base.BaseEstimator."
            )
        raise
    n = (*np.shape(given), 0)[0]
    if n != X.shape[0]:
        raise ValueError(f"{method} of teacher {name} gave {n} answers to {X.shape[0]} rows; return one for each row.")
    return given


def _names(given: Any) -> list | None:
    """The names of a frame's columns; None for an array."""
    return plain(given.columns) if hasattr(given, "columns") else None


def _named(names: list | None, name: str) -> list:
    if names is None:
        raise TypeError(
            f"teacher {name} has no attribute `classes_`; set it to the labels of the columns of its "
            "predict_proba, in their order, or let predict_proba return a frame whose columns are named after them."
        )
    return names


def _by_class(given: Any, names: list | None, known: list, name: str) -> np.ndarray:
    """Probabilities of shape (n, K), with a column for each known class, in their order."""
    of_class = None if names is not None else getattr(given, "name", None)
    given = np.asarray(given, dtype=np.float64)
    if names is not None:
        given = given[:, aligned(names, known, name)]
    if given.ndim == 1 and len(known) == 2:  # one class alone: the second, unless a series has the name of the first
        given = np.column_stack([given, 1 - given] if of_class == known[0] else [1 - given, given])
    if given.ndim != 2 or given.shape[1] != len(known):
        raise ValueError(
            f"predict_proba of teacher {name} gave shape {given.shape}, but its classes_ call for {len(known)} columns."
        )
    if not np.isfinite(given).all():
        raise ValueError(
            f"predict_proba of teacher {name} gave NaN or infinite values; no student can learn from them."
        )
    return given


def _values(teacher: Any) -> Callable[[Any], np.ndarray]:
    name = teacher_name(teacher)

    def ask(X: Any) -> np.ndarray:
        given = np.asarray(_asked(teacher, "predict", X))
        if given.dtype.kind not in "fiub":
            given = _numbers(given, name)
        given = given.astype(np.float64, copy=False)
        if not np.isfinite(given).all():
            raise ValueError(f"predict of teacher {name} gave NaN or infinite values; no student can learn from them.")
        return given.reshape(len(given), -1)

    return ask


def _numbers(given: np.ndarray, name: str) -> np.ndarray:
    try:
        return given.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"predict of teacher {name} gave {given.ravel().tolist()[0]!r}, but a regression needs numbers. "
            "Pass a regressor, or use DistilledClassifier for classes."
        ) from error
