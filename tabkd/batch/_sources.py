"""The rows to score: Parquet, CSV and Arrow files, and folders and globs of them, local or on a store of fsspec.

The order is always the same: files in the order of their names, and rows in the order of their file.
"""

from __future__ import annotations

import contextlib
import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.fs
import pyarrow.ipc
import pyarrow.parquet

from tabkd._options import option
from tabkd._tables.column import code_with_zeros
from tabkd.batch import _csv_rows as csv_rows
from tabkd.batch import _paths as paths
from tabkd.batch._addresses import has_key_of, without_password
from tabkd.batch._addresses import shown as shown_url
from tabkd.batch._csv_header import Header, HeaderError, read_header
from tabkd.batch._dialect import PLAIN, Dialect, name_encoding
from tabkd.batch._rejects import Reject, shown
from tabkd.batch._text import are_missing, convert, converted, may_be_text
from tabkd.scoring._arrow_columns import decoded, is_text, plain, plain_type

_FORMATS = {".parquet": "Parquet", ".csv": "CSV", ".arrow": "Arrow", ".feather": "Arrow"}
#: The suffixes of the files that are read.
SUFFIXES = tuple(_FORMATS)
_ROWS_TOGETHER = 1_000_000
_ROWS_AT_A_LOOK = 65_536
#: The value of a Hive partition of missing values.
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


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
        return _FORMATS[PurePosixPath(self.path).suffix.lower()]

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
            columns = [(field.name, field.type) for field in self._footer.schema.to_arrow_schema()]
        else:
            with self._opened() as file:
                columns = [(field.name, field.type) for field in pa.ipc.open_file(file).schema]
        check_names(f"the table {self.path!r}", [name for name, _ in columns])
        for name, kind in columns:
            if known.get(name, {}).get("type") == "STRING" and not may_be_text(plain_type(kind)):
                self._check_missing(name)
        types = {name: read_as(name, kind, known) for name, kind in columns}
        return types | {name: value.type for name, value in self._partition_values(known).items()}

    def found(self, known: Mapping[str, Mapping]) -> list[str]:
        """What was detected about the format of a CSV, each as the end of a sentence about the file."""
        return self._header(known).found if self.kind == "CSV" else []

    def _header(self, known: Mapping[str, Mapping]) -> Header:
        with self._opened() as file:
            return read_header(file, self.dialect, [name for name in known if name not in self.partition])

    def _check_missing(self, name: str) -> None:
        """Refuse a column that is not text although the model expects text, unless all of its values are missing."""
        n_rows = 0
        for table in self._tables([name], {}, _ROWS_AT_A_LOOK):
            values = decoded(table.column(name))
            if not are_missing(values):
                i = next(i for i in range(len(values)) if not are_missing(values[i : i + 1]))
                raise ValueError(
                    f"column {name!r} of {self.path!r} is {values.type}, but text in the model: row {n_rows + i:,} has "
                    f"{shown(values[i].as_py())!r}. Store the column as text, as it was in training."
                )
            n_rows += len(values)

    def state(self) -> dict:
        """What identifies the file, for JSON: its path, size and modification time."""
        info = self.filesystem.get_file_info(self.path)
        return {"path": self.path, "bytes": info.size, "changed": info.mtime_ns}

    def n_rows(self) -> int | None:
        """The number of rows according to the file's metadata; None if it has no such metadata."""
        return self._footer.num_rows if self.kind == "Parquet" else None

    def most_rows(self, known: Mapping[str, Mapping]) -> int | None:
        """The largest possible number of rows; None if it is not known without reading them."""
        if self.kind != "CSV":
            return self.n_rows()
        # A value takes at least one byte: its delimiter or the end of its line.
        return self.state()["bytes"] // len(self._header(known).names)

    @cached_property
    def _footer(self) -> pa.parquet.FileMetaData:
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
        return self._parquet(columns, known, rows) if self.kind == "Parquet" else self._arrow(columns, rows)

    def _parquet(self, columns: Sequence[str], known: Mapping[str, Mapping], rows: int) -> Iterator[pa.Table]:
        # Text as dictionaries, the way most files store it, so that each value is looked up once.
        stored = self._footer.schema.to_arrow_schema()
        text = [
            name for name in columns if known.get(name, {}).get("type") == "STRING" and is_text(stored.field(name).type)
        ]
        with self._opened() as file:
            source = pa.parquet.ParquetFile(file, metadata=self._footer, read_dictionary=text)
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


def in_dialect(sources: Sequence, dialect: Dialect) -> list:
    """The sources, with CSV files read in the dialect of the user.

    Raises
    ------
    ValueError
        If options of the dialect are given and a source is not a file.
    """
    if (given := dialect.given()) and not all(isinstance(source, File) for source in sources):
        raise ValueError(
            f"{option(next(iter(given)))} is for files, not for rows of a database or in memory; leave it out."
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
    tables: Iterable[pa.Table], known: Mapping[str, Mapping], source: str, dialect: Dialect = PLAIN
) -> Iterator[Batch]:
    """The tables as batches: text is parsed if the model expects numbers, and rows get their positions."""
    n_rows = 0
    for table in tables:
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
        positions = np.arange(n_rows, n_rows + table.num_rows)
        # A table without columns would lose its rows.
        found = pa.table(columns) if columns else table
        found, positions, rejects = converted(found, others, positions, source, dialect)
        yield Batch(found, source, positions, rejects)
        n_rows += table.num_rows


def find_files(inputs: Sequence[str]) -> list[File]:
    """The files that paths, folders, globs and URLs refer to, those of each input in the order of their names.

    Raises
    ------
    FileNotFoundError
        If an input has no files.
    OSError, ValueError
        If a file has the suffix of another format or is given twice, or a match cannot be read; see
        `tabkd.batch._paths.files`.
    """
    if not inputs:
        raise ValueError("inputs is empty; give the files, folders or URLs to score.")
    files = []
    for given in inputs:
        path = given.removeprefix("file://").removeprefix("local://")
        files += _remote(path) if "://" in path else _files(paths.Local(), path, pa.fs.LocalFileSystem())
    seen: set[tuple] = set()
    for file in files:
        is_local = isinstance(file.filesystem, pa.fs.LocalFileSystem)
        place: tuple = (file.filesystem.type_name, file.path)
        if is_local:  # a link to a file is the same file
            status = os.stat(file.path)
            place = (status.st_dev, status.st_ino)
        if place in seen:
            raise ValueError(f"{file.path!r} is given twice; its rows would be scored twice.")
        seen.add(place)
    return files


def _files(tree: paths.Tree, given: str, filesystem: pa.fs.FileSystem) -> list[File]:
    matched = paths.matching(tree, given)
    if not matched:
        if glob.has_magic(given):
            raise FileNotFoundError(f"no file matches {given!r}; check the pattern.")
        raise FileNotFoundError(f"the table {given!r} does not exist; check the path.")
    files = []
    for path in matched:
        found = paths.files(tree, path, lambda name: PurePosixPath(name).suffix.lower() in _FORMATS)
        if not found:
            raise FileNotFoundError(
                f"the folder {path!r} has no {_or(SUFFIXES)} file; names that begin with . or _ are left out."
            )
        for file in found:
            _check_suffix(file.path)
            files.append(File(file.path, filesystem, _partition(file.folders)))
    return files


def _remote(url: str) -> list[File]:
    """The files of a URL, through fsspec and the driver of the store."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise ValueError(
            f"{shown(url)!r} needs fsspec and the driver of its store, for example pip install s3fs."
        ) from error
    try:
        store, path = url_to_fs(url)
    except Exception as error:  # the driver of a store may raise any error
        raise ValueError(f"{shown_url(url)!r} cannot be opened: {without_password(str(error), url)}") from None
    if has_key_of(path, url):
        raise ValueError(
            f"{shown_url(url)!r} has a password or key that is part of the path there, so files and messages would "
            "show it. Use the settings of the store, such as its environment variables."
        )
    return _files(paths.Store(store), path, pa.fs.PyFileSystem(pa.fs.FSSpecHandler(store)))


def _partition(folders: Sequence[str]) -> dict[str, str | None]:
    """The columns that folders with names of the form name=value define."""
    pairs = (folder.partition("=") for folder in folders if "=" in folder)
    return {unquote(name): None if value == NO_VALUE else unquote(value) for name, _, value in pairs}


def _check_suffix(path: str) -> None:
    suffix = PurePosixPath(path).suffix
    if suffix.lower() not in _FORMATS:
        raise ValueError(f"{path!r} has the suffix {suffix!r}; tables are {_or(SUFFIXES)} files.")


def _or(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
