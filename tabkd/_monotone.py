"""Monotone constraints: the columns with which a prediction may only rise, or only fall."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tabkd._near_names import known_names
from tabkd._options import option
from tabkd._tables.containers import is_of
from tabkd._tables.schema import TableSchema

_WORDS = {1: "1 (rising)", -1: "-1 (falling)", 0: "0 (free)"}


def directions(monotonic_cst: Any, schema: TableSchema) -> np.ndarray:
    """The direction of each column, as scikit-learn's estimators take it.

    Parameters
    ----------
    monotonic_cst : array of shape (d,), mapping of column to direction, or None
        1 where predictions may only rise with the column, -1 where they may only fall, and 0 for a free column; None
        for free columns only. A mapping names the constrained columns, and so does a pandas series, unless its index
        just counts.
    schema : TableSchema
        The columns of the table.

    Returns
    -------
    int8 ndarray of shape (d,)
        The directions.

    Raises
    ------
    ValueError
        For an unknown or categorical column, another direction, or an array of another length.
    """
    names, d = schema.names, len(schema.columns)
    if monotonic_cst is None:
        return np.zeros(d, np.int8)
    if is_of("pandas", "Series", monotonic_cst) and list(monotonic_cst.index) != list(range(len(monotonic_cst))):
        monotonic_cst = dict(monotonic_cst)
    if isinstance(monotonic_cst, str) or not np.iterable(monotonic_cst):
        raise ValueError(
            f"{option('monotonic_cst')} is {monotonic_cst!r:.80}; expected a dict of column to direction, or a "
            "direction for each column. A student that learns from a teacher takes the teacher's by default."
        )
    if isinstance(monotonic_cst, Mapping):
        if unknown := [name for name in monotonic_cst if name not in names]:
            raise ValueError(
                f"{option('monotonic_cst')} names {unknown[0]!r:.80}, which is not a column of the table; "
                f"{known_names(unknown[0], names)}"
            )
        given = [monotonic_cst.get(name, 0) for name in names]
    else:
        given = list(monotonic_cst)
        if isinstance(monotonic_cst, (set, frozenset)) or (given and all(isinstance(item, str) for item in given)):
            raise ValueError(
                f"{option('monotonic_cst')} is {monotonic_cst!r:.80}, without directions; give a dict of column to "
                f"direction, {', '.join(_WORDS.values())}."
            )
        if len(given) != d:
            raise ValueError(
                f"{option('monotonic_cst')} has {len(given)} directions, but the table has {d} columns. Give one for "
                "each column, or a dict of names."
            )
    for column, title, direction in zip(schema.columns, schema.titles, given, strict=True):
        if np.ndim(direction) or direction not in (-1, 0, 1):
            raise ValueError(
                f"{option('monotonic_cst')} of column {title!r} is {direction!r:.80}; expected one of "
                f"{', '.join(_WORDS.values())}."
            )
        if direction and column.kind == "categorical":
            raise ValueError(
                f"{option('monotonic_cst')} constrains column {title!r}, which is categorical: its values have "
                "no order. Leave the column out, or give it as numbers."
            )
    return np.array(given, dtype=np.int8)


def check_single(task: str, n_outputs: int) -> None:
    """Refuse constraints on several predictions, which have no common direction.

    Parameters
    ----------
    task : {"classification", "regression"}
        What is predicted.
    n_outputs : int
        The number of classes or targets.

    Raises
    ------
    ValueError
        For three or more classes, and for several targets.
    """
    if task == "classification" and n_outputs > 2:
        raise ValueError(
            f"{option('monotonic_cst')} needs two classes or one target, but there are {n_outputs} classes: if one "
            "probability rises, others fall. Leave it out, or learn one class against all others."
        )
    if task == "regression" and n_outputs > 1:
        raise ValueError(
            f"{option('monotonic_cst')} needs two classes or one target, but there are {n_outputs} targets. Leave it "
            "out, or fit a model for each target."
        )


def check_agreement(asked: np.ndarray, known: np.ndarray, schema: TableSchema) -> None:
    """Refuse constraints that go against those that the teacher was fitted with.

    Parameters
    ----------
    asked, known : int8 arrays of shape (d,)
        The directions of the user and of the teacher.
    schema : TableSchema
        The columns of the table.

    Raises
    ------
    ValueError
        If a column is to rise, but falls for the teacher, or the other way round; the message has its name.
    """
    against = np.flatnonzero(asked * known < 0)
    if len(against):
        i = against[0]
        raise ValueError(
            f"{option('monotonic_cst')} of column {schema.titles[i]!r} is {_WORDS[int(asked[i])]}, but the teacher was "
            f"fitted with {_WORDS[int(known[i])]}. Correct one of them, or leave the column out."
        )


def is_explicit(monotonic_cst: Any) -> bool:
    """Whether the parameter of a distilled estimator gives constraints explicitly."""
    return monotonic_cst is not None and not isinstance(monotonic_cst, str)
