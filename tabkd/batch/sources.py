"""The rows to score: Parquet, CSV and Arrow files, folders and globs of them, here or on a store that fsspec knows.

Files come in the order of their names, and rows in the order of their file, always the same.
"""

from __future__ import annotations

import contextlib
import glob
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.fs
import pyarrow.ipc
import pyarrow.parquet

_FORMATS = {".parquet": "Parquet", ".csv": "CSV", ".arrow": "Arrow", ".feather": "Arrow"}
#: The suffixes of the files that are read.
SUFFIXES = tuple(_FORMATS)
# What Hive writes for a partition of missing values.
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


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

    def names(self) -> list[str]:
        """The names of the columns, without reading the rows.

        Raises
        ------
        ValueError
            A name occurs twice.
        """
        with self._opened() as file:
            if self.kind == "Parquet":
                names = pa.parquet.read_schema(file).names
            elif self.kind == "CSV":
                names = pa.csv.open_csv(file).schema.names
            else:
                names = pa.ipc.open_file(file).schema.names
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(
                f"the table {self.path!r} has more than one column named {', '.join(map(repr, repeated[:5]))}; give "
                "every column a name of its own."
            )
        return [*names, *(name for name in self.partition if name not in names)]

    def n_rows(self) -> int | None:
        """How many rows the file says that it has; None where it does not say."""
        if self.kind != "Parquet":
            return None
        with self._opened() as file:
            return pa.parquet.read_metadata(file).num_rows

    def batches(self, columns: Sequence[str], known: Mapping[str, Mapping], rows: int) -> Iterator[pa.Table]:
        """The named columns, about so many rows at a time.

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
        read = {"Parquet": self._parquet, "CSV": self._csv, "Arrow": self._arrow}[self.kind]
        for table in read(stored, known, rows):
            yield self._with_partition(table, known).select(list(columns))

    def _parquet(self, columns, known, rows) -> Iterator[pa.Table]:
        # Text as dictionaries, as most files store it: each value is then looked up once.
        text = [name for name in columns if known.get(name, {}).get("type") == "STRING"]
        with self._opened() as file:
            source = pa.parquet.ParquetFile(file, read_dictionary=text)
            for batch in source.iter_batches(rows, columns=columns):
                yield pa.Table.from_batches([batch])

    def _csv(self, columns, known, rows) -> Iterator[pa.Table]:
        with self._opened() as head:
            inferred = pa.csv.open_csv(head).schema
        types = {name: _csv_type(known[name], inferred.field(name).type) for name in columns if name in known}
        # A value of a CSV has some 10 bytes: blocks of about the rows asked for, 1 MB at least.
        blocks = pa.csv.ReadOptions(block_size=max(1 << 20, 10 * rows * len(columns)))
        options = pa.csv.ConvertOptions(
            include_columns=columns, column_types={name: types.get(name, pa.string()) for name in columns}
        )
        with self._opened() as file:
            for batch in pa.csv.open_csv(file, read_options=blocks, convert_options=options):
                yield gaps_in_text(pa.Table.from_batches([batch]))

    def _arrow(self, columns, known, rows) -> Iterator[pa.Table]:
        with self._opened() as file:
            source = pa.ipc.open_file(file)
            for i in range(source.num_record_batches):
                table = pa.Table.from_batches([source.get_batch(i)]).select(columns)
                for start in range(0, table.num_rows, rows):
                    yield table.slice(start, rows)

    def _with_partition(self, table: pa.Table, known) -> pa.Table:
        for name, value in self.partition.items():
            scalar = pa.scalar(value, pa.string())
            if known.get(name, {}).get("type") in ("FLOAT", "DOUBLE"):
                scalar = scalar.cast(pa.float64())
            table = table.append_column(name, pa.repeat(scalar, table.num_rows))
        return table

    @contextlib.contextmanager
    def _opened(self):
        try:
            with self.filesystem.open_input_file(self.path) as file:
                yield file
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())[:300]
            raise ValueError(f"cannot read {self.path!r} as {self.kind}: {reason}") from error


class Batch(NamedTuple):
    """Rows that are read together.

    Attributes
    ----------
    table : pyarrow.Table
    source : str
        The file.
    first_row : int
        The position of the first row in its file.
    """

    table: pa.Table
    source: str
    first_row: int


def find_files(inputs: Sequence[str]) -> list[File]:
    """The files that paths, folders, globs and URLs mean, those of each input in the order of their names.

    Raises
    ------
    FileNotFoundError
        Where there is none.
    ValueError
        For suffixes of other formats, and where a file is meant twice: its rows would be scored twice.
    """
    files = [file for given in inputs for file in (_remote(given) if "://" in given else _local(given))]
    seen: set[str] = set()
    for file in files:
        if file.path in seen:
            raise ValueError(f"{file.path!r} is given twice; its rows would be scored twice.")
        seen.add(file.path)
    return files


def _local(given: str) -> list[File]:
    filesystem, path = pa.fs.LocalFileSystem(), Path(given)
    if path.is_dir():
        found = [p for p in path.rglob("*") if p.is_file() and not _is_hidden(p.relative_to(path).parts)]
        found = [p for p in found if p.suffix.lower() in _FORMATS]
        if not found:
            raise FileNotFoundError(f"the folder {given!r} has no {_or(SUFFIXES)} file.")
        return [File(str(p), filesystem, _partition(p.relative_to(path).parts[:-1])) for p in sorted(found)]
    if not path.exists() and glob.has_magic(given):
        matched = sorted(glob.glob(given, recursive=True))
        if not matched:
            raise FileNotFoundError(f"no file matches {given!r}; check the pattern.")
        return [file for name in matched for file in _local(name)]
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise FileNotFoundError(f"the table {given!r} {what}; check the path.")
    _check_suffix(given)
    return [File(given, filesystem, {})]


def _remote(url: str) -> list[File]:
    """The files of a URL, by fsspec and the driver of its store."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise ValueError(f"{url!r} needs fsspec and the driver of its store, for example pip install s3fs.") from error
    try:
        store, path = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise ValueError(f"{url!r} cannot be opened: {error}") from error
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
        raise FileNotFoundError(f"{url!r} has no {_or(SUFFIXES)} file; check the path.")
    return files


def _is_hidden(parts: Sequence[str]) -> bool:
    """Whether a file is none of the table's, as by the conventions of Hive and Spark: _SUCCESS, .crc."""
    return any(part.startswith((".", "_")) for part in parts)


def _partition(folders: Sequence[str]) -> dict[str, str | None]:
    pairs = (folder.partition("=") for folder in folders if "=" in folder)
    return {name: None if value == _NO_VALUE else unquote(value) for name, _, value in pairs}


def _check_suffix(path: str) -> None:
    suffix = PurePosixPath(path).suffix
    if suffix.lower() not in _FORMATS:
        raise ValueError(f"{path!r} has the suffix {suffix!r}; tables are {_or(SUFFIXES)} files.")


def _or(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _csv_type(column: Mapping, inferred: pa.DataType) -> pa.DataType:
    """How a column that a model knows is read from a CSV: text as text, the rest as numbers."""
    if column["type"] == "STRING":
        return pa.string()
    return inferred if pa.types.is_boolean(inferred) else pa.float64()


def gaps_in_text(table: pa.Table) -> pa.Table:
    """A table from a CSV with its empty text as missing values."""
    for i, column in enumerate(table.schema):
        if pa.types.is_string(column.type):
            values = table.column(i)
            filled = pa.compute.if_else(pa.compute.equal(values, ""), pa.scalar(None, pa.string()), values)
            table = table.set_column(i, column, filled)
    return table
