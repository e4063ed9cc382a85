"""The functions that Spark's workers run: batches of rows become batches of scores."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tabkd._options import called_as, called_now
from tabkd.batch._counts import Counts
from tabkd.batch._dialect import PLAIN, Dialect
from tabkd.batch._reasons import ReasonOptions
from tabkd.batch._rejects import Reject, TooManyRejectsError, shown
from tabkd.batch._scored import Columns, Rows, Scored, Unexplained, stored
from tabkd.batch._scoring_options import extras
from tabkd.batch._sources import Batch, in_batches
from tabkd.batch._text import not_text
from tabkd.scoring import ExportedStudent
from tabkd.scoring._arrow_columns import is_text

if TYPE_CHECKING:
    import pyarrow as pa

# The place of a row, one whole number, combines the number of its file and its position there.
_ROW_BITS = 40
# Java's decoders replace bytes that are not text by this character.
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Task:
    """The way in which a worker scores rows, whose first columns are those of the model, in its order.

    Attributes
    ----------
    n_features : int
        The number of the model's columns.
    kept : tuple of str
        The names of the next columns, which are written next to the scores.
    threshold : float or None
        Keep only the rows whose probability of the second class reaches it.
    ranked : bool
        Whether to add the rank and the place of each row; see `staged`.
    max_rejects : int
        Maximum number of rows without a score.
    dialect : Dialect
        The format of numbers in text.
    is_csv : bool
        Whether the rows come from CSV files.
    reasons : ReasonOptions
        The reasons of each row.
    max_doubt : float or None
        Largest doubt of a score that is not doubtful; None for no columns of doubt.
    called : mapping of str to str
        The names of parameters in messages of the driver; see `tabkd._options`.
    """

    n_features: int
    kept: tuple[str, ...] = ()
    threshold: float | None = None
    ranked: bool = False
    max_rejects: int = 0
    dialect: Dialect = PLAIN
    is_csv: bool = False
    reasons: ReasonOptions = field(default_factory=ReasonOptions)
    max_doubt: float | None = None
    called: Mapping[str, str] = field(default_factory=called_now)

    @property
    def waits(self) -> bool:
        """Whether rows wait for their reasons until the top ones are known."""
        return self.ranked and self.reasons.n > 0

    def columns(self, exported: ExportedStudent, *, drift: bool = True) -> Columns:
        """The columns of the model, and what is added to its scores."""
        return Columns(exported, (), {}, drift=drift, **extras(exported, self.reasons, self.max_doubt))


@lru_cache(maxsize=4)
def exported_of(content: bytes) -> ExportedStudent:
    """The student of a worker process, which Spark reuses for other parts."""
    return ExportedStudent(content, n_jobs=1)


def scored(exported: ExportedStudent, task: Task, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The kept columns and the scores of each batch.

    Raises
    ------
    ValueError
        If a row cannot be scored.
    """
    import pyarrow as pa

    columns = task.columns(exported, drift=False)
    for batch in batches:
        try:
            table, _ = _scored(columns, task, pa.Table.from_batches([batch]))
        except TooManyRejectsError as error:
            raise ValueError(f"{error.reject}.") from error
        yield from table.to_batches()


def staged(
    exported: ExportedStudent, task: Task, files: Mapping[str, int], batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """The result of `scored` for the rows that can be scored, and finally one row with a note on all rows.

    Scores and note reach the output of Spark's task together, so that the counts match the written rows even if Spark
    repeats the task.

    Parameters
    ----------
    exported : ExportedStudent
        The model.
    task : Task
        The way to score the rows.
    files : mapping of str to int
        The number of each file.
    batches : iterable of pyarrow.RecordBatch
        The rows; the last two columns are the file of each row and its position there, -1 if Spark does not know it.

    Yields
    ------
    pyarrow.RecordBatch
        Kept columns, scores, reasons or the model's columns if `task.waits`, the rank and the place of each row if
        `task.ranked`, and the note. The rank is a whole number, in the same order as the probability of the second
        class.
    """
    import pyarrow as pa

    columns, places = task.columns(exported), _Places(files)
    counts, rejects = Counts(drift=columns.drift.none), []
    empty = None
    for batch in batches:
        place = places.of(*batch.columns[-2:])
        table = pa.Table.from_batches([batch]).select(batch.schema.names[:-2]).append_column("place", pa.array(place))
        if empty is None:
            empty = _with_note(_scored(columns, task, table.slice(0, 0))[0], columns, task)
        try:
            rows, found = _scored(columns, task, table)
        except TooManyRejectsError as error:
            if error.reject is None:
                raise
            # The job will fail, so one reject is enough.
            counts, wrong = Counts(rejected=task.max_rejects + 1, drift=columns.drift.none), [error.reject]
            rejects = [(int(place[row]), *what) for _, row, *what in wrong]
            break
        counts += replace(Counts.of(found), written=rows.num_rows)
        rejects += [(int(place[row]), *what) for _, row, *what in found.rows.rejects]
        yield from _with_note(rows, columns, task).to_batches()
    if empty is not None:
        content = {"counts": counts.to_json(), "rejects": rejects, "files": sorted(places.files)}
        note = pa.array([json.dumps(content)], pa.string())
        nothing = [pa.nulls(1, field.type) for field in empty.schema][:-1]
        yield pa.RecordBatch.from_arrays([*nothing, note], schema=empty.schema)


def _with_note(rows: pa.Table, columns: Columns, task: Task) -> pa.Table:
    """Rows with an empty note, and with rank and place or without both."""
    import pyarrow as pa

    place, rows = rows.column("place"), rows.drop_columns("place")
    # By number: a kept column may have any name.
    arrays = rows.columns
    if task.ranked:
        # The bits of non-negative floats, read as whole numbers, have the same order as the floats.
        probability = rows.column(columns.second_class).to_numpy() + 0.0
        arrays += [pa.chunked_array([pa.array(probability.view(np.int64))]), place]
    arrays.append(pa.chunked_array([pa.nulls(rows.num_rows, pa.string())]))
    return pa.Table.from_arrays(arrays, names=[f"c{i}" for i in range(len(arrays))])


def with_reasons(exported: ExportedStudent, task: Task, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The reasons of rows that waited for them, in place of the model's columns, which are the last ones.

    Parameters
    ----------
    exported : ExportedStudent
        The model.
    task : Task
        The way in which the rows were scored.
    batches : iterable of pyarrow.RecordBatch
        Kept columns, scores and the columns of the model.
    """
    import pyarrow as pa

    columns = task.columns(exported, drift=False)
    for batch in batches:
        n = batch.num_columns - task.n_features
        table = pa.Table.from_batches([batch])
        X = pa.Table.from_arrays(table.columns[n:], schema=columns.model_schema)
        waiting = Unexplained(np.arange(len(X)), X)
        yield from columns.explained(Rows(table.select(range(n)), [], waiting)).table.to_batches()


def _scored(columns: Columns, task: Task, table: pa.Table) -> tuple[pa.Table, Scored]:
    """The kept columns and the scores of the rows that can be scored."""
    import pyarrow as pa

    with called_as(task.called):
        found = columns.scored(_batch(table, columns, task), 0, task.max_rejects)
    rows = found.rows
    kept = table.select(range(task.n_features, table.num_columns))
    if rows.rejects:
        kept = kept.take(np.delete(np.arange(kept.num_rows), [reject.row for reject in rows.rejects]))
    names = [*kept.schema.names, *rows.table.schema.names]
    rows = rows._replace(table=pa.table([*kept.columns, *rows.table.columns], names=names))
    if task.threshold is not None:
        rows = rows.filtered(rows.table.column(columns.second_class).to_numpy() >= task.threshold)
    if not task.waits or rows.unexplained is None:
        return columns.explained(rows).table, found
    X = stored(rows.unexplained.X, columns.model_schema)
    return pa.table([*rows.table.columns, *X.columns], names=[*names, *(f"x{i}" for i in range(X.num_columns))]), found


def _batch(table: pa.Table, columns: Columns, task: Task) -> Batch:
    """The columns of the model, with its names, and the rows that could not be read."""
    import pyarrow as pa

    X = table.select(range(task.n_features)).rename_columns(list(columns.known))
    (batch,) = in_batches([X], columns.known, "a part of the DataFrame", task.dialect)
    if not task.is_csv:
        return batch
    wrong = _undecoded(table, [*columns.known, *task.kept])
    rejects = {reject.row: reject for reject in [*wrong, *batch.rejects]}
    good = ~np.isin(batch.positions, list(rejects))
    return Batch(
        batch.table.filter(pa.array(good)),
        batch.source,
        batch.positions[good],
        [rejects[row] for row in sorted(rejects)],
        is_csv=True,
    )


def _undecoded(table: pa.Table, names: Sequence[str]) -> list[Reject]:
    """The rows of a CSV with bytes that are not text, which Spark has replaced by the replacement character."""
    import pyarrow.compute as pc

    found = []
    for name, values in zip(names, table.columns, strict=False):
        if is_text(values.type):
            for row in pc.indices_nonzero(pc.match_substring(values, _REPLACEMENT)).to_pylist():
                found.append(Reject("a part of the DataFrame", row, name, shown(values[row].as_py()), not_text()))
    return found


class _Places:
    """The places of a task's rows, by their file and the order in which the task reads it.

    Parameters
    ----------
    files : mapping of str to int
        The number of each file.

    Attributes
    ----------
    files : set of int
        The numbers of the files with rows so far.
    """

    def __init__(self, files: Mapping[str, int]):
        self.files: set[int] = set()
        self._numbers = files
        self._n_read: dict[str, int] = {}

    def of(self, paths: pa.Array, positions: pa.Array) -> np.ndarray:
        """The places, shape (n,), of the next rows.

        Spark does not know positions in a CSV, but one task reads the whole file from its first row on.
        """
        places = np.array(positions)
        encoded = paths.dictionary_encode()
        codes = np.array(encoded.indices)
        for code, path in enumerate(encoded.dictionary.to_pylist()):
            rows = np.flatnonzero(codes == code)
            if places[rows[0]] < 0:
                first = self._n_read.get(path, 0)
                self._n_read[path] = first + len(rows)
                places[rows] = np.arange(first, first + len(rows))
            self.files.add(self._numbers[path])
            places[rows] += self._numbers[path] << _ROW_BITS
        return places


def rejects_of(notes: Iterable[Mapping[str, Any]], sources: Sequence[str]) -> list[Reject]:
    """The rows that cannot be scored, in the order of their places.

    Parameters
    ----------
    notes : iterable of mapping
        The notes from `staged`.
    sources : sequence of str
        The names of the files, by number.
    """
    found = sorted((reject for note in notes for reject in note["rejects"]), key=lambda reject: reject[0])
    return [Reject(sources[place >> _ROW_BITS], place & ((1 << _ROW_BITS) - 1), *what) for place, *what in found]
