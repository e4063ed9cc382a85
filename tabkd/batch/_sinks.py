"""The destinations of rows: a file or folder that appears whole or not at all, or standard output as CSV."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import numpy as np
import pyarrow as pa

from tabkd import _formats as formats
from tabkd._files import Draft, check_replaceable, check_text, give_permissions, sync, writing
from tabkd._formats.format import Format, Writer
from tabkd._options import option
from tabkd.batch._found_files import NO_VALUE
from tabkd.batch._rejects import shown
from tabkd.batch._workplace import ROWS

#: The value of `output` that means standard output.
STDOUT = "-"
# Most files that are open at a time, and most rows that wait for them.
_MOST_FOLDERS = 500
_MOST_WAITING = 1_000_000
_PART = "part-0.parquet"
# The limit of file systems, in bytes; quoted names are ASCII.
_LONGEST_NAME = 255


def format_at(path: str) -> Format:
    """The format of what is written to `STDOUT` or to a file; its suffix is one of `tabkd._formats.SUFFIXES`."""
    found = formats.CSV if path == STDOUT else formats.format_of(path)
    assert found is not None, path
    return found


class File(contextlib.AbstractContextManager):
    """Write rows of one schema to a file or to standard output.

    A file is moved to its place when the block has succeeded.

    Parameters
    ----------
    path : str
        `STDOUT`, or a file with a suffix from `tabkd._formats.SUFFIXES`.
    folder : Path, optional
        Where the file is until then, on the same disk.
    schema : pyarrow.Schema, optional
        The schema; None for that of the first rows, to which all others are cast.

    Attributes
    ----------
    n_rows : int
        Number of rows that were added.
    """

    def __init__(self, path: str, folder: Path | None = None, schema: pa.Schema | None = None):
        self._path, self._folder, self._schema = path, folder, schema
        self._format = format_at(path)
        self._writer: Writer | None = None
        # The stream and the writer, while they are open.
        self._open_ones = contextlib.ExitStack()
        self._draft: Draft | None = None
        self.n_rows = 0

    def __enter__(self) -> Self:
        if self._path != STDOUT:
            self._draft = Draft(self._path, self._folder)
        elif sys.stdout is None:
            raise ValueError("standard output is closed; give an output that is a file.")
        try:
            if self._schema is not None:
                self._open(self._schema)
        except BaseException:
            self.discard()
            raise
        return self

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        if self._writer is None:
            self._open(table.schema)
        # In one piece: the bytes of the file must not depend on the pieces in which rows arrive.
        rows = table.cast(self._schema).combine_chunks()
        assert self._writer is not None
        with self._writing():
            self._writer.write_table(rows)
        self.n_rows += rows.num_rows

    def finish(self) -> None:
        """Write what is left, so that only a rename can fail after it."""
        if self._writer is None:
            return
        self._writer = None
        with self._writing():
            self._open_ones.close()
        if self._draft is None:
            with self._writing():
                sys.stdout.buffer.flush()  # here, where a full disk is still reported
        else:
            self._draft.finish()
            _check_stored(self._format, self._draft.temporary, self.n_rows, self._path)

    def _open(self, schema: pa.Schema) -> None:
        self._schema = schema
        with self._writing():
            if self._draft is None:
                stream: Any = sys.stdout.buffer
            else:
                stream = self._open_ones.enter_context(pa.OSFile(str(self._draft.temporary), "wb"))
            writer = self._format.opened(stream, schema)
            self._writer = self._open_ones.enter_context(contextlib.closing(writer))

    def _writing(self) -> contextlib.AbstractContextManager[None]:
        return writing("standard output" if self._path == STDOUT else self._path)

    def publish(self) -> None:
        """Move the finished file to its place."""
        if self._draft is not None:
            self._draft.publish()

    def saved(self) -> str:
        """Copy the finished file to the folder for temporary files, if it cannot be moved to its place."""
        assert self._draft is not None
        descriptor, name = tempfile.mkstemp(prefix="tabkd-", suffix=self._draft.path.suffix)
        with os.fdopen(descriptor, "wb") as file, self._draft.temporary.open("rb") as source:
            shutil.copyfileobj(source, file)
        return name

    def discard(self) -> None:
        """Remove the file unless it was published."""
        self._writer = None
        with contextlib.suppress(OSError, pa.ArrowException):  # of a disk that is full, say, as was reported
            self._open_ones.close()
        if self._draft is not None:
            self._draft.discard()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                if self._schema is None:
                    raise AssertionError("a job writes at least one batch, even if it has no rows")
                self.finish()
                self.publish()
        finally:
            self.discard()


class Folder(contextlib.AbstractContextManager):
    """Write rows to a folder of Parquet files, with a separate subfolder for each value of some columns.

    The layout is Hive's: ``month=2026-10/part-0.parquet``, where the file does not have the column. The folder is moved
    to its place when the block has succeeded.

    Parameters
    ----------
    path : str
        The place of the folder.
    folder : Path
        Where it is until then, on the same disk.
    by : sequence of str
        The columns, each with few values.

    Attributes
    ----------
    n_rows : int
        Number of rows that were added.
    """

    def __init__(self, path: str, folder: Path, by: Sequence[str]):
        self._path, self._folder, self._by = Path(os.path.realpath(path)), folder / ROWS, list(by)
        self._stack = contextlib.ExitStack()
        self._writers: dict[Path, Writer] = {}
        self._waiting: list[pa.Table] = []
        self._schema: pa.Schema | None = None
        self._seen: dict[str, set] = {name: set() for name in by}
        self._n_stored: dict[Path, int] = {}
        self._finished = False
        self.n_rows = 0

    def __enter__(self) -> Self:
        with writing(self._path):
            check_folder(self._path)
            if self._folder.exists():  # of a job that was killed
                shutil.rmtree(self._folder)
            self._folder.mkdir()
        return self

    def write(self, table: pa.Table) -> None:
        """Add rows; they are collected first and written many at a time, because each folder gets only a few rows."""
        self._schema = self._schema or table.schema
        self._check_values(table)
        self._waiting.append(table.cast(self._schema))
        self.n_rows += table.num_rows
        if sum(part.num_rows for part in self._waiting) >= _MOST_WAITING:
            self._flush()

    def _check_values(self, table: pa.Table) -> None:
        """Refuse values that cannot name a folder as soon as they arrive."""
        for name, seen in self._seen.items():
            for value in table.column(name).unique().to_pylist():
                if value not in seen:
                    seen.add(value)
                    folder_name(name, value)

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting).combine_chunks()
        self._waiting = []
        group, keys = _groups(table, self._by)
        order = np.argsort(group, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(group[order])) + 1, len(order))
        stored = table.drop_columns(self._by)
        for start, end in zip(np.append(0, ends[:-1]), ends, strict=True):
            rows = order[start:end]
            if len(rows):
                folder = self._folder_of(keys[group[rows[0]]], stored.schema)
                of_folder = stored.take(pa.array(rows))
                with writing(self._path):
                    self._writers[folder].write_table(of_folder)
                self._n_stored[folder] += len(rows)

    def _folder_of(self, key: Sequence, schema: pa.Schema) -> Path:
        folder = self._folder.joinpath(*(folder_name(n, v) for n, v in zip(self._by, key, strict=True)))
        if folder not in self._writers:
            if len(self._writers) == _MOST_FOLDERS:
                raise ValueError(
                    f"{option('partition_by')} {' '.join(self._by)} has more than {_MOST_FOLDERS:,} values, each of "
                    "which gets a folder; give a column with fewer values."
                )
            with writing(self._path):
                folder.mkdir(parents=True)
                stream: Any = self._stack.enter_context(pa.OSFile(str(folder / _PART), "wb"))
                writer = formats.PARQUET.opened(stream, schema)
            self._writers[folder] = self._stack.enter_context(contextlib.closing(writer))
            self._n_stored[folder] = 0
        return folder

    def finish(self) -> None:
        """Write what is left, so that only a rename can fail after it."""
        if self._finished:
            return
        self._flush()
        with writing(self._path):
            self._stack.close()
            for path in (*self._folder.rglob("*"), self._folder):
                sync(path)
        for folder, n_rows in self._n_stored.items():
            _check_stored(formats.PARQUET, folder / _PART, n_rows, str(self._path))
        self._finished = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.finish()
                with writing(self._path):
                    if self._path.exists():
                        give_permissions(os.stat(self._path), self._folder)
                    os.replace(self._folder, self._path)  # where there was at most an empty folder
                sync(self._path.parent)
            else:
                with contextlib.suppress(OSError, pa.ArrowException):
                    self._stack.close()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)


def check_folder(path: Path) -> None:
    """Refuse early a path that a folder cannot replace at the end of the job.

    Raises
    ------
    OSError, ValueError
        If the path is in use, or a folder cannot be put there.
    """
    check_text(path)
    if os.path.ismount(path) or path == Path(os.path.realpath(os.curdir)):
        what = "a disk is mounted there" if os.path.ismount(path) else "it is the working directory"
        raise OSError(errno.EBUSY, f"{what}, and a new folder would replace it; choose a folder below it")
    if path.exists():
        check_replaceable(path)


def _check_stored(format: Format, path: Path, n_rows: int, shown: str) -> None:
    """Refuse a finished file whose metadata give another number of rows than were written."""
    stored = format.n_rows(path)
    if stored not in (None, n_rows):
        raise ValueError(f"{n_rows:,} rows were written to {shown!r}, but it has {stored:,}; it is removed.")


def _groups(table: pa.Table, by: Sequence[str]) -> tuple[np.ndarray, list[tuple]]:
    """The group of each row, shape (n,), by its values in some columns, and the values of each group."""
    codes = []
    values = []
    for name in by:
        column = table.column(name).combine_chunks().dictionary_encode(null_encoding="encode")
        codes.append(column.indices.to_numpy(zero_copy_only=False).astype(np.int64))
        values.append(column.dictionary.to_pylist())
    combined, group = np.unique(np.column_stack(codes), axis=0, return_inverse=True)
    return group.ravel(), [tuple(values[i][k] for i, k in enumerate(row)) for row in combined]


def folder_name(column: str, value: Any) -> str:
    """The name of the folder for the rows with a value in a column, as in ``month=2026-10``.

    Raises
    ------
    ValueError
        If the name is too long.
    """
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        value = int(value)  # the same folder as for whole numbers
    text = NO_VALUE if value is None else quote(str(value), safe=" ")
    if value == NO_VALUE:  # a text, which is not missing
        text = f"%{ord(text[0]):02X}{text[1:]}"
    name = f"{quote(column, safe=' ')}={text}"
    if len(name) > _LONGEST_NAME:
        raise ValueError(
            f"{option('partition_by', column)}: the name of the folder for the value {shown(value)!r} has {len(name)} "
            f"characters, and {_LONGEST_NAME} are allowed; give a column with shorter values."
        )
    return name
