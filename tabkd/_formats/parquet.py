"""Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tabkd._formats.format import Format, Writer, is_span

if TYPE_CHECKING:
    import pyarrow as pa


class Parquet(Format):
    """Columns of almost every type, compressed."""

    name = "Parquet"
    suffixes = (".parquet",)
    instead = "an .arrow file, or convert it"

    def written_as(self, kind: pa.DataType) -> pa.DataType:
        """The same type, or text for spans of time."""
        import pyarrow as pa
        import pyarrow.parquet

        if is_span(kind):
            return pa.string()
        pa.parquet.write_table(pa.table({"kept": pa.nulls(1, kind)}), pa.BufferOutputStream())
        return kind

    def opened(self, stream: BinaryIO, schema: pa.Schema) -> Writer:
        """The writer of pyarrow; a batch is a row group."""
        import pyarrow.parquet

        return pyarrow.parquet.ParquetWriter(stream, schema)

    def n_rows(self, path: Path) -> int:
        """The number in the footer."""
        import pyarrow.parquet

        return pyarrow.parquet.read_metadata(path).num_rows
