"""The two models that are compared: students, a fitted estimator, or a column of existing scores."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from tabkd._reference import ranked
from tabkd.batch._rejects import Reject
from tabkd.batch._scored import Columns, as_matrix
from tabkd.batch._sources import Batch
from tabkd.scoring import ExportedStudent, load

#: The prefix of the name of a column of scores.
COLUMN = "column:"
# More rejects than any input has: `compare` counts them for both models together.
_ANY = 2**40


class Timed(NamedTuple):
    """How a model is timed.

    Attributes
    ----------
    predict : callable
        What scores rows.
    batch : object
        Rows in the form that it takes.
    rows : list
        The same rows one by one.
    """

    predict: Callable[[Any], object]
    batch: Any
    rows: list


class Student:
    """An exported student.

    Parameters
    ----------
    exported : ExportedStudent
        It has two classes, or predicts one value.
    name : str
        What it is called in messages.

    Raises
    ------
    ValueError
        If it has more classes or targets.
    """

    def __init__(self, exported: ExportedStudent, name: str):
        self.exported, self.name = exported, name
        self.task, outputs = exported.metadata["task"], exported.metadata["n_outputs"]
        if outputs != (2 if self.task == "classification" else 1):
            kind = "classes" if self.task == "classification" else "targets"
            raise ValueError(
                f"{name} has {outputs} {kind}, but alerts are the rows with the highest values of one score: the "
                "probability of the second of two classes, or one predicted value. Compare models with one such score."
            )
        self._columns = Columns(exported, (), {}, drift=False)
        #: The metadata of the columns that it reads, by name.
        self.known: Mapping[str, Mapping] = self._columns.known
        self.wanted = self._columns.wanted

    def check(self, types: Mapping[str, Mapping[str, pa.DataType]]) -> None:
        """Refuse inputs that lack its columns."""
        self._columns.check(types)

    def scored(self, batch: Batch) -> tuple[np.ndarray, list[Reject]]:
        """One score for each row that has one, and the rows that have none."""
        scored = self._columns.scored(batch._replace(rejects=[]), 0, _ANY)
        table = scored.rows.table
        return ranked(as_matrix(dict(zip(table.schema.names, table.columns, strict=True))), self.task), (
            scored.rows.rejects
        )

    def timed(self, table: pa.Table) -> Timed:
        """Its scores of an Arrow table, and of dicts as a service has them."""
        mine = table.select(self.wanted)
        predict = self.exported.predict_proba if self.task == "classification" else self.exported.predict
        return Timed(predict, mine, mine.to_pylist())


class Estimator:
    """A fitted estimator, which gets a pandas frame, or an array if the other model was fitted on one.

    Parameters
    ----------
    estimator : object
        With `predict_proba` and `classes_`, or with `predict`.
    new : Student
        The model that it is compared with, and whose columns it gets.

    Raises
    ------
    ValueError
        If it does not predict the same as the other model.
    """

    def __init__(self, estimator: Any, new: Student):
        self._estimator = estimator
        self.name = str(getattr(estimator, "name", type(estimator).__name__))
        self.known: Mapping[str, Mapping] = {}
        self.wanted = new.wanted
        self._position = None
        self._by_name = new.exported.metadata["container"] != "numpy"
        if (new.task == "classification") != hasattr(estimator, "predict_proba"):
            raise ValueError(
                f"{self.name} is not a model of {new.task}, but {new.name} is; compare models of one task."
            )
        if new.task == "classification":
            self._position = _position(np.asarray(estimator.classes_).tolist(), new)

    def check(self, types: Mapping[str, Mapping[str, pa.DataType]]) -> None:
        """Nothing: it gets the columns of the other model."""

    def scored(self, batch: Batch) -> tuple[np.ndarray, list[Reject]]:
        """One score for each row.

        Raises
        ------
        ValueError
            If a score is not a number.
        """
        if not batch.table.num_rows:
            return np.empty(0), []
        scores = self._ranked(self._rows(batch.table))
        return _checked(scores, self.name, batch), []

    def _rows(self, table: pa.Table) -> Any:
        frame = table.select(self.wanted).to_pandas()
        return frame if self._by_name else frame.to_numpy()

    def _ranked(self, X: Any) -> np.ndarray:
        if self._position is None:
            return np.asarray(self._estimator.predict(X), np.float64).reshape(len(X))
        return np.asarray(self._estimator.predict_proba(X), np.float64)[:, self._position]

    def timed(self, table: pa.Table) -> Timed:
        """Its scores of a frame, and of frames of one row."""
        X = self._rows(table)
        places = X.iloc if self._by_name else X
        return Timed(self._ranked, X, [places[i : i + 1] for i in range(len(X))])


class Column:
    """A column of the rows with scores, such as those of a model that no longer exists.

    Parameters
    ----------
    column : str
        The name of the column.
    """

    def __init__(self, column: str):
        self._column, self.name = column, f"the column {column!r}"
        self.known: Mapping[str, Mapping] = {column: {"type": "DOUBLE"}}
        self.wanted = [column]

    def check(self, types: Mapping[str, Mapping[str, pa.DataType]]) -> None:
        """Refuse inputs that lack the column.

        Raises
        ------
        ValueError
            If one does.
        """
        for source, present in types.items():
            if self._column not in present:
                raise ValueError(f"{source!r} has no column {self._column!r}, whose scores are to be compared.")

    def scored(self, batch: Batch) -> tuple[np.ndarray, list[Reject]]:
        """The scores of the rows.

        Raises
        ------
        ValueError
            If one is missing or not a number.
        """
        values = batch.table.column(self._column)
        try:
            numbers = values.cast(pa.float64(), safe=False).to_numpy()
        except pa.ArrowException as error:
            raise ValueError(f"{self.name} of {batch.source!r} is {values.type}; scores are numbers.") from error
        return _checked(numbers, self.name, batch), []

    def timed(self, table: pa.Table) -> None:
        """None: its scores already exist."""


Model = Student | Estimator | Column


def as_student(given: ExportedStudent | str | os.PathLike, name: str) -> Student:
    """A student from its file, or as it is.

    Parameters
    ----------
    given : ExportedStudent or path-like
        The student.
    name : str
        What it is called in messages, if it has no file.
    """
    if isinstance(given, ExportedStudent):
        return Student(given, name)
    return Student(load(given), repr(os.fspath(given)))


def as_old(given: Any, new: Student) -> Model:
    """The model that is replaced: a student, a fitted estimator, or a column of scores.

    Parameters
    ----------
    given : ExportedStudent, path-like, estimator or str
        What the user gives; a text that begins with "column:" names a column.
    new : Student
        The model that replaces it.

    Raises
    ------
    ValueError
        If both do not predict the same.
    """
    if isinstance(given, str) and given.startswith(COLUMN):
        return Column(given.removeprefix(COLUMN))
    if not isinstance(given, (str, os.PathLike, ExportedStudent)):
        return Estimator(given, new)
    old = as_student(given, "old")
    if old.task != new.task:
        raise ValueError(
            f"{old.name} is a model of {old.task}, {new.name} one of {new.task}; compare models of one task."
        )
    if old.task == "classification" and old.exported.classes_.tolist() != new.exported.classes_.tolist():
        mine, other = old.exported.classes_.tolist(), new.exported.classes_.tolist()
        raise ValueError(
            f"{old.name} has the classes {mine}, but {new.name} has {other}; compare models of the same classes."
        )
    both = [name for name in old.known if name in new.known]
    if apart := [name for name in both if _kind(old.known[name]) != _kind(new.known[name])]:
        name, kinds = apart[0], [_kind(model.known[apart[0]]) for model in (old, new)]
        raise ValueError(
            f"column {name!r} is {kinds[0]} in {old.name}, but {kinds[1]} in {new.name}; one "
            f"pass cannot read it as both. Write the scores of {old.name} into a column of the rows, and give "
            f"{COLUMN}NAME in its place."
        )
    return old


def _kind(column: Mapping) -> str:
    return "text" if column["type"] == "STRING" else "a boolean" if column["boolean"] else "a number"


def _position(classes: list, new: Student) -> int:
    """Which column of an estimator's probabilities is that of the other model's second class."""
    known = new.exported.classes_.tolist()
    if set(classes) == set(known):
        return classes.index(known[1])
    if classes == [0, 1]:  # boosting libraries number the classes in sorted order and forget their names
        return 1
    raise ValueError(
        f"old has the classes {classes[:10]}, but {new.name} has {known}; compare models of the same classes."
    )


def _checked(scores: np.ndarray, name: str, batch: Batch) -> np.ndarray:
    wrong = np.flatnonzero(~np.isfinite(scores))
    if len(wrong):
        raise ValueError(
            f"{name} gives {scores[wrong[0]]} for row {batch.positions[wrong[0]]:,} of {batch.source!r}, which is not "
            "a score; leave such rows out."
        )
    return scores
