"""CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from tabkd._formats.format import Format, Writer, is_bytes, is_span

if TYPE_CHECKING:
    import pyarrow as pa


class Csv(Format):
    """Lines of text, with a header."""

    name = "a CSV"
    suffixes = (".csv",)
    instead = "Parquet"

    def written_as(self, kind: pa.DataType) -> pa.DataType:
        """Text for spans of time and for floats: whole floats, such as ids in files with gaps, then have no point."""
        import pyarrow as pa
        import pyarrow.csv

        if is_span(kind) or pa.types.is_floating(kind):
            return pa.string()
        if is_bytes(kind):  # Arrow would write them, whether they are text or not
            raise pa.ArrowInvalid("bytes are not text")
        pa.csv.write_csv(pa.table({"kept": pa.nulls(1, kind)}), pa.BufferOutputStream())
        return kind

    def opened(self, stream: BinaryIO, schema: pa.Schema) -> Writer:
        """The writer of pyarrow."""
        import pyarrow.csv

        return pyarrow.csv.CSVWriter(stream, schema)
