"""Parquet files of labelled rows: their columns are checked, and rows become codes, answers and weights."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tabkd._labelled_parquet import LabelledParquet
from tabkd._learning_rows import CHUNK_ROWS
from tabkd._near_names import known_names
from tabkd._tables.column import Column
from tabkd._tables.schema import TableSchema
from tabkd._task import Task
from tabkd.batch._found_files import find_files
from tabkd.batch._sources import Batch, File
from tabkd.scoring._arrow_columns import decoded, plain_type
from tabkd.teachers._answers import label_names

# How far the probabilities of a row may be from a sum of one: they may have been stored with few digits.
_CLOSE = 1e-3


class LabelledFiles:
    """Parquet files whose columns are checked; no row is read before `batches`.

    Parameters
    ----------
    given : LabelledParquet
        Where the files are.
    schema : TableSchema
        The columns of the table.
    task : Task
        What the labels are for.
    n_outputs : int
        Number K of labels of a row.

    Raises
    ------
    OSError, TypeError, ValueError
        If there is no file or no row, a file cannot be read, is not Parquet or lacks a column, or a column has a type
        that cannot be used.
    """

    def __init__(self, given: LabelledParquet, schema: TableSchema, task: Task, n_outputs: int) -> None:
        self.schema, self.is_classifier = schema, task.classes is not None
        self.labels, self.weight = label_names(task.classes, n_outputs), given.sample_weight
        self._known = {title: _facts(column) for title, column in zip(schema.titles, schema.columns, strict=True)}
        self._check_names()
        self._files = find_files(_as_list(given.inputs))
        for file in self._files:
            self._check(file)
        self.n_rows = sum(file.n_rows() or 0 for file in self._files)
        if self.n_rows == 0:
            raise ValueError(f"{given!r} has no rows; label some first.")

    @property
    def n_values(self) -> int:
        """The numbers that a row takes in memory: codes, labels and a weight."""
        return len(self.schema.columns) + len(self.labels) + 1

    def batches(self) -> Iterator[Batch]:
        """All rows in the order of the files, with the needed columns."""
        more = [name for name in [*self.labels, self.weight] if name is not None]
        columns = list(dict.fromkeys([*self._known, *more]))
        for file in self._files:
            for batch in file.batches(columns, self._known, CHUNK_ROWS):
                if batch.rejects:
                    raise ValueError(f"{batch.rejects[0]}. Correct the value, or leave out the row.")
                yield batch

    def codes(self, batch: Batch, chosen: np.ndarray) -> np.ndarray:
        """The codes (m, d) of the rows that a mask (n,) chooses."""
        table = batch.table.select(list(self._known))
        try:
            return self.schema.encode(self._frame(table.filter(pa.array(chosen))))
        except (TypeError, ValueError) as error:
            first = batch.positions[0]
            where = f"{batch.source!r}, whose row {first:,} is row 0 here: "
            try:
                self.schema.encode(self._frame(table))  # whose rows have the numbers that the message needs
            except (TypeError, ValueError) as of_all:
                raise type(of_all)(f"{where}{of_all}") from error
            raise

    def answers(self, batch: Batch) -> np.ndarray:
        """The labels (n, K), each of them checked."""
        values = np.column_stack([self._numbers(batch, name) for name in self.labels])
        if not self.is_classifier:
            return values
        _check_all((values >= -_CLOSE) & (values <= 1 + _CLOSE), values, self.labels, batch, "a probability")
        values = np.clip(values, 0, 1)
        total = values.sum(axis=1)
        if (wrong := np.abs(total - 1) > _CLOSE).any():
            row = int(np.argmax(wrong))
            raise ValueError(
                f"{batch.source!r}: the probabilities of row {batch.positions[row]:,} sum to {total[row]:.6g} and not "
                f"to one, in the columns {_listed(self.labels)}. Give the teacher's probability of every class."
            )
        return values / total[:, None]

    def weights(self, batch: Batch, usual: float) -> np.ndarray:
        """The weights (n,): those of the column of weights, or the usual one."""
        if self.weight is None:
            return np.full(len(batch.positions), usual)
        values = self._numbers(batch, self.weight)
        _check_all(values[:, None] >= 0, values[:, None], [self.weight], batch, "a weight of at least 0")
        return values

    def _numbers(self, batch: Batch, name: str) -> np.ndarray:
        """A column as finite numbers, float64 of shape (n,)."""
        column = decoded(batch.table.column(name)).cast(pa.float64(), safe=False)
        values = column.to_numpy()
        _check_all(np.isfinite(values)[:, None], values[:, None], [name], batch, "a number")
        return values

    def _frame(self, table: pa.Table) -> Any:
        frame = table.to_pandas()
        frame.columns = self.schema.names
        return frame

    def _check_names(self) -> None:
        """Refuse a table whose columns have names of labels, and weights that are labels."""
        for name in self.labels:
            if name in self._known:
                raise ValueError(
                    f"column {name!r} of the table has the name of the teacher's answers in labelled files; rename it "
                    "in the table and in the files."
                )
            if name == self.weight:
                raise ValueError(
                    f"sample_weight={name!r} is a column of the teacher's answers; name a column of weights."
                )

    def _check(self, file: File) -> None:
        """Refuse a file without the columns of the table, the labels and the weights, or with other types."""
        if file.kind != "Parquet":
            raise ValueError(
                f"{file.path!r} is a file of {file.kind}; labelled rows are read from Parquet. Convert it."
            )
        types = file.types(self._known)
        for name in [*self._known, *self.labels, self.weight]:
            if name is not None and name not in types:
                raise ValueError(self._missing(file, name, list(types)))
        for name in [*self.labels, self.weight]:
            if name is not None and not _is_number(types[name]):
                raise ValueError(
                    f"column {name!r} of {file.path!r} is {types[name]}, but "
                    f"{'weights' if name == self.weight else 'labels'} are numbers; store it as double."
                )

    def _missing(self, file: File, name: str, present: list[str]) -> str:
        if name not in self.labels:
            what = "weights" if name == self.weight else "a column of the table"
            return f"{file.path!r} has no column {name!r} ({what}); {known_names(name, present)}"
        return (
            f"{file.path!r} has no column {name!r}; the teacher's answers are in the columns {_listed(self.labels)}, "
            "one for each class or target. Rename the columns, or label the rows with a teacher of the classes of y."
        )


def _as_list(inputs: Any) -> list[str]:
    given = [inputs] if isinstance(inputs, (str, os.PathLike)) else list(inputs)
    return [os.fspath(place) for place in given]


def _facts(column: Column) -> dict[str, Any]:
    """The facts about a column that reading needs, in the form of an exported file."""
    is_text = column.kind == "categorical" and not column.numeric_categories
    return {"type": "STRING" if is_text else "DOUBLE", "boolean": column.boolean, "categories": column.categories}


def _is_number(kind: pa.DataType) -> bool:
    kind = plain_type(kind)
    return pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)


def _check_all(good: np.ndarray, values: np.ndarray, names: Sequence[str], batch: Batch, expected: str) -> None:
    """Refuse the first invalid value (n, m), with its file, row and column."""
    if good.all():
        return
    row, column = np.argwhere(~good)[0]
    raise ValueError(
        f"{batch.source!r}, row {batch.positions[row]:,}: column {names[column]!r} is {values[row, column]:g}, but "
        f"{expected} is expected. Correct the value, or leave out the row."
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:8])) + (", …" if len(names) > 8 else "")
