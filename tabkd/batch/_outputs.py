"""The outputs of a job: its scores and its rejects."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any, Self
from urllib.parse import quote

import pyarrow as pa

from tabkd import _formats as formats
from tabkd._formats.format import is_bytes
from tabkd._options import option
from tabkd.batch import _commit_note as commit_note
from tabkd.batch import _rejects as rejected
from tabkd.batch import _sinks as sinks
from tabkd.batch._addresses import check, check_form, is_postgres, key_of, shown
from tabkd.batch._delta import SUFFIX as DELTA
from tabkd.batch._delta_table import DeltaTable, is_table
from tabkd.batch._delta_types import kept_type
from tabkd.batch._kept import written_type
from tabkd.batch._postgres_table import PostgresTable
from tabkd.batch._scored import Rows
from tabkd.batch._workplace import folder_of, workplace


@dataclass(frozen=True)
class Target:
    """The user's options for the output; see `tabkd.batch.score_dataset`."""

    path: str
    rejects: str | None = None
    table: str | None = None
    append: bool = False
    partition_by: tuple[str, ...] = ()

    @cached_property
    def is_delta(self) -> bool:
        """Whether it is a Delta table: one that is there, or one to be made, whose name says so."""
        return not is_postgres(self.path) and (PurePath(self.path).suffix.lower() == DELTA or is_table(self.path))

    def check(self, inputs: Sequence[str], max_rejects: int, resume: bool) -> None:
        """Refuse an output that cannot be written or would overwrite the input.

        Raises
        ------
        ValueError
            If an option does not fit the output, or the output is in the way of something.
        """
        for path in (self.path, *inputs, self.rejects or ""):
            check_form(path)
        if is_postgres(self.path):
            check(self.path)
            self._check_table()
        elif self.table is not None:
            raise ValueError(
                f"{option('table')} needs an output in PostgreSQL, such as postgresql://user@host/database."
            )
        elif self.is_delta:
            self._check_delta(inputs)
        elif self.append:
            raise ValueError(
                f"{option('append', True)} needs an output in PostgreSQL or a Delta table, and {shown(self.path)!r} is "
                f"neither. The name of a new Delta table ends in {DELTA}."
            )
        elif self.partition_by:
            self._check_folder()
        elif self.path != sinks.STDOUT:
            _check_file("output", self.path, inputs)
        if resume and self.path == sinks.STDOUT:
            raise ValueError(
                f"{option('resume', True)} cannot write to standard output: lines already written cannot be taken "
                "back. Give a file."
            )
        check_rejects(self.rejects, max_rejects, [*inputs, self.path])
        self._check_unfinished()

    def _check_unfinished(self) -> None:
        """Refuse to write into the hidden folder, which the job removes."""
        if self.rejects is None or self.path == sinks.STDOUT or is_postgres(self.path):
            return
        if folder_of(Path(os.path.realpath(self.path))) in Path(os.path.realpath(self.rejects)).parents:
            raise ValueError(
                f"{option('rejects', self.rejects)} is in the hidden folder of this job; choose another place."
            )

    def _check_table(self) -> None:
        if not self.table or self.partition_by:
            what = f"needs {option('table')}, the name of a table"
            if self.partition_by:
                what = f"has no partitions; leave {option('partition_by')} out"
            raise ValueError(f"{option('output', shown(self.path))} {what}.")
        if not all(self.table.rsplit(".", 1)):
            raise ValueError(f"{option('table', self.table)} has an empty name; give NAME, or SCHEMA.NAME.")

    def _check_delta(self, inputs: Sequence[str]) -> None:
        path, given = Path(self.path), option("output", self.path)
        if self.partition_by:
            raise ValueError(
                f"{given} is a Delta table, which has its partitions since it was made; leave "
                f"{option('partition_by')} out. To choose them, make an empty table with them, and add to it by "
                f"{option('append', True)}."
            )
        if "://" in self.path or "%" in os.path.realpath(path):
            what = "is a URL" if "://" in self.path else "has a '%' in its path, which delta-rs decodes"
            raise ValueError(f"{given} {what}; give another folder of this machine.")
        if is_within(path, inputs):
            raise ValueError(f"{given} is the table to be scored; choose another.")
        if not is_table(self.path):
            self._check_empty()
        self._check_rejects_outside()

    def _check_folder(self) -> None:
        path = Path(self.path)
        if self.path == sinks.STDOUT or formats.format_of(path) is not None:
            raise ValueError(f"{option('output', self.path)} is not a folder, and {option('partition_by')} writes one.")
        self._check_rejects_outside()
        self._check_empty()

    def _check_rejects_outside(self) -> None:
        if self.rejects is not None and Path(self.path).resolve() in Path(self.rejects).resolve().parents:
            raise ValueError(
                f"{option('rejects', self.rejects)} is in the folder of the output; choose a place outside it."
            )

    def _check_empty(self) -> None:
        path = Path(self.path)
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            raise ValueError(
                f"{option('output', self.path)} already exists and is not an empty folder; choose another."
            )

    def check_types(self, kinds: Mapping[str, pa.DataType]) -> dict[str, pa.DataType]:
        """The types that kept columns are written with: their own, or text if the format does not have them.

        Raises
        ------
        ValueError
            If the format of the output cannot store one.
        """
        if is_postgres(self.path):
            return dict(kinds)
        if self.is_delta:
            return {name: kept_type(name, kind) for name, kind in kinds.items()}
        for name in self.partition_by:
            if not _names_folders(kinds[name]):
                raise ValueError(
                    f"{option('partition_by', name)} is {kinds[name]}, whose values cannot name folders; give a column "
                    "of text, numbers or dates."
                )
        format = formats.PARQUET if self.partition_by else sinks.format_at(self.path)
        return {name: written_type(name, kind, format) for name, kind in kinds.items()}

    def folder(self, resume: bool) -> contextlib.AbstractContextManager:
        """A folder for unfinished files, on the disk of the output if that is a file or a folder.

        For a table it is in the working directory, where a resumed job finds it again.
        """
        kept = Path(self._resume_name()) if is_postgres(self.path) else None
        # What an earlier job left there is removed, even without `resume`.
        if kept is not None and (resume or folder_of(kept).exists()):
            return workplace(kept, keep=resume, name=self.table, lasting=commit_note.NAME)
        if self.path == sinks.STDOUT or is_postgres(self.path):
            return tempfile.TemporaryDirectory()
        # The folder of the file itself: a link may lead to another disk, and two links to one file.
        return workplace(Path(os.path.realpath(self.path)), keep=resume)

    def _resume_name(self) -> str:
        """The name of the table's folder: it depends on the table and its database, but not on how the user logs in."""
        return f"{quote(str(self.table), safe='')[:100]}-{key_of(self.path, str(self.table))}"

    def sink(
        self, folder: Path, job: str, schema: pa.Schema, stop: Callable[[], bool], resume: bool
    ) -> PostgresTable | DeltaTable | sinks.Folder | sinks.File:
        """The sink for the rows of scores, which have this schema."""
        if is_postgres(self.path):
            return PostgresTable(self.path, str(self.table), self.append, folder, job, schema, stop)
        if self.is_delta:
            return DeltaTable(self.path, self.append, resume, folder, job, schema)
        if self.partition_by:
            return sinks.Folder(self.path, folder, self.partition_by)
        return sinks.File(self.path, folder)


class RejectsError(RuntimeError):
    """The scores are in their place, but the rejects could not be moved to theirs."""


@contextlib.contextmanager
def rejects_file(path: str, folder: Path | None, output: str) -> Iterator[sinks.File]:
    """A file of rejects, which is moved to its place if the block succeeds: by then the scores are in theirs.

    Parameters
    ----------
    path : str
        The place of the file.
    folder : Path, optional
        Where the file is until then.
    output : str
        The place of the scores, for the error message.

    Raises
    ------
    RejectsError
        At the end of the block, if the file cannot be moved.
    """
    file = sinks.File(path, folder, rejected.SCHEMA)
    file.__enter__()
    try:
        yield file
        try:
            file.publish()
        except OSError as failure:
            raise RejectsError(
                f"all rows are written to {shown(output)!r}, but {failure.strerror or failure} The rejects are in "
                f"{file.saved()!r} instead."
            ) from failure
    finally:
        file.discard()


class Outputs(contextlib.AbstractContextManager):
    """The scores and the rejects of a job; if it succeeds, both appear, the scores first.

    When the scores appear, the rejects are on the disk and need only a rename, so that only a successful job replaces
    an old file of rejects.

    Parameters
    ----------
    target : Target
        The user's options for the output.
    folder : Path
        The folder for unfinished files.
    job : str
        A digest of the job.
    schema : pyarrow.Schema
        The schema of the rows of scores.
    stop : callable
        Returns whether to stop; called while a database works.
    resume : bool
        Whether this may be the continuation of an earlier process.

    Raises
    ------
    RejectsError
        At the end of the block, if the rejects cannot be moved to their place.
    """

    def __init__(
        self,
        target: Target,
        folder: str | Path,
        job: str,
        schema: pa.Schema,
        stop: Callable[[], bool],
        resume: bool = False,
    ):
        self._stack = contextlib.ExitStack()
        self._scores = target.sink(Path(folder), job, schema, stop, resume)
        self._rejects: sinks.File | None = None
        self._target, self._folder = target, Path(folder)
        self._n_rows = self._n_rejects = 0

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            if self._target.rejects is not None:
                rejects = rejects_file(self._target.rejects, self._folder, self._target.path)
                self._rejects = stack.enter_context(rejects)
            # The last one entered is the first to appear.
            stack.enter_context(self._scores)
            self._stack = stack.pop_all()
        return self

    @property
    def was_written(self) -> bool:
        """Whether an earlier process of the job had already committed the scores."""
        return getattr(self._scores, "was_written", False)

    def write(self, rows: Rows) -> int:
        """Add a batch, and return its number of rows with scores."""
        self._scores.write(rows.table)
        if self._rejects is not None and rows.rejects:
            self._rejects.write(rejected.table(rows.rejects))
        self._n_rows += rows.table.num_rows
        self._n_rejects += len(rows.rejects)
        return rows.table.num_rows

    def finish(self, n_rows: int, n_rejects: int) -> None:
        """Write the remaining rows, so that the rest is quick and can hardly fail.

        Raises
        ------
        ValueError
            If the number of written rows or rejects differs from the number counted.
        """
        for what, written, expected in (("rows", self._n_rows, n_rows), ("rejects", self._n_rejects, n_rejects)):
            if written != expected:
                raise ValueError(
                    f"{expected:,} {what} were to be written, but {written:,} {what} reached the output; nothing was "
                    f"written. With {option('resume', True)}, leave it out to start again."
                )
        for sink in (self._rejects, self._scores):
            if isinstance(sink, (sinks.File, sinks.Folder, DeltaTable)):
                sink.finish()

    def __exit__(self, *error: Any) -> bool | None:
        return self._stack.__exit__(*error)


def _names_folders(kind: pa.DataType) -> bool:
    if is_bytes(kind):
        return False
    try:
        pa.array([], kind).dictionary_encode()
    except pa.ArrowException:
        return False
    return True


def is_within(path: str | os.PathLike, taken: Sequence[str]) -> bool:
    """Whether a file is one of those in use, or in a folder among them."""
    resolved = Path(os.path.realpath(path))
    places = [Path(os.path.realpath(name)) for name in taken]
    return any(place == resolved or (place.is_dir() and place in resolved.parents) for place in places)


def check_not_read(read: str | os.PathLike, output: str, rejects: str | None, what: str = "the model") -> None:
    """Refuse to replace the model of a job, whose file may have any suffix, or another file that the job reads.

    Raises
    ------
    ValueError
        If the path leads to that file.
    """
    for name, path in (("output", output), ("rejects", rejects)):
        if path is not None and os.path.realpath(path) == os.path.realpath(read):
            raise ValueError(f"{option(name, path)} is {what} of this job; choose another file.")


def check_rejects(path: str | None, max_rejects: int, taken: Sequence[str]) -> None:
    """Refuse a file of rejects that cannot be written, and rejects without a file.

    Raises
    ------
    ValueError
        If the file has another format or is used otherwise, or rejects are allowed without a file.
    """
    if path is not None:
        _check_file("rejects", path, taken)
    elif max_rejects:
        raise ValueError(
            f"{option('max_rejects', max_rejects)} would lose the rows that cannot be scored; "
            f"give {option('rejects')}, a file for them."
        )


def _check_file(name: str, path: str, taken: Sequence[str]) -> None:
    """Refuse a file of an unknown format, and one that the job reads or writes for another purpose."""
    if formats.format_of(path) is None:
        raise ValueError(
            f"{option(name, shown(path))} has the suffix {PurePath(path).suffix!r}; it is written as a "
            f"{formats.suffixes_in_words()} file"
            + (f", or as CSV to standard output, {sinks.STDOUT!r}." if name == "output" else ".")
        )
    if is_within(path, [name for name in taken if name != sinks.STDOUT]):
        what = "the table to be scored" if name == "output" else "already read or written by this job"
        raise ValueError(f"{option(name, path)} is {what}; choose another file.")
