"""Where rows go: a Parquet, CSV or Arrow file that appears whole or not at all, or standard output as CSV."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet

from tabkd.files import atomic_write

#: What `output` is for standard output.
STDOUT = "-"

_WRITERS: dict[str, Callable] = {
    ".parquet": pa.parquet.ParquetWriter,
    ".csv": pa.csv.CSVWriter,
    ".arrow": pa.ipc.new_file,
    ".feather": pa.ipc.new_file,
}


def check_file(option: str, path: str, taken: Sequence[str]) -> None:
    """Refuse a file of another format, and one that the job reads or writes as something else.

    Parameters
    ----------
    option : str
        What the user calls it.
    path : str
    taken : sequence of str
        The other files.

    Raises
    ------
    ValueError
    """
    suffix = PurePath(path).suffix
    if suffix.lower() not in _WRITERS:
        *others, last = _WRITERS
        raise ValueError(
            f"{option} {path!r} has the suffix {suffix!r}; it is written as a {', '.join(others)} or {last} file"
            + (f", or as CSV to standard output, {STDOUT!r}." if option == "--output" else ".")
        )
    resolved = Path(path).resolve()
    if any(Path(name).resolve() == resolved for name in taken if name != STDOUT):
        what = "the table to be scored" if option == "--output" else "read or written by this job as something else"
        raise ValueError(f"{option} {path!r} is {what}; choose another file.")


class Sink(contextlib.AbstractContextManager):
    """Rows of one schema on their way to a file or to standard output.

    A file is moved to its place when the block has succeeded.

    Parameters
    ----------
    path : str
        `STDOUT`, or a file of the formats that `check_file` knows.
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
