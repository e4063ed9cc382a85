"""Where scores go: a Parquet, CSV or Arrow file that appears whole or not at all, or standard output as CSV."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath

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


def check_output(output: str, files: list[str]) -> None:
    """Refuse an output of another format, and one that is among the files to be read.

    Raises
    ------
    ValueError
    """
    if output == STDOUT:
        return
    suffix = PurePath(output).suffix
    if suffix.lower() not in _WRITERS:
        *others, last = _WRITERS
        raise ValueError(
            f"--output {output!r} has the suffix {suffix!r}; scores are written as {', '.join(others)} or {last} "
            f"files, or as CSV to standard output, {STDOUT!r}."
        )
    path = Path(output)
    if path.exists() and any(Path(name).exists() and path.samefile(name) for name in files):
        raise ValueError(f"--output {output!r} is the table to be scored; choose another file.")


@contextlib.contextmanager
def opened(output: str, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Give a function that adds rows to `output`; a file is moved to its place when the block has succeeded."""
    if output == STDOUT:
        with pa.csv.CSVWriter(sys.stdout.buffer, schema) as writer:
            yield writer.write_table
        return
    with atomic_write(output) as temporary, _WRITERS[temporary.suffix.lower()](str(temporary), schema) as writer:
        yield writer.write_table
