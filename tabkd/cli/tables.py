"""Tables on disk: Parquet and CSV, whole or in batches.

Text stays text: a column that a model knows as strings is read as strings, though its values may look like
numbers, and the empty field alone is missing in it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from tabkd.cli.errors import CommandError
from tabkd.files import atomic_write

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
        table = pa.parquet.read_table(path) if suffix == ".parquet" else _gaps_in_text(pa.csv.read_csv(path))
        _check_names(path, table.schema.names)
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


def column_names(path: Path) -> list[str]:
    """The names of the columns, without reading the table."""
    with _reading(path) as suffix:
        if suffix == ".parquet":
            names = pa.parquet.read_schema(path).names
        else:
            with pa.csv.open_csv(path) as reader:
                names = reader.schema.names
        _check_names(path, names)
    return names


def n_rows(path: Path) -> int | None:
    """How many rows a Parquet file says it has; None for a CSV, which does not say."""
    with _reading(path) as suffix:
        return pa.parquet.read_metadata(path).num_rows if suffix == ".parquet" else None


def read_batches(path: Path, columns: list[str], known: Mapping[str, Mapping], rows: int) -> Iterator[pa.Table]:
    """The named columns of a table, batch by batch.

    Parameters
    ----------
    path : Path
    columns : list of str
        The columns to read, in this order.
    known : mapping of str to mapping
        What the metadata of the model says of its columns, and so how those of a CSV are read. Others are
        read as text.
    rows : int
        About how many rows a batch has.

    Returns
    -------
    iterator of pyarrow.Table
    """
    with _reading(path) as suffix:
        if suffix == ".parquet":
            file = pa.parquet.ParquetFile(path)
            batches = file.iter_batches(rows, columns=columns)
            return _guarded(path, (pa.Table.from_batches([b]).select(columns) for b in batches))
        with pa.csv.open_csv(path) as reader:
            inferred = reader.schema
        types = {name: _csv_type(column, inferred.field(name).type) for name, column in known.items()}
        reader = pa.csv.open_csv(
            path,
            # A value of a CSV has some 10 bytes: blocks of about the rows asked for, 1 MB at least.
            read_options=pa.csv.ReadOptions(block_size=max(1 << 20, 10 * rows * len(columns))),
            convert_options=pa.csv.ConvertOptions(
                include_columns=columns,
                column_types={name: types.get(name, pa.string()) for name in columns},
            ),
        )
        return _guarded(path, (_gaps_in_text(pa.Table.from_batches([b])) for b in reader))


def _guarded(path: Path, batches: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same batches; an error of reading them names the file."""
    with _reading(path):
        yield from batches


def _csv_type(column: Mapping, inferred: pa.DataType) -> pa.DataType:
    """How a column that a model knows is read from a CSV: text as text, the rest as numbers."""
    if column["type"] == "STRING":
        return pa.string()
    return inferred if pa.types.is_boolean(inferred) else pa.float64()


def _gaps_in_text(table: pa.Table) -> pa.Table:
    """A table from a CSV with its empty text as missing values."""
    for i, column in enumerate(table.schema):
        if pa.types.is_string(column.type):
            values = table.column(i)
            filled = pa.compute.if_else(pa.compute.equal(values, ""), pa.scalar(None, pa.string()), values)
            table = table.set_column(i, column, filled)
    return table


@contextlib.contextmanager
def write_batches(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Give a function that adds rows to the table at `path`, which appears whole or not at all."""
    writer_type = pa.parquet.ParquetWriter if check_suffix(path) == ".parquet" else pa.csv.CSVWriter
    with atomic_write(path) as temporary, writer_type(temporary, schema) as writer:
        yield writer.write_table


def _check_names(path: Path, names: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise CommandError(
            f"the table {str(path)!r} has more than one column named {', '.join(map(repr, repeated[:5]))}; "
            "give every column a name of its own."
        )


def _first_sentence(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
