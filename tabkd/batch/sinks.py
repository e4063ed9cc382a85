"""Where rows go: a file or folder that appears whole or not at all, or standard output as CSV."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet

from tabkd.batch.sources import NO_VALUE
from tabkd.files import atomic_write, sync

#: What `output` is for standard output.
STDOUT = "-"
# Files that are open at a time.
_MOST_FOLDERS = 500

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

    def __exit__(self, *error):
        return self._stack.__exit__(*error)


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
        self._schema: pa.Schema | None = None

    def __enter__(self):
        self._folder.mkdir()
        return self

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        self._schema = self._schema or table.schema
        table = table.cast(self._schema)
        values = table.select(self._by)
        stored = table.drop_columns(self._by)
        keys = values.append_column("", pa.array(range(table.num_rows))).group_by(self._by).aggregate([("", "list")])
        for *key, rows in zip(*(keys.column(name).to_pylist() for name in [*self._by, "_list"]), strict=True):
            self._writer(key, stored.schema).write_table(stored.take(pa.array(rows)).combine_chunks())

    def _writer(self, key: Sequence, schema: pa.Schema):
        folder = self._folder.joinpath(*(f"{n}={_folder_name(v)}" for n, v in zip(self._by, key, strict=True)))
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
        self._stack.close()
        if kind is None:
            for file in self._folder.rglob("*.parquet"):
                sync(file)
            if self._path.exists():
                self._path.rmdir()  # it was empty when the job began
            self._folder.rename(self._path)
            sync(self._path.parent)


def _folder_name(value) -> str:
    return NO_VALUE if value is None else quote(str(value), safe=" ")
