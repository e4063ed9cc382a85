"""Arrow's own file format, also known as Feather."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tabkd._formats.format import Format, Writer

if TYPE_CHECKING:
    import pyarrow as pa


class Arrow(Format):
    """Columns of every type, as they are in memory."""

    name = "an Arrow file"
    suffixes = (".arrow", ".feather")
    instead = "another column"  # never said: every type is held

    def written_as(self, kind: pa.DataType) -> pa.DataType:
        """The same type."""
        return kind

    def opened(self, stream: BinaryIO, schema: pa.Schema) -> Writer:
        """The writer of pyarrow."""
        import pyarrow.ipc

        return pyarrow.ipc.new_file(stream, schema)

    def n_rows(self, path: Path) -> int:
        """The sum over the batches."""
        import pyarrow as pa
        import pyarrow.ipc

        with pa.memory_map(str(path)) as file:
            source = pa.ipc.open_file(file)
            return sum(source.get_batch(i).num_rows for i in range(source.num_record_batches))
