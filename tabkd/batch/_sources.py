"""The rows of one Parquet, CSV or Arrow file, and how the rows of any source become batches."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.fs
import pyarrow.ipc
import pyarrow.parquet

from tabkd._options import option
from tabkd._tables.column import code_with_zeros
from tabkd.batch import _csv_rows as csv_rows
from tabkd.batch._csv_header import Header, HeaderError, read_header
from tabkd.batch._dialect import PLAIN, Dialect, name_encoding
from tabkd.batch._rejects import Reject, shown
from tabkd.batch._text import are_missing, convert, converted, may_be_text
from tabkd.scoring._arrow_columns import decoded, is_text, plain, plain_type

#: The formats of the files that are read, by suffix.
FORMATS = {".parquet": "Parquet", ".csv": "CSV", ".arrow": "Arrow", ".feather": "Arrow"}
_ROWS_TOGETHER = 1_000_000
#: Rows that are read together where only their values are looked at.
ROWS_AT_A_LOOK = 65_536


@dataclass(frozen=True)
class File:
    """One file of rows.

    Attributes
    ----------
    path : str
        Its path on the filesystem.
    filesystem : pyarrow.fs.FileSystem
        Where it is.
    partition : dict of str to str or None
        Columns with one value for all rows, from the names of its folders, such as ``month=2026-10/``.
    dialect : Dialect
        The format of a CSV, and of numbers in text.
    """

    path: str
    filesystem: pa.fs.FileSystem
    partition: Mapping[str, str | None]
    dialect: Dialect = PLAIN

    @property
    def kind(self) -> str:
        """The format of the file, by its suffix."""
        return FORMATS[PurePosixPath(self.path).suffix.lower()]

    def types(self, known: Mapping[str, Mapping]) -> dict[str, pa.DataType]:
        """The columns with their types in `batches`, except that these may be dictionaries; no rows are read.

        Parameters
        ----------
        known : mapping of str to mapping
            The metadata of the model's columns, by name; all other columns of a CSV are text.

        Raises
        ------
        ValueError
            If the file cannot be read, two columns have the same name, or the model expects text in a column of
            another type.
        """
        if self.kind == "CSV":
            columns = [(name, csv_rows.type_of(known.get(name))) for name in self._header(known).names]
        elif self.kind == "Parquet":
            columns = [(field.name, field.type) for field in self.footer.schema.to_arrow_schema()]
        else:
            with self._opened() as file:
                columns = [(field.name, field.type) for field in pa.ipc.open_file(file).schema]
        check_names(f"the table {self.path!r}", [name for name, _ in columns])
        for name, kind in columns:
            if is_wrongly_typed(name, kind, known):
                check_missing(name, self.path, self._tables([name], {}, ROWS_AT_A_LOOK))
        types = {name: read_as(name, kind, known) for name, kind in columns}
        return types | {name: value.type for name, value in self._partition_values(known).items()}

    def found(self, known: Mapping[str, Mapping]) -> list[str]:
        """What was detected about the format of a CSV, each as the end of a sentence about the file."""
        return self._header(known).found if self.kind == "CSV" else []

    def _header(self, known: Mapping[str, Mapping]) -> Header:
        with self._opened() as file:
            return read_header(file, self.dialect, [name for name in known if name not in self.partition])

    def state(self) -> dict:
        """What identifies the file, for JSON: its path, size and modification time."""
        info = self.filesystem.get_file_info(self.path)
        return {"path": self.path, "bytes": info.size, "changed": info.mtime_ns}

    def n_rows(self) -> int | None:
        """The number of rows according to the file's metadata; None if it has no such metadata."""
        return self.footer.num_rows if self.kind == "Parquet" else None

    def most_rows(self, known: Mapping[str, Mapping]) -> int | None:
        """The largest possible number of rows; None if it is not known without reading them."""
        if self.kind != "CSV":
            return self.n_rows()
        # A value takes at least one byte: its delimiter or the end of its line.
        return self.state()["bytes"] // len(self._header(known).names)

    @cached_property
    def footer(self) -> pa.parquet.FileMetaData:
        """The metadata of a Parquet file."""
        with self._opened() as file:
            return pa.parquet.read_metadata(file)

    def batches(self, columns: Sequence[str], known: Mapping[str, Mapping], rows: int) -> Iterator[Batch]:
        """Read the given columns in batches; an empty file gives one batch without rows.

        Parameters
        ----------
        columns : sequence of str
            The columns to read, in this order.
        known : mapping of str to mapping
            The metadata of the model's columns, by name, which decides how columns of a CSV are read; all others are
            text.
        rows : int
            Approximate number of rows of a batch.
        """
        stored = [name for name in columns if name not in self.partition]
        if self.kind == "CSV":
            types = {name: csv_rows.type_of(known.get(name)) for name in stored}
            read = csv_rows.read(self._opened, self.path, self._header(known), self.dialect, types, rows)
            parts: Iterator[Batch] = (
                Batch(table, self.path, positions, refused, True) for table, positions, refused in read
            )
        else:
            parts = in_batches(self._tables(stored, known, rows), known, self.path, self.dialect)
        for batch in parts:
            yield batch._replace(table=self._with_partition(batch.table, known).select(list(columns)))

    def _tables(self, columns: Sequence[str], known: Mapping[str, Mapping], rows: int) -> Iterator[pa.Table]:
        return self.parquet(columns, known, rows) if self.kind == "Parquet" else self._arrow(columns, rows)

    def parquet(
        self, columns: Sequence[str], known: Mapping[str, Mapping], rows: int, **options: Any
    ) -> Iterator[pa.Table]:
        """The stored columns of a Parquet file, batch by batch, read with further options of `ParquetFile`."""
        # Text as dictionaries, the way most files store it, so that each value is looked up once.
        stored = self.footer.schema.to_arrow_schema()
        text = [
            name for name in columns if known.get(name, {}).get("type") == "STRING" and is_text(stored.field(name).type)
        ]
        with self._opened() as file:
            source = pa.parquet.ParquetFile(file, metadata=self.footer, read_dictionary=text, **options)
            if source.metadata.num_rows == 0:
                yield source.schema_arrow.empty_table().select(columns)
            for groups in _row_groups(source.metadata):
                for batch in source.iter_batches(rows, row_groups=groups, columns=columns):
                    yield pa.Table.from_batches([batch]).select(columns)

    def _arrow(self, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
        with self._opened() as file:
            source = pa.ipc.open_file(file)
            if source.num_record_batches == 0:
                yield source.schema.empty_table().select(columns)
            for i in range(source.num_record_batches):
                table = pa.Table.from_batches([source.get_batch(i)])
                for start in range(0, max(table.num_rows, 1), rows):
                    # In this order: a table without columns has no rows to slice.
                    yield table.slice(start, rows).select(columns)

    def _with_partition(self, table: pa.Table, known: Mapping[str, Mapping]) -> pa.Table:
        for name, value in self._partition_values(known).items():
            table = table.append_column(name, pa.repeat(value, table.num_rows))
        return table

    def _partition_values(self, known: Mapping[str, Mapping]) -> dict[str, pa.Scalar]:
        values = {}
        for name, text in self.partition.items():
            kind = read_as(name, pa.string(), known)
            try:
                values[name] = convert(pa.array([text], pa.string()), kind)[0]
            except pa.ArrowInvalid as error:
                raise ValueError(f"{self.path!r}: its folder says {name}={text}, which is not a {kind}.") from error
        return values

    @contextlib.contextmanager
    def _opened(self) -> Iterator[pa.NativeFile]:
        try:
            with self.filesystem.open_input_file(self.path) as file:
                yield file
        except UnicodeError as error:
            raise ValueError(f"cannot read {self.path!r} as {self.kind}: {error}. {name_encoding()}") from error
        except (pa.ArrowException, OSError, HeaderError) as error:
            reason = " ".join(str(error).split())[:300]
            if "straddling" in reason:
                reason = f"a line is longer than a block; give a larger {option('batch_size')}, or shorten the line."
            raise ValueError(f"cannot read {self.path!r} as {self.kind}: {reason}") from error


def is_wrongly_typed(name: str, kind: pa.DataType, known: Mapping[str, Mapping]) -> bool:
    """Whether a stored column has a type that cannot be text, although the model expects text."""
    return known.get(name, {}).get("type") == "STRING" and not may_be_text(plain_type(kind))


def check_missing(name: str, path: str, tables: Iterable[pa.Table]) -> None:
    """Refuse a column that is not text although the model expects text, unless all of its values are missing.

    Raises
    ------
    ValueError
        If it has a value; the message names the first one.
    """
    n_rows = 0
    for table in tables:
        values = decoded(table.column(name))
        if not are_missing(values):
            i = next(i for i in range(len(values)) if not are_missing(values[i : i + 1]))
            raise ValueError(
                f"column {name!r} of {path!r} is {values.type}, but text in the model: row {n_rows + i:,} has "
                f"{shown(values[i].as_py())!r}. Store the column as text, as it was in training."
            )
        n_rows += len(values)


def in_dialect(sources: Sequence, dialect: Dialect) -> list:
    """The sources, with CSV files read in the dialect of the user.

    Raises
    ------
    ValueError
        If options of the dialect are given and a source is not a file.
    """
    if (given := dialect.given()) and not all(isinstance(source, File) for source in sources):
        raise ValueError(
            f"{option(next(iter(given)))} is for files, not for rows of a database or Delta table or in memory; leave "
            "it out."
        )
    return [replace(source, dialect=dialect) for source in sources] if given else list(sources)


def check_names(what: str, names: Sequence[str]) -> None:
    """Refuse two columns with the same name.

    Raises
    ------
    ValueError
        If a name occurs more than once.
    """
    if repeated := sorted(name for name, times in Counter(names).items() if times > 1):
        raise ValueError(
            f"{what} has more than one column named {', '.join(map(repr, repeated[:5]))}; give every column a "
            "different name."
        )


def _row_groups(metadata: pa.parquet.FileMetaData) -> Iterator[list[int]]:
    """The row groups that are read together: Arrow keeps memory of the groups it has read until the last one."""
    together, n_rows = [], 0
    for i in range(metadata.num_row_groups):
        together.append(i)
        n_rows += metadata.row_group(i).num_rows
        if n_rows >= _ROWS_TOGETHER or i == metadata.num_row_groups - 1:
            yield together
            together, n_rows = [], 0


class Batch(NamedTuple):
    """Rows that are read together.

    Attributes
    ----------
    table : pyarrow.Table
        The rows that could be read.
    source : str
        The name of the file or database.
    positions : ndarray of shape (n,)
        Positions of the rows in their source, from 0.
    rejects : list of Reject
        Rows that could not be read; they are not in the table.
    is_csv : bool
        Whether the rows come from a CSV, where the text "" may mean a missing value.
    """

    table: pa.Table
    source: str
    positions: np.ndarray
    rejects: list[Reject]
    is_csv: bool = False


def read_as(name: str, kind: pa.DataType, known: Mapping[str, Mapping]) -> pa.DataType:
    """The type that a stored column is read as: its plain type, or the one that the model expects.

    If the model expects numbers (which categories can be too) or booleans, text is parsed; if it expects text, whole
    numbers are converted. A column of nulls gets the type that the model expects.
    """
    kind, column = plain_type(kind), known.get(name, {})
    if column.get("type") == "STRING":
        if pa.types.is_integer(kind) and code_with_zeros(column.get("categories", ())):
            return kind  # which the exported student refuses
        return kind if is_text(kind) else pa.string()
    if column and (is_text(kind) or pa.types.is_null(kind)):
        return pa.bool_() if column["boolean"] else pa.float64()
    return kind


def in_batches(
    tables: Iterable[pa.Table],
    known: Mapping[str, Mapping],
    source: str,
    dialect: Dialect = PLAIN,
    present: np.ndarray | None = None,
) -> Iterator[Batch]:
    """The tables as batches: text is parsed if the model expects numbers, and rows get their positions.

    Parameters
    ----------
    tables : iterable of pyarrow.Table
        All rows of the source in their order.
    known : mapping of str to mapping
        The metadata of the model's columns, by name.
    source : str
        The name of the source.
    dialect : Dialect
        The format of numbers in text.
    present : ndarray of bool, shape (n,), optional
        Which rows of the source belong to the table; the others are left out. None for all.
    """
    n_rows = 0
    for table in tables:
        positions = np.arange(n_rows, n_rows + table.num_rows)
        n_rows += table.num_rows
        if present is not None:
            table, positions = table.filter(pa.array(present[positions])), positions[present[positions]]
        columns, others = {}, {}
        for name, column in zip(table.schema.names, map(plain, table.columns), strict=True):
            stored = plain_type(column.type)
            wanted = read_as(name, stored, known)
            if wanted == stored and name in known and column.null_count == len(column):
                # The model may not accept its type.
                column = pa.chunked_array([pa.nulls(len(column), read_as(name, pa.null(), known))])
            if wanted != stored:
                others[name] = wanted
            columns[name] = column
        # A table without columns would lose its rows.
        found = pa.table(columns) if columns else table
        found, positions, rejects = converted(found, others, positions, source, dialect)
        yield Batch(found, source, positions, rejects)
