"""Tables on disk: Parquet and CSV, whole or in batches.

Text stays text: a column that a model knows as strings is read as strings, though its values may look like numbers,
and the empty field alone is missing in it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from tabkd.cli.errors import CommandError
from tabkd.files import atomic_write

SUFFIXES = (".parquet", ".csv")

Batches = Iterator[pa.RecordBatch]


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
        if suffix == ".parquet":
            table = pa.parquet.read_table(path)
        else:
            table = pa.csv.read_csv(path)
        _check_names(path, table.schema.names)
        frame = to_frame(table)
    if frame.empty:
        raise CommandError(f"the table {str(path)!r} has {len(frame)} rows and {frame.shape[1]} columns; nothing to do.")
    return frame


def to_frame(table: pa.Table | pa.RecordBatch) -> pd.DataFrame:
    """An Arrow table as pandas: numbers with gaps as floats, text as strings, no stored index."""
    if isinstance(table, pa.RecordBatch):
        table = pa.Table.from_batches([table])
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


def read_batches(
    path: Path, columns: list[str], types: Mapping[str, pa.DataType], rows: int
) -> tuple[pa.Schema, Batches]:
    """The named columns of a table, batch by batch.

    Parameters
    ----------
    path : Path
    columns : list of str
        The columns to read, in this order.
    types : mapping of str to pyarrow.DataType
        How columns of a CSV are read. Those not in it are read as text.
    rows : int
        About how many rows a batch has.

    Returns
    -------
    schema : pyarrow.Schema
    batches : iterator of pyarrow.RecordBatch
    """
    with _reading(path) as suffix:
        if suffix == ".parquet":
            file = pa.parquet.ParquetFile(path)
            schema = pa.schema([file.schema_arrow.field(name) for name in columns])
            return schema, _guarded(path, (b.select(columns) for b in file.iter_batches(rows, columns=columns)))
        reader = pa.csv.open_csv(
            path,
            # A row of a CSV has some 10 bytes a column: blocks of about the rows asked for, 1 MB at least.
            read_options=pa.csv.ReadOptions(block_size=max(1 << 20, 10 * rows * max(1, len(columns)))),
            convert_options=pa.csv.ConvertOptions(
                include_columns=columns, column_types={name: types.get(name, pa.string()) for name in columns}
            ),
        )
        return reader.schema, _guarded(path, reader)


def _guarded(path: Path, batches: Batches) -> Batches:
    """The same batches; an error of reading them names the file."""
    with _reading(path):
        yield from batches


def arrow_types(columns: Collection[Mapping]) -> dict[str, pa.DataType]:
    """How the columns that a model knows are read from a CSV: its text as text, its numbers as numbers."""
    return {column["name"]: _arrow_type(column) for column in columns}


def _arrow_type(column: Mapping) -> pa.DataType:
    categories = column.get("categories") or []
    text = column["kind"] == "categorical" and not all(isinstance(c, (int, float)) for c in categories)
    return pa.string() if text else pa.float64()


@contextlib.contextmanager
def write_batches(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """Give a function that adds a batch to the table at `path`, which appears whole or not at all."""
    suffix = check_suffix(path)
    writer_type = pa.parquet.ParquetWriter if suffix == ".parquet" else pa.csv.CSVWriter
    with atomic_write(path) as temporary, writer_type(temporary, schema) as writer:
        yield writer.write_batch


def _check_names(path: Path, names: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise CommandError(
            f"the table {str(path)!r} has more than one column named {', '.join(map(repr, repeated[:5]))}; "
            "give every column a name of its own."
        )


def _first_sentence(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
