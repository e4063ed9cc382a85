"""Rows in memory as a source that is read in batches, like a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tabkd._tables.containers import is_pandas, is_polars
from tabkd.batch._sources import Batch, check_names, in_batches, read_as
from tabkd.scoring._arrow_columns import is_arrow


class RowsInMemory:
    """A table in memory.

    Parameters
    ----------
    table : pyarrow.Table
        The rows.
    """

    path = "rows"

    def __init__(self, table: pa.Table):
        check_names("the table", table.schema.names)
        self._table = table

    def types(self, known: Mapping[str, Mapping]) -> dict[str, pa.DataType]:
        """The columns with their types in `batches`."""
        return {field.name: read_as(field.name, field.type, known) for field in self._table.schema}

    def n_rows(self) -> int:
        """The number of rows."""
        return self._table.num_rows

    def most_rows(self, known: Mapping[str, Mapping]) -> int:
        """The number of rows."""
        return self._table.num_rows

    def batches(self, columns: Sequence[str], known: Mapping[str, Mapping], rows: int) -> Iterator[Batch]:
        """The given columns in batches; a table without rows gives one without rows."""
        table = self._table.select(list(columns))
        parts = (table.slice(start, rows) for start in range(0, max(table.num_rows, 1), rows))
        return in_batches(parts, known, self.path)


def in_memory(rows: Any, names: Sequence[str]) -> RowsInMemory | None:
    """A frame, an Arrow table or an array as a source; None for anything else.

    Parameters
    ----------
    rows : object
        What the user gives.
    names : sequence of str
        The names of an array's columns.

    Raises
    ------
    ValueError
        If an array has another number of columns.
    """
    if isinstance(rows, np.ndarray):
        if rows.ndim != 2 or rows.shape[1] != len(names):
            raise ValueError(
                f"rows is an array of shape {rows.shape}; new has {len(names)} columns. Give an array with one column "
                "for each of them."
            )
        return RowsInMemory(pa.Table.from_arrays([pa.array(column) for column in rows.T], names=list(names)))
    if is_pandas(rows):
        return RowsInMemory(pa.Table.from_pandas(rows, preserve_index=False))
    if is_polars(rows):
        return RowsInMemory(rows.to_arrow())
    if is_arrow(rows):
        return RowsInMemory(rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows]))
    return None
