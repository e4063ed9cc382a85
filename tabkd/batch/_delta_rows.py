"""The rows of a Delta table at one version, in the order of the names of its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs

from tabkd._options import option
from tabkd.batch._delta import delta_errors, opened
from tabkd.batch._sources import (
    ROWS_AT_A_LOOK,
    Batch,
    File,
    check_missing,
    check_names,
    in_batches,
    is_wrongly_typed,
    read_as,
)
from tabkd.scoring._arrow_columns import decoded, is_text, plain_type

# Features of a table that do not change which rows and values its files hold, or that are read here. The mapping of
# columns is a feature of many tables that do not use it.
_READ = {
    *("timestampNtz", "deletionVectors", "v2Checkpoint", "vacuumProtocolCheck", "columnMapping"),
    *("typeWidening", "typeWidening-preview"),
}


class DeltaRows:
    """The rows of a Delta table at one version, with the interface of `tabkd.batch._sources.File`.

    Its files are read one after the other, because a job can be resumed only if its rows come in the same order again.

    Parameters
    ----------
    address : str
        The folder or URL of the table, as delta-rs opens it.
    path : str
        Its path on the file system.
    filesystem : pyarrow.fs.FileSystem
        Where it is.
    version : int, optional
        The version; None for the latest one.

    Attributes
    ----------
    path : str
        Its path, without a password.
    filesystem : pyarrow.fs.FileSystem
        Where it is.
    version : int
        The version whose rows are read, even if others are committed meanwhile.

    Raises
    ------
    ValueError
        If deltalake is missing, the table or its version cannot be read, or has a feature that is not read here.
    """

    def __init__(self, address: str, path: str, filesystem: pa.fs.FileSystem, version: int | None = None) -> None:
        self.path, self.filesystem = path.rstrip("/") or path, filesystem
        self._table = opened(address, self.path, version)
        self.version: int = self._table.version()
        self._check_features()
        self._schema = pa.schema(self._table.schema())
        check_names(f"the table {self.path!r}", self._schema.names)

    def _check_features(self) -> None:
        protocol, settings = self._table.protocol(), self._table.metadata().configuration
        unread = sorted(set(protocol.reader_features or ()) - _READ)
        if settings.get("delta.columnMapping.mode", "none") != "none":
            unread = ["columnMapping"]
        if "deletionVectors" in (protocol.reader_features or ()) and not hasattr(self._table, "deletion_vectors"):
            raise ValueError(f"{self.path!r} may have deletion vectors, which need deltalake 1.4.2 or later.")
        if unread:
            raise ValueError(
                f"{self.path!r} is a Delta table with {' and '.join(unread)}, which tabkd does not read. Write its "
                "rows to Parquet files or to another Delta table, and score these."
            )

    def types(self, known: Mapping[str, Mapping]) -> dict[str, pa.DataType]:
        """The columns with their types in `batches`, except that these may be dictionaries.

        Parameters
        ----------
        known : mapping of str to mapping
            The metadata of the model's columns, by name.

        Raises
        ------
        ValueError
            If a file of the table is missing or not the one that was committed, or the model expects text in a column
            of another type.
        """
        self._check_files()
        for field in self._schema:
            if is_wrongly_typed(field.name, field.type, known):
                check_missing(field.name, self.path, self._present([field.name]))
        return {field.name: read_as(field.name, field.type, known) for field in self._schema}

    def _present(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        for file in self._files:
            for batch in in_batches(file.tables(columns, {}, ROWS_AT_A_LOOK), {}, self.path, present=file.present):
                yield batch.table

    def _check_files(self) -> None:
        found = self.filesystem.get_file_info([file.file.path for file in self._files])
        for file, info in zip(self._files, found, strict=True):
            if info.type != pa.fs.FileType.File or info.size != file.size:
                what = "is missing" if info.type != pa.fs.FileType.File else "has another size than in the log"
                raise ValueError(
                    f"{file.file.path!r}, a file of version {self.version} of {self.path!r}, {what}. VACUUM removes "
                    f"files of old versions; give a later {option('delta_version')}, or restore the file."
                )

    def state(self) -> dict:
        """What identifies the rows, for JSON: a version of a table never changes."""
        return {"path": self.path, "table": self._table.metadata().id, "delta_version": self.version}

    def n_rows(self) -> int:
        """The number of rows: those of the files without those that are removed."""
        return sum(file.n_present for file in self._files)

    def most_rows(self, known: Mapping[str, Mapping]) -> int:
        """The number of rows."""
        return self.n_rows()

    def batches(self, columns: Sequence[str], known: Mapping[str, Mapping], rows: int) -> Iterator[Batch]:
        """Read the given columns in batches; a table without rows gives one batch without rows.

        The source of a batch is a file of the table, and the positions are those in the file.

        Parameters
        ----------
        columns : sequence of str
            The columns to read, in this order.
        known : mapping of str to mapping
            The metadata of the model's columns, by name.
        rows : int
            Approximate number of rows of a batch.
        """
        if not self._files:
            yield from in_batches([self._schema.empty_table().select(columns)], known, self.path)
        for file in self._files:
            yield from in_batches(file.tables(columns, known, rows), known, file.file.path, present=file.present)

    @cached_property
    def _files(self) -> list[_DataFile]:
        with delta_errors(f"cannot read the files of the Delta table {self.path!r}"):
            listed = pa.table(self._table.get_add_actions(flatten=False))
        kinds = {name: self._schema.field(name).type for name in self._table.metadata().partition_columns}
        values = {name: pc.struct_field(listed.column("partition"), name).cast(kind) for name, kind in kinds.items()}
        present = self._vectors()
        files = []
        facts = (listed.column(name).to_pylist() for name in ("path", "size_bytes", "num_records"))
        for i, (name, size, n_rows) in enumerate(zip(*facts, strict=True)):
            relative = unquote(name)
            if "://" in relative or relative.startswith("/") or ".." in PurePosixPath(relative).parts:
                raise ValueError(
                    f"{self.path!r} has rows in {relative!r}, which is not in its folder. If it is a shallow clone, "
                    "give the table that it was made of."
                )
            path = f"{self.path.rstrip('/')}/{relative}"
            partition = {name: column[i] for name, column in values.items()}
            file = File(path, self.filesystem, {})
            files.append(_DataFile(file, self._schema, partition, size, n_rows, present.pop(relative, None)))
        if present:
            raise ValueError(f"{self.path!r} has removed rows of files that are not its own: {', '.join(present)}.")
        return sorted(files, key=lambda file: PurePosixPath(file.file.path).parts)

    def _vectors(self) -> dict[str, np.ndarray]:
        """Which rows are present, by the path in the table of each file of which some were removed."""
        if "deletionVectors" not in (self._table.protocol().reader_features or ()):
            return {}
        with delta_errors(f"cannot read the deletion vectors of the Delta table {self.path!r}"):
            listed = pa.table(self._table.deletion_vectors())
        root = f"{self._table.table_uri.rstrip('/')}/"
        root = root if "://" in root else f"file://{root}"
        names = [unquote(name.as_py()).removeprefix(unquote(root)) for name in listed.column("filepath")]
        # By row and not by column, whose values together may take much more memory.
        vectors = [vector.values.to_numpy(zero_copy_only=False) for vector in listed.column("selection_vector")]
        return dict(zip(names, vectors, strict=True))


@dataclass(frozen=True)
class _DataFile:
    """A Parquet file of a table.

    Attributes
    ----------
    file : File
        The file.
    schema : pyarrow.Schema
        The columns of the table; the file may lack some, which were added later, and those of partitions.
    partition : dict of str to pyarrow.Scalar
        The columns with one value for all rows.
    size : int
        Its bytes, by the log.
    logged : int or None
        Its rows, by the log.
    vector : ndarray of bool or None
        Whether each of the first rows is present, if some rows were removed.
    """

    file: File
    schema: pa.Schema
    partition: Mapping[str, pa.Scalar]
    size: int
    logged: int | None
    vector: np.ndarray | None

    @cached_property
    def present(self) -> np.ndarray | None:
        """Whether each row is present, bool of shape (n,); None if all are."""
        if self.vector is None:
            return None
        return np.append(self.vector, np.ones(self._n_stored - len(self.vector), bool))

    @property
    def n_present(self) -> int:
        """The number of rows that are present."""
        return self._n_stored if self.present is None else int(np.count_nonzero(self.present))

    @property
    def _n_stored(self) -> int:
        return self.file.footer.num_rows if self.logged is None else self.logged

    def tables(self, columns: Sequence[str], known: Mapping[str, Mapping], rows: int) -> Iterator[pa.Table]:
        """Columns of the table, of all rows of the file, removed ones included.

        Raises
        ------
        ValueError
            If the file has another number of rows than the log says, or other types than the table.
        """
        if self.file.footer.num_rows != self._n_stored:
            raise ValueError(
                f"{self.file.path!r} has {self.file.footer.num_rows:,} rows, but {self._n_stored:,} by the log of its "
                "table; the file was changed. Restore it."
            )
        stored = self.file.footer.schema.to_arrow_schema().names
        wanted = [name for name in columns if name in stored and name not in self.partition]
        # One column at least, which tells the number of rows. What Spark writes as INT96 has microseconds.
        read = self.file.parquet(wanted or stored[:1], known, rows, coerce_int96_timestamp_unit="us")
        for table in read:
            yield pa.table({name: self._column(name, table, name in wanted) for name in columns})

    def _column(self, name: str, table: pa.Table, is_stored: bool) -> pa.ChunkedArray | pa.Array:
        kind = self.schema.field(name).type
        if name in self.partition:
            return pa.repeat(self.partition[name], table.num_rows)
        if not is_stored:
            return pa.nulls(table.num_rows, kind)
        values = table.column(name)
        found = plain_type(values.type)
        if found == kind or (is_text(found) and is_text(plain_type(kind))):
            return values
        try:
            return decoded(values).cast(kind)
        except pa.ArrowException as error:
            raise ValueError(
                f"column {name!r} of {self.file.path!r} is {found}, but {kind} in the table: {error}"
            ) from error
