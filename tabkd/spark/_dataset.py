"""Score the rows that Spark reads into a folder, which appears when all of its rows are written and counted."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from tabkd._options import option
from tabkd.batch import _rejects as rejected
from tabkd.batch._addresses import check_form, is_postgres, shown
from tabkd.batch._alerts import how_many
from tabkd.batch._counts import Counts, Summary
from tabkd.batch._dialect import PLAIN, Dialect
from tabkd.batch._outputs import check_not_read, check_rejects, rejects_file
from tabkd.batch._reasons import ReasonOptions
from tabkd.batch._rejects import check_number
from tabkd.batch._scored import Columns
from tabkd.batch._scoring_options import Options, as_paths
from tabkd.batch._sinks import STDOUT
from tabkd.scoring import ExportedStudent, load
from tabkd.spark._frames import arrow_fields, broadcast, features, fields
from tabkd.spark._inputs import (
    PLACE,
    find_files,
    is_csv,
    left_out,
    local_paths,
    of_files,
    parquet_columns,
    read,
    with_places,
)
from tabkd.spark._parts import Parts
from tabkd.spark._session import cancelled_on_error, explained, session
from tabkd.spark._store import Store, work_folder
from tabkd.spark._top import top
from tabkd.spark._worker import Task, exported_of, rejects_of, staged, with_reasons

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

# How a CSV is written: by default Spark leaves out spaces around text, and microseconds.
_EXACT: dict[str, bool | str] = {
    "header": True,
    "escape": '"',
    "ignoreLeadingWhiteSpace": False,
    "ignoreTrailingWhiteSpace": False,
    "timestampFormat": "yyyy-MM-dd HH:mm:ss.SSSSSSXX",
    "timestampNTZFormat": "yyyy-MM-dd HH:mm:ss.SSSSSS",
}
# The files of a part have this many bytes together, or keep all cores busy; a killed job loses at most one part.
_PART_BYTES = 1 << 30
_BYTES_PER_CORE = 1 << 28


def score_dataset(
    model: ExportedStudent | str | os.PathLike,
    inputs: Sequence[str],
    output: str | os.PathLike,
    *,
    keep: Sequence[str] = (),
    column_map: Mapping[str, str] | None = None,
    threshold: float | None = None,
    top_fraction: float | None = None,
    rejects: str | os.PathLike | None = None,
    max_rejects: int = 0,
    resume: bool = False,
    partition_by: Sequence[str] = (),
    delimiter: str | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    encoding: str | None = None,
    reasons: int = 0,
    reason_codes: str | os.PathLike | None = None,
    reasons_for: str = "higher",
    reason_groups: Mapping[str, Sequence[str]] | None = None,
    max_doubt: float | None = None,
) -> Summary:
    """Score files that Spark reads into a folder that Spark writes, in the existing session or in a new one.

    Parameters
    ----------
    model : ExportedStudent or path-like
        An exported student, or its path on the driver.
    inputs : sequence of str
        Paths and URLs that Spark can read: .csv files with a header, or else Parquet.
    output : str or path-like
        A folder that does not exist yet; its files are CSV if its name ends in .csv, otherwise Parquet.
    keep : sequence of str
        Columns of the input to write next to the scores.
    column_map : mapping of str to str, optional
        For a column of the model, its name in the input.
    threshold : float, optional
        Write only the rows whose probability of the second class reaches it.
    top_fraction : float, optional
        Write only this fraction of the scored rows: those with the highest probability of the second class. They are
        the rows that `tabkd.batch.score_dataset` chooses.
    rejects : str or path-like, optional
        A file on this machine for the rows that cannot be scored.
    max_rejects : int, default=0
        Maximum number of rejected rows; with more, the job fails.
    resume : bool, default=False
        Keep finished rows in a hidden folder next to the output until the job is done, and continue from them if a job
        with the same model, inputs and options was interrupted. Unfinished files are scored again.
    partition_by : sequence of str
        Columns of the input; the output has a separate folder for each of their values.
    delimiter, decimal, thousands, encoding : str, optional
        The format of CSV files; see `tabkd.batch.score_dataset`. Spark detects nothing in the files: the defaults are
        commas, decimal points and UTF-8.
    reasons, reason_codes, reasons_for, reason_groups : optional
        The reasons to write for each row, or for each alert; see `tabkd.batch.score_dataset`. The file of codes is on
        this machine.
    max_doubt : float, optional
        Write for each score its "doubt", and whether it is "doubtful"; see `tabkd.batch.score_dataset`.

    Returns
    -------
    Summary
        The counts, the drift and the warnings of the job.

    Raises
    ------
    OSError, ValueError
        If a column is missing, formats are mixed, Spark cannot write the output, more rows than `max_rejects` cannot be
        scored (`TooManyRejectsError`), an input was changed, or the unfinished job is another one. No output is written
        then.
    BusyError
        If another job is writing the output.
    RejectsError
        If all rows are written, but the file of rejects could not be moved to its place; the message says where it is.

    Examples
    --------
    >>> from tabkd.spark import score_dataset  # doctest: +SKIP
    >>> score_dataset("student.onnx", ["payments/"], "alerts", keep=["id"], top_fraction=0.01)  # doctest: +SKIP
    """
    exported = model if isinstance(model, ExportedStudent) else load(model)
    inputs, output, rejects = as_paths(inputs), os.fspath(output), None if rejects is None else os.fspath(rejects)
    options = Options(
        keep,
        column_map or {},
        threshold,
        top_fraction,
        max_rejects=max_rejects,
        partition_by=partition_by,
        dialect=Dialect(delimiter, decimal, thousands, encoding),
        reasons=ReasonOptions.of(reasons, reason_codes, reasons_for, reason_groups),
        max_doubt=max_doubt,
    )
    columns = options.columns(exported)
    _check_inputs(inputs)
    _check_output(output)
    check_rejects(rejects, max_rejects, [*local_paths(inputs), output])
    if reason_codes is not None:
        check_not_read(reason_codes, output, rejects, "the file of reason codes")
    with explained():
        job = _Job(exported, columns, options, inputs, output)
        with work_folder(job.store, keep=resume) as folder, cancelled_on_error(job.spark.sparkContext):
            return job.run(folder, rejects, resume)


class _Job:
    """A job in a Spark session.

    Parameters
    ----------
    exported : ExportedStudent
        The model.
    columns : Columns
        The columns that it reads and writes.
    options : Options
        The options of the job.
    inputs : list of str
        The paths and URLs to read.
    output : str
        The folder to write.

    Raises
    ------
    ValueError
        If a column is missing.
    """

    def __init__(
        self, exported: ExportedStudent, columns: Columns, options: Options, inputs: Sequence[str], output: str
    ):
        self.spark = session()
        self.store = Store(self.spark, output)
        self._exported, self._columns, self._options, self._inputs = exported, columns, options, inputs
        self._output, self._is_csv = output, is_csv(inputs[0])
        self._rows = read(self.spark, inputs, options.dialect, self._is_csv)
        columns.check_names(", ".join(inputs), self._rows.columns)
        self._fields = fields(self._rows, columns, exported)
        self._check_types()
        self._files = find_files(self.spark, self._rows, inputs)
        if not self._is_csv:
            for file, names in zip(self._files, parquet_columns(self.spark, self._files), strict=True):
                columns.check_names(file.path, names)

    def run(self, folder: str, rejects: str | None, resume: bool) -> Summary:
        """Score all rows into parts, and assemble the output from them."""
        if not resume:
            self._check_free()
        none = Counts(drift=self._columns.drift.none)
        parts = Parts(self.spark, self.store, folder, self._identity(), self._schema(), none)
        if parts.finished is not None:
            return self._summary(**parts.finished)
        was_published = parts.was_published
        if not was_published:
            self._check_free()
            self._score(parts, resume)
        counts = parts.counts
        rows, n_rows, threshold = parts.rows(), counts.written, self._options.threshold
        if self._options.top_fraction is not None:
            n_rows = how_many(self._options.top_fraction, counts.scored)
            rows, threshold = top(rows, n_rows)
            if self._task.waits:
                rows = self._explained(rows)
        # There, a killed job leaves nothing that the next one does not remove.
        here = self.store.local(folder) if self.store.is_local else None
        with nullcontext() if rejects is None else rejects_file(rejects, here, self.store.path) as file:
            if file is not None:
                file.write(rejected.table(rejects_of(parts.notes(), self._sources)))
                file.finish()
            if not was_published:
                parts.publish(lambda path: self._write(rows, path, n_rows))
        done: dict[str, Any] = {"counts": counts.to_json(), "n_rows": n_rows, "threshold": threshold}
        parts.finish(done)
        return self._summary(**done)

    def _summary(self, counts: dict[str, Any], n_rows: int, threshold: float | None) -> Summary:
        found = Summary.of(Counts.from_json(counts), self._columns.drift, threshold)
        return replace(found, written=n_rows)

    def _check_types(self) -> None:
        """Refuse kept columns that the output cannot hold; Spark does so when all rows are scored.

        Raises
        ------
        ValueError
        """
        from pyspark.sql.types import AtomicType, BinaryType

        for name, field in zip(self._columns.kept, self._fields, strict=False):
            kind = field.dataType
            if isinstance(kind, AtomicType) and not isinstance(kind, BinaryType):
                continue
            if name in self._options.partition_by:
                raise ValueError(
                    f"{option('partition_by', name)} is {kind.simpleString()}, whose values cannot name folders; give "
                    "a column of text, numbers or dates."
                )
            if is_csv(self._output):
                raise ValueError(
                    f"{option('keep', name)} is {kind.simpleString()}, which a CSV cannot hold; write Parquet."
                )

    @property
    def _sources(self) -> list[str]:
        return [file.path for file in self._files]

    def _check_free(self) -> None:
        if self.store.exists(self.store.path):
            raise ValueError(f"{option('output', self._output)} already exists; choose another.")

    def _identity(self) -> dict[str, Any]:
        states = [file.state for file in self._files]
        return self._options.identity(self._exported, states, engine="spark")

    def _schema(self) -> StructType:
        """The columns of a part, by number: a kept column may have any name."""
        from pyspark.sql.types import LongType, StringType, StructField, StructType

        columns = [StructField(f"c{i}", field.dataType) for i, field in enumerate(self._fields)]
        if self._task.waits:
            n_reasons = len(self._columns.reason_schema)
            waiting = arrow_fields(self._columns.model_schema)
            columns = columns[:-n_reasons] + [StructField(f"x{i}", field.dataType) for i, field in enumerate(waiting)]
        order = [StructField("rank", LongType()), StructField("place", LongType())] if self._task.ranked else []
        return StructType([*columns, *order, StructField("note", StringType())])

    @property
    def _task(self) -> Task:
        options = self._options
        return Task(
            len(self._columns.known),
            tuple(self._columns.kept),
            options.threshold,
            ranked=options.top_fraction is not None,
            max_rejects=options.max_rejects,
            dialect=options.dialect,
            is_csv=self._is_csv,
            reasons=options.reasons,
            max_doubt=options.max_doubt,
        )

    def _score(self, parts: Parts, resume: bool) -> None:
        """Score the files that are not in the parts yet, and make sure that no file was changed meanwhile."""
        check_number(parts.counts.rejected, [], self._options.max_rejects)
        done = set(parts.done)
        left = [number for number in range(len(self._files)) if number not in done]
        groups = list(self._groups(left)) if resume else [left]
        for group, following in zip_longest(groups, groups[1:]):
            rows = self._rows_of(group, is_last=following is None)
            parts.add(group, self._staged(rows), partial(self._check_part, group))
        now = [state for given in self._inputs for state in Store(self.spark, given).files(given)]
        for file in self._files:
            if file.state not in now:
                raise ValueError(f"{file.path!r} was changed while it was read: nothing was written; score it again.")

    def _check_part(self, group: Sequence[int], counts: Counts, notes: Sequence[Mapping[str, Any]]) -> None:
        """Refuse a part with too many rejects, or without any row of a file that has rows.

        Raises
        ------
        ValueError
            If the part is refused.
        """
        rejects = rejects_of(notes, self._sources)
        check_number(counts.rejected - len(rejects), rejects, self._options.max_rejects)
        for number in set(group).difference(*(note["files"] for note in notes)):
            path = self._files[number].state["path"]
            if not read(self.spark, [path], self._options.dialect, self._is_csv).isEmpty():
                raise ValueError(left_out(self._files[number].path))

    def _groups(self, left: Sequence[int]) -> Iterator[list[int]]:
        """The numbers of the files that become one part."""
        most = max(_PART_BYTES, _BYTES_PER_CORE * self.spark.sparkContext.defaultParallelism)
        group: list[int] = []
        size = 0
        for number in left:
            group.append(number)
            size += self._files[number].state["bytes"]
            if size >= most:
                yield group
                group, size = [], 0
        if group:
            yield group

    def _rows_of(self, group: Sequence[int], *, is_last: bool) -> DataFrame:
        """The rows of a group of files; the last group has all rows that no other group has."""
        urls = [self._files[number].url for number in group]
        others = [file.url for file in self._files if file.url not in set(urls)]
        rows = self._rows
        if others:
            rows = of_files(rows, others, others=True) if is_last else of_files(rows, urls)
        return rows

    def _staged(self, rows: DataFrame) -> DataFrame:
        """Rows of a part; see `tabkd.spark._worker.staged`."""
        task, numbers = self._task, {file.url: i for i, file in enumerate(self._files)}
        sent = broadcast(rows, (self._exported.content, numbers))

        def stage_part(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            content, numbers = sent.value
            return staged(exported_of(content), task, numbers, batches)

        placed = features(with_places(rows, positions=not self._is_csv), self._columns, [*self._columns.kept, *PLACE])
        return placed.mapInArrow(stage_part, self._schema())

    def _explained(self, rows: DataFrame) -> DataFrame:
        """The rows of the output, with reasons in place of the model's columns."""
        from pyspark.sql.types import StructField, StructType

        task, content = self._task, broadcast(rows, self._exported.content)

        def explain_part(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            return with_reasons(exported_of(content.value), task, batches)

        names = [name for name in rows.columns if name not in ("rank", "place")]
        schema = [StructField(f"c{i}", field.dataType) for i, field in enumerate(self._fields)]
        return rows.select(names).mapInArrow(explain_part, StructType(schema))

    def _write(self, rows: DataFrame, folder: str, n_rows: int) -> None:
        """Write the output, and make sure that it has all rows.

        Raises
        ------
        ValueError
            If it has more or fewer rows.
        """
        from pyspark.sql.functions import col

        made = rows.select(*(col(f"c{i}").alias(field.name) for i, field in enumerate(self._fields)))
        writer = made.write.partitionBy(*self._options.partition_by).options(**_EXACT)
        as_csv = is_csv(self._output)
        writer.csv(folder) if as_csv else writer.parquet(folder)
        # Folders of partitions without any row do not exist, and cannot be read.
        n_written = read(self.spark, [folder], PLAIN, as_csv).count() if n_rows else 0
        if n_written != n_rows:
            raise ValueError(
                f"{n_rows:,} rows were to be written to {self._output!r}, but {n_written:,} were; they are removed."
            )


def _check_inputs(inputs: Sequence[str]) -> None:
    """Refuse inputs that Spark cannot read, or cannot read together.

    Raises
    ------
    ValueError
        If there is such an input.
    """
    for given in inputs:
        check_form(given)
        if is_postgres(given):
            raise ValueError(
                f"{shown(given)!r} is a database, which tabkd cannot score in Spark; score it without Spark."
            )
    if any(map(is_csv, inputs)) and not all(map(is_csv, inputs)):
        raise ValueError("Spark reads inputs of one format; score CSV and Parquet in separate jobs.")
    if other := [given for given in inputs if _is_other_format(given)]:
        raise ValueError(
            f"{other[0]!r} has the suffix {PurePath(other[0]).suffix!r}, but Spark reads Parquet and .csv files. "
            "Convert it, or score it without Spark."
        )


def _check_output(output: str) -> None:
    """Refuse an output that Spark cannot write.

    Raises
    ------
    ValueError
        If it is a database, standard output, a file of another format, or a pattern.
    """
    check_form(output)
    what = ""
    if is_postgres(output):
        what = "is a database"
    elif output == STDOUT:
        what = "is standard output"
    elif _is_other_format(output):
        what = f"has the suffix {PurePath(output).suffix!r}"
    if what:
        raise ValueError(
            f"{option('output', shown(output))} {what}, but Spark writes a folder of Parquet files, or of CSV files "
            "if its name ends in .csv. Choose such a folder, or score without Spark."
        )
    if any(character in output for character in "*?[]{}"):
        raise ValueError(
            f"{option('output', output)} has one of *?[]{{}}, which Spark takes for a pattern; choose another."
        )


def _is_other_format(path: str) -> bool:
    """Whether a name has a suffix of a format other than Parquet and CSV."""
    suffix = PurePath(path).suffix.lower()
    return suffix not in (".parquet", ".csv") and re.fullmatch(r"\.[a-z]\w*", suffix) is not None
