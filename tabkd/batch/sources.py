"""The rows to score: Parquet, CSV and Arrow files, folders and globs of them, here or on a store that fsspec knows.

Files come in the order of their names, and rows in the order of their file, always the same.
"""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.fs
import pyarrow.ipc
import pyarrow.parquet

from tabkd.batch import csv_rows
from tabkd.batch.addresses import shown, without_password
from tabkd.batch.rejects import Reject
from tabkd.batch.text import convert, converted

_FORMATS = {".parquet": "Parquet", ".csv": "CSV", ".arrow": "Arrow", ".feather": "Arrow"}
#: The suffixes of the files that are read.
SUFFIXES = tuple(_FORMATS)
_ROWS_TOGETHER = 1_000_000
#: What Hive writes for a partition of missing values.
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class File:
    """One file of rows.

    Attributes
    ----------
    path : str
        On its filesystem.
    filesystem : pyarrow.fs.FileSystem
    partition : dict of str to str or None
        What the names of its folders say of all of its rows, as in ``month=2026-10/``.
    """

    path: str
    filesystem: pa.fs.FileSystem
    partition: Mapping[str, str | None]

    @property
    def kind(self) -> str:
        """Its format, by its suffix."""
        return _FORMATS[PurePosixPath(self.path).suffix.lower()]

    def types(self, known: Mapping[str, Mapping]) -> dict[str, pa.DataType]:
        """The columns with the types that `batches` gives them, dictionaries aside, without reading the rows.

        Parameters
        ----------
        known : mapping of str to mapping
            What the metadata of a model says of its columns; others of a CSV are text.

        Raises
        ------
        ValueError
            A name occurs twice.
        """
        if self.kind == "Parquet":
            columns = [(field.name, field.type) for field in self._footer.schema.to_arrow_schema()]
        else:
            with self._opened() as file:
                if self.kind == "CSV":
                    columns = csv_rows.types_of(file, known)
                else:
                    columns = [(field.name, field.type) for field in pa.ipc.open_file(file).schema]
        check_names(f"the table {self.path!r}", [name for name, _ in columns])
        types = {name: read_as(name, kind, known) for name, kind in columns}
        return types | {name: value.type for name, value in self._partition_values(known).items()}

    def state(self) -> dict:
        """By what it is known again: its path, bytes and time of change, as JSON has them."""
        info = self.filesystem.get_file_info(self.path)
        return {"path": self.path, "bytes": info.size, "changed": info.mtime_ns}

    def n_rows(self) -> int | None:
        """How many rows the file says that it has; None where it does not say."""
        return self._footer.num_rows if self.kind == "Parquet" else None

    @cached_property
    def _footer(self) -> pa.parquet.FileMetaData:
        with self._opened() as file:
            return pa.parquet.read_metadata(file)

    def batches(self, columns: Sequence[str], known: Mapping[str, Mapping], rows: int) -> Iterator[Batch]:
        """The named columns, about so many rows at a time; at least one batch, be it of no rows.

        Parameters
        ----------
        columns : sequence of str
            The columns to read, in this order.
        known : mapping of str to mapping
            What the metadata of a model says of its columns, and so how those of a CSV are read; others are read as
            text.
        rows : int
        """
        stored = [name for name in columns if name not in self.partition]
        if self.kind == "CSV":
            types = self.types(known)
            read = csv_rows.read(self._opened, self.path, types, stored, rows)
            parts: Iterator[Batch] = (Batch(table, self.path, positions, refused) for table, positions, refused in read)
        else:
            tables = self._parquet(stored, known, rows) if self.kind == "Parquet" else self._arrow(stored, rows)
            parts = in_batches(tables, known, self.path)
        for batch in parts:
            yield batch._replace(table=self._with_partition(batch.table, known).select(list(columns)))

    def _parquet(self, columns, known, rows) -> Iterator[pa.Table]:
        # Text as dictionaries, as most files store it: each value is then looked up once.
        stored = self._footer.schema.to_arrow_schema()
        text = [
            name
            for name in columns
            if known.get(name, {}).get("type") == "STRING" and _is_text(stored.field(name).type, view=False)
        ]
        with self._opened() as file:
            source = pa.parquet.ParquetFile(file, metadata=self._footer, read_dictionary=text)
            if source.metadata.num_rows == 0:
                yield source.schema_arrow.empty_table().select(columns)
            for groups in _row_groups(source.metadata):
                for batch in source.iter_batches(rows, row_groups=groups, columns=columns):
                    yield pa.Table.from_batches([batch]).select(columns)

    def _arrow(self, columns, rows) -> Iterator[pa.Table]:
        with self._opened() as file:
            source = pa.ipc.open_file(file)
            if source.num_record_batches == 0:
                yield source.schema.empty_table().select(columns)
            for i in range(source.num_record_batches):
                table = pa.Table.from_batches([source.get_batch(i)])
                for start in range(0, max(table.num_rows, 1), rows):
                    # In this order: without columns there would be nothing to cut.
                    yield table.slice(start, rows).select(columns)

    def _with_partition(self, table: pa.Table, known) -> pa.Table:
        for name, value in self._partition_values(known).items():
            table = table.append_column(name, pa.repeat(value, table.num_rows))
        return table

    def _partition_values(self, known) -> dict[str, pa.Scalar]:
        values = {}
        for name, text in self.partition.items():
            kind = read_as(name, pa.string(), known)
            try:
                values[name] = convert(pa.array([text], pa.string()), kind)[0]
            except pa.ArrowInvalid as error:
                raise ValueError(f"{self.path!r}: its folder says {name}={text}, which is no {kind}.") from error
        return values

    @contextlib.contextmanager
    def _opened(self):
        try:
            with self.filesystem.open_input_file(self.path) as file:
                yield file
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())[:300]
            if "straddling" in reason:
                reason = "a line is longer than a block of it; give a larger --batch-size, or cut the line."
            raise ValueError(f"cannot read {self.path!r} as {self.kind}: {reason}") from error


def check_names(what: str, names: Sequence[str]) -> None:
    """Refuse two columns of one name.

    Raises
    ------
    ValueError
    """
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(
            f"{what} has more than one column named {', '.join(map(repr, repeated[:5]))}; give every column a name of "
            "its own."
        )


def _row_groups(metadata: pa.parquet.FileMetaData) -> Iterator[list[int]]:
    """The row groups that are read together: what Arrow keeps of those it has read, it keeps until the last of them."""
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
    source : str
        The file.
    positions : array of shape (n,)
        Those of the rows in their file, from 0.
    rejects : list of Reject
        Rows that could not be read, and so are not in the table.
    """

    table: pa.Table
    source: str
    positions: np.ndarray
    rejects: list[Reject]


def read_as(name: str, kind: pa.DataType, known: Mapping[str, Mapping]) -> pa.DataType:
    """The type that a stored column is read as: without a dictionary, and as the model knows it.

    Where the model wants numbers or truth values, text is read as such; where it wants text, whole numbers.
    """
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    column = known.get(name, {})
    if _is_text(kind) and column.get("kind") == "numeric":
        return pa.bool_() if column["dtype"].startswith("bool") else pa.float64()
    if pa.types.is_string_view(kind) or (pa.types.is_integer(kind) and column.get("type") == "STRING"):
        return pa.string()
    return kind


def _is_text(kind: pa.DataType, view: bool = True) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or (view and pa.types.is_string_view(kind))


def in_batches(tables: Iterable[pa.Table], known: Mapping[str, Mapping], source: str) -> Iterator[Batch]:
    """Tables with the positions of their rows, and with numbers where a model wants them and there is text."""
    n_rows = 0
    for table in tables:
        others = {}
        for field in table.schema:
            stored = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
            if (wanted := read_as(field.name, field.type, known)) != stored:
                others[field.name] = wanted
        found, positions, rejects = converted(table, others, np.arange(n_rows, n_rows + table.num_rows), source)
        yield Batch(found, source, positions, rejects)
        n_rows += table.num_rows


def find_files(inputs: Sequence[str]) -> list[File]:
    """The files that paths, folders, globs and URLs mean, those of each input in the order of their names.

    Raises
    ------
    FileNotFoundError
        Where there is none.
    ValueError
        For suffixes of other formats, and where a file is meant twice: its rows would be scored twice.
    """
    if not inputs:
        raise ValueError("inputs is empty; give the files, folders or URLs to score.")
    files = []
    for given in inputs:
        path = given.removeprefix("file://")
        files += _remote(path) if "://" in path else _local(path)
    seen: set[tuple] = set()
    for file in files:
        is_local = isinstance(file.filesystem, pa.fs.LocalFileSystem)
        place: tuple = (file.filesystem.type_name, file.path)
        if is_local:  # the same by links, too
            status = os.stat(file.path)
            place = (status.st_dev, status.st_ino)
        if place in seen:
            raise ValueError(f"{file.path!r} is given twice; its rows would be scored twice.")
        seen.add(place)
    return files


def _local(given: str) -> list[File]:
    filesystem, path = pa.fs.LocalFileSystem(), Path(given)
    if path.is_dir():
        found = [p for p in _within(path) if p.suffix.lower() in _FORMATS]
        if not found:
            raise FileNotFoundError(f"the folder {given!r} has no {_or(SUFFIXES)} file.")
        return [File(str(p), filesystem, _partition(p.relative_to(path).parts[:-1])) for p in sorted(found)]
    if not path.exists() and glob.has_magic(given):
        matched = sorted(glob.glob(given, recursive=True))
        if not matched:
            raise FileNotFoundError(f"no file matches {given!r}; check the pattern.")
        return [file for name in matched if not _is_hidden([Path(name).name]) for file in _local(name)]
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise FileNotFoundError(f"the table {given!r} {what}; check the path.")
    _check_suffix(given)
    return [File(given, filesystem, {})]


def _within(folder: Path) -> Iterator[Path]:
    """The files of a folder and of those below it, through links as well, but for hidden ones."""
    seen: set[str] = set()
    for name, folders, files in os.walk(folder, followlinks=True):
        here = Path(name)
        # A link to a folder above would lead around for ever.
        folders[:] = [f for f in folders if not _is_hidden([f]) and os.path.realpath(here / f) not in seen]
        seen.update(os.path.realpath(here / f) for f in folders)
        yield from (here / file for file in files if not _is_hidden([file]) and (here / file).is_file())


def _remote(url: str) -> list[File]:
    """The files of a URL, by fsspec and the driver of its store."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise ValueError(
            f"{shown(url)!r} needs fsspec and the driver of its store, for example pip install s3fs."
        ) from error
    try:
        store, path = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise ValueError(f"{shown(url)!r} cannot be opened: {without_password(str(error), url)}") from None
    filesystem = pa.fs.PyFileSystem(pa.fs.FSSpecHandler(store))
    if glob.has_magic(path):
        found, root = sorted(store.glob(path)), None
    elif store.isdir(path):
        found, root = sorted(store.find(path)), path.rstrip("/")
    else:
        _check_suffix(path)
        found, root = [path], None
    files = []
    for name in found:
        parts = PurePosixPath(name).relative_to(root).parts if root else (PurePosixPath(name).name,)
        if PurePosixPath(name).suffix.lower() in _FORMATS and not _is_hidden(parts):
            files.append(File(name, filesystem, _partition(parts[:-1])))
    if not files:
        raise FileNotFoundError(f"{shown(url)!r} has no {_or(SUFFIXES)} file; check the path.")
    return files


def _is_hidden(parts: Sequence[str]) -> bool:
    """Whether a file is none of the table's, as by the conventions of Hive and Spark: _SUCCESS, .crc."""
    return any(part.startswith((".", "_")) and "=" not in part for part in parts)


def _partition(folders: Sequence[str]) -> dict[str, str | None]:
    pairs = (folder.partition("=") for folder in folders if "=" in folder)
    return {unquote(name): None if value == NO_VALUE else unquote(value) for name, _, value in pairs}


def _check_suffix(path: str) -> None:
    suffix = PurePosixPath(path).suffix
    if suffix.lower() not in _FORMATS:
        raise ValueError(f"{path!r} has the suffix {suffix!r}; tables are {_or(SUFFIXES)} files.")


def _or(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
