"""What a file format is to a job: the protocol that every format in this package follows."""

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
        """Write what is left. The stream stays open; the job closes it."""


class Format(ABC):
    """A file format that rows are written in.

    A new format is a subclass in a file of its own, an instance in `tabkd._formats.FORMATS` and a reader in
    ``tests/batch/readers.py``. Suffixes, errors, the help of the command and the tests follow from these. The methods
    import pyarrow themselves, because the command reads the suffixes for its help.

    Attributes
    ----------
    name : str
        What errors call a file of it, as in "which a CSV cannot hold".
    suffixes : tuple of str
        In lower case, each with its dot.
    instead : str
        What to write a column to that the format cannot hold, as in "write Parquet".
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    instead: ClassVar[str]

    @abstractmethod
    def written_as(self, kind: pa.DataType) -> pa.DataType:
        """The type that values are converted to before they are written; asked before the first row.

        Parameters
        ----------
        kind : pyarrow.DataType
            A plain type: no dictionary, view or extension.

        Returns
        -------
        pyarrow.DataType
            `kind`, or text where the format has no such type and text says the same.

        Raises
        ------
        pyarrow.ArrowException
            The format cannot hold such values.
        """

    @abstractmethod
    def opened(self, stream: BinaryIO, schema: pa.Schema) -> Writer:
        """A writer of one file.

        Parameters
        ----------
        stream : file-like
            Takes bytes; it is only written to, never read or moved in.
        schema : pyarrow.Schema
            Of the rows, by `written_as`.
        """

    def n_rows(self, path: Path) -> int | None:
        """How many rows a finished file says it has; None where its format does not say."""
        return None


def is_span(kind: pa.DataType) -> bool:
    """Whether values are spans of time, which files other than Arrow's hold as ISO 8601 text."""
    import pyarrow as pa

    return pa.types.is_duration(kind) or pa.types.is_interval(kind)


def is_bytes(kind: pa.DataType) -> bool:
    """Whether values are bytes, which need not be text."""
    import pyarrow as pa

    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
