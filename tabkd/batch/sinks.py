"""Where rows go: a file or folder that appears whole or not at all, or standard output as CSV."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet

from tabkd.batch.sources import NO_VALUE
from tabkd.files import atomic_write, explained, sync

#: What `output` is for standard output.
STDOUT = "-"
# Files that are open at a time, and rows that wait for them.
_MOST_FOLDERS = 500
_MOST_WAITING = 1_000_000

_WRITERS: dict[str, Callable] = {
    ".parquet": pa.parquet.ParquetWriter,
    ".csv": pa.csv.CSVWriter,
    ".arrow": pa.ipc.new_file,
    ".feather": pa.ipc.new_file,
}

#: The suffixes of the files that are written.
SUFFIXES = tuple(_WRITERS)


class File(contextlib.AbstractContextManager):
    """Rows of one schema on their way to a file or to standard output.

    A file is moved to its place when the block has succeeded.

    Parameters
    ----------
    path : str
        `STDOUT`, or a file of a suffix of `SUFFIXES`.
    folder : Path, optional
        Where the file is until then, on the same disk.
    schema : pyarrow.Schema, optional
        None is that of the first rows, which the others are cast to.
    """

    def __init__(self, path: str, folder: Path | None = None, schema: pa.Schema | None = None):
        self._path, self._folder, self._schema = path, folder, schema
        self._writer: Any = None
        self._target: Any = None
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        if self._path == STDOUT:
            if sys.stdout is None:
                raise ValueError("standard output is closed; give an --output that is a file.")
            self._target = sys.stdout.buffer
        else:
            self._target = self._stack.enter_context(atomic_write(self._path, self._folder))
        if self._schema is not None:
            self._open(self._schema)
        return self

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        if self._writer is None:
            self._open(table.schema)
        # In one piece: what is written must not depend on the pieces that rows came in.
        self._writer.write_table(table.cast(self._schema).combine_chunks())

    def _open(self, schema: pa.Schema) -> None:
        self._schema = schema
        kind = ".csv" if self._path == STDOUT else self._target.suffix.lower()
        target = self._target if self._path == STDOUT else str(self._target)
        self._writer = self._stack.enter_context(_WRITERS[kind](target, schema))

    def __exit__(self, kind, error, traceback):
        if kind is None and self._writer is None:
            raise AssertionError("a job writes one batch at least, be it of no rows")
        with contextlib.ExitStack() as last:
            if self._path == STDOUT and kind is None:
                last.callback(self._target.flush)  # here, where a full disk is still told
            return self._stack.__exit__(kind, error, traceback)


class Folder(contextlib.AbstractContextManager):
    """Rows on their way to a folder of Parquet files, in folders of their own for the values of some columns.

    As Hive has it: ``month=2026-10/part-0.parquet``, and the file without the column. The folder is moved to its place
    when the block has succeeded.

    Parameters
    ----------
    path : str
    folder : Path
        Where it is until then, on the same disk.
    by : sequence of str
        The columns, each of few values.
    """

    def __init__(self, path: str, folder: Path, by: Sequence[str]):
        self._path, self._folder, self._by = Path(path), folder / "rows", list(by)
        self._stack = contextlib.ExitStack()
        self._writers: dict[Path, pa.parquet.ParquetWriter] = {}
        self._waiting: list[pa.Table] = []
        self._schema: pa.Schema | None = None

    def __enter__(self):
        shutil.rmtree(self._folder, ignore_errors=True)  # of a job that was killed
        self._folder.mkdir()
        return self

    def write(self, table: pa.Table) -> None:
        """Add rows; they are written many at a time, for the files of all folders get some of them."""
        self._schema = self._schema or table.schema
        self._waiting.append(table.cast(self._schema))
        if sum(part.num_rows for part in self._waiting) >= _MOST_WAITING:
            self._flush()

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
                self._writer(keys[group[rows[0]]], stored.schema).write_table(stored.take(pa.array(rows)))

    def _writer(self, key: Sequence, schema: pa.Schema):
        folder = self._folder.joinpath(
            *(f"{_folder_name(n)}={_folder_name(v)}" for n, v in zip(self._by, key, strict=True))
        )
        if folder not in self._writers:
            if len(self._writers) == _MOST_FOLDERS:
                raise ValueError(
                    f"--partition-by {' '.join(self._by)} has more than {_MOST_FOLDERS:,} values, each a folder with a "
                    "file; give a column of fewer."
                )
            folder.mkdir(parents=True)
            writer = pa.parquet.ParquetWriter(str(folder / "part-0.parquet"), schema)
            self._writers[folder] = self._stack.enter_context(writer)
        return self._writers[folder]

    def __exit__(self, kind, error, traceback):
        try:
            with self._stack:
                if kind is None:
                    self._flush()
            if kind is None:
                for path in (*self._folder.rglob("*"), self._folder):
                    sync(path)
                os.replace(self._folder, self._path)  # where there was at most an empty folder
                sync(self._path.parent)
        except OSError as error:
            raise explained(error, self._path) from error
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)


def _groups(table: pa.Table, by: Sequence[str]) -> tuple[np.ndarray, list[tuple]]:
    """The group of each row (n,) by its values in some columns, and the values of each group."""
    codes = []
    values = []
    for name in by:
        column = table.column(name).combine_chunks().dictionary_encode(null_encoding="encode")
        codes.append(column.indices.to_numpy(zero_copy_only=False).astype(np.int64))
        values.append(column.dictionary.to_pylist())
    combined, group = np.unique(np.column_stack(codes), axis=0, return_inverse=True)
    return group.ravel(), [tuple(values[i][k] for i, k in enumerate(row)) for row in combined]


def _folder_name(value) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        value = int(value)  # the same folder as for whole numbers
    return NO_VALUE if value is None else quote(str(value), safe=" ")
