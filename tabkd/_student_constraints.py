"""The monotone constraints of a student: those that the user asks for, or those of the fitted teacher."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from tabkd._monotone import check_agreement, check_single, directions, is_explicit
from tabkd._options import option
from tabkd._tables.schema import TableSchema
from tabkd.students import Student
from tabkd.students._registry import student_names
from tabkd.teachers._constraints import teacher_directions


def asked_directions(model: Any, n_outputs: int) -> np.ndarray | None:
    """The user's own constraints, on a distilled estimator or on its student; None without any.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
        The estimator, whose task and schema are known.
    n_outputs : int
        The number K of classes or targets.

    Raises
    ------
    ValueError
        If both have constraints, or the table or the task cannot have them.
    """
    own = getattr(model.student, "monotonic_cst", None) if isinstance(model.student, Student) else None
    given = model.monotonic_cst if is_explicit(model.monotonic_cst) else None
    if own is not None and given is not None:
        raise ValueError(
            f"{option('monotonic_cst')} is given for {type(model).__name__} and for its student; leave one out."
        )
    if own is None and given is None:
        return None
    asked = directions(own if given is None else given, model.schema_)
    if asked.any():
        check_single(model._task.name, n_outputs)
    return asked


def student_directions(model: Any, asked: np.ndarray | None, n_outputs: int) -> np.ndarray:
    """The constraints of the student, int8 of shape (d,): those that were asked for, or those of the fitted teacher.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
        The estimator, whose teacher is fitted.
    asked : int8 array of shape (d,) or None
        What `asked_directions` returned.
    n_outputs : int
        The number K of classes or targets.

    Raises
    ------
    ValueError
        If those that were asked for contradict the teacher's.
    """
    none = np.zeros(len(model.schema_.columns), np.int8)
    known = teacher_directions(model.teacher_, model.schema_) if model._task.is_single(n_outputs) else none
    if asked is not None:
        check_agreement(asked, known, model.schema_)
        return asked
    return known if model.monotonic_cst is not None else none


def constrained(student: Student, monotonic_cst: np.ndarray, schema: TableSchema, is_asked: bool) -> Student:
    """A student with monotone constraints; one that does not support them is unchanged, unless the user asked for them.

    Parameters
    ----------
    student : Student
        The unfitted student, which is changed.
    monotonic_cst : int8 array of shape (d,)
        The direction of each column.
    schema : TableSchema
        The columns of the table.
    is_asked : bool
        Whether they are the user's own, and not the teacher's.

    Raises
    ------
    ValueError
        If they are the user's own, and the student takes none.

    Warns
    -----
    UserWarning
        If they are the teacher's, and the student takes none.
    """
    if "monotonic_cst" in student.get_params():
        return student.set_params(monotonic_cst=monotonic_cst.tolist())
    name = type(getattr(student, "estimator", student)).__name__
    remedy = f"Use one of tabkd's students ({student_names()})"
    if is_asked:
        raise ValueError(
            f"student {name} takes no {option('monotonic_cst')}, so it may violate the constraint. {remedy}."
        )
    names = [schema.titles[i] for i in np.flatnonzero(monotonic_cst)]
    warnings.warn(
        f"The teacher is monotone in {', '.join(map(repr, names[:5]))}{', …' if len(names) > 5 else ''}, but student "
        f"{name} takes no {option('monotonic_cst')}, so it may not be. {remedy}, or give monotonic_cst=None.",
        UserWarning,
        stacklevel=5,
    )
    return student
