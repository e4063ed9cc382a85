"""The interface of a file format, which every format in this package implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


class Writer(Protocol):
    """Takes the rows of one file."""

    def write_table(self, table: pa.Table) -> None:
        """Add rows, whose schema is the one that the writer was opened with."""

    def close(self) -> None:
        """Write the remaining rows. The stream stays open; the job closes it."""


class Format(ABC):
    """A file format that rows are written in.

    A new format needs a subclass in a separate file, an instance in `tabkd._formats.FORMATS` and a reader in
    ``tests/batch/readers.py``. Suffixes, errors, the help of the command and the tests follow from these. The methods
    import pyarrow themselves, because the command reads the suffixes for its help without pyarrow.

    Attributes
    ----------
    name : str
        The name of such a file in errors, as in "which a CSV cannot hold".
    suffixes : tuple of str
        Its suffixes in lower case, each with its dot.
    instead : str
        The remedy for a column that the format cannot hold, as in "write Parquet".
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    instead: ClassVar[str]

    @abstractmethod
    def written_as(self, kind: pa.DataType) -> pa.DataType:
        """The type that values are converted to before they are written; called before the first row.

        Parameters
        ----------
        kind : pyarrow.DataType
            A plain type, not a dictionary, view or extension type.

        Returns
        -------
        pyarrow.DataType
            `kind`, or text if the format has no such type and text loses nothing.

        Raises
        ------
        pyarrow.ArrowException
            If the format cannot store such values.
        """

    @abstractmethod
    def opened(self, stream: BinaryIO, schema: pa.Schema) -> Writer:
        """A writer of one file.

        Parameters
        ----------
        stream : file-like
            Takes bytes; it is only written to, without reading or seeking.
        schema : pyarrow.Schema
            The schema of the rows, with types from `written_as`.
        """

    def n_rows(self, path: Path) -> int | None:
        """The number of rows according to a finished file's metadata; None if the format has no such metadata."""
        return None


def is_span(kind: pa.DataType) -> bool:
    """Whether values are spans of time, which formats other than Arrow's store as ISO 8601 text."""
    import pyarrow as pa

    return pa.types.is_duration(kind) or pa.types.is_interval(kind)


def is_bytes(kind: pa.DataType) -> bool:
    """Whether values are bytes, which need not be text."""
    import pyarrow as pa

    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
