"""Tables to learn from: Parquet and CSV files as frames."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from tabkd.batch.sources import check_names
from tabkd.batch.text import gaps_in_text
from tabkd.cli.errors import CommandError

SUFFIXES = (".parquet", ".csv")

#: What pandas calls the index of a frame in the Parquet file of it.
_STORED_INDEX = re.compile(r"__index_level_\d+__")


def check_suffix(path: Path) -> str:
    """The suffix of a table's path, one of `SUFFIXES`."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise CommandError(f"{str(path)!r} has the suffix {suffix!r}; tables are {' or '.join(SUFFIXES)} files.")
    return suffix


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[str]:
    """The suffix of `path`; errors of reading it name it."""
    suffix = check_suffix(path)
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise CommandError(f"the table {str(path)!r} {what}; check the path.")
    try:
        yield suffix
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        kind = "Parquet" if suffix == ".parquet" else "CSV"
        raise CommandError(f"cannot read {str(path)!r} as {kind}: {_first_sentence(error)}") from error


def read_table(path: Path) -> pd.DataFrame:
    """The whole table as a frame.

    Raises
    ------
    CommandError
        The file is missing, of an unknown kind, corrupt, without rows, or has a column name twice.
    """
    with _reading(path) as suffix:
        table = pa.parquet.read_table(path) if suffix == ".parquet" else gaps_in_text(pa.csv.read_csv(path))
        check_names(f"the table {str(path)!r}", table.schema.names)
        frame = to_frame(table)
    if frame.empty:
        rows, columns = frame.shape
        raise CommandError(f"the table {str(path)!r} is empty: {rows} rows, {columns} columns.")
    return frame


def to_frame(table: pa.Table) -> pd.DataFrame:
    """An Arrow table as pandas: numbers with gaps as floats, text as strings, a stored index left out."""
    table = table.drop_columns([name for name in table.schema.names if _STORED_INDEX.fullmatch(name)])
    for i, column in enumerate(table.schema):
        if pa.types.is_boolean(column.type) and table.column(i).null_count:
            table = table.set_column(i, column.name, table.column(i).cast(pa.int8()))
        elif pa.types.is_decimal(column.type):
            table = table.set_column(i, column.name, table.column(i).cast(pa.float64()))
    return table.to_pandas(ignore_metadata=True)


def _first_sentence(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
