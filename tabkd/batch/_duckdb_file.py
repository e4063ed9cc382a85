"""A DuckDB file that is read: its errors, and the types whose values arrive as they are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pyarrow as pa

from tabkd.batch._sources import check_names
from tabkd.batch._sql import Reading, quoted, selected

# Of these Arrow's values are DuckDB's. All others come as text: they would be bytes, lose an offset, or not fit.
_EXACT = {
    *("boolean", "tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger", "ubigint"),
    *("float", "double", "decimal", "varchar", "uuid", "blob", "null"),
}
# Those that can be out of Arrow's range, which is looked at in columns, not within lists.
_MOMENTS = {
    *("date", "time", "time_ns", "timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns"),
    "timestamp with time zone",
}
_NESTED = ("list", "struct", "map")


@contextlib.contextmanager
def reading(path: str) -> Iterator[Reading]:
    """Give what reads a file.

    Raises
    ------
    ValueError
        DuckDB is missing, or refuses what it is asked.
    """
    try:
        import duckdb
    except ImportError as error:
        raise ValueError("DuckDB files need DuckDB: pip install duckdb.") from error

    def columns_of(query: str) -> dict[str, str]:
        none = connection.sql(f"{selected(['*'], query)} LIMIT 0")
        # Names may differ by case alone elsewhere. Here they are one, and the second would get another name.
        check_names("--query", [name.lower() for name in connection.sql(query).columns])
        return {
            name: quoted(name) if _is_exact(kind) else f"CAST({quoted(name)} AS VARCHAR) AS {quoted(name)}"
            for name, kind in zip(none.columns, none.types, strict=True)
        }

    def read(query: str, rows: int) -> pa.RecordBatchReader:
        return connection.sql(query).to_arrow_reader(rows)

    try:
        with duckdb.connect(path, read_only=True) as connection:
            yield Reading(columns_of, read, connection.interrupt)
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise ValueError(f"{path!r}: {' '.join(str(error).split())}") from error


def _is_exact(kind, within: bool = False) -> bool:
    if kind.id in _NESTED:
        return all(_is_exact(child, within=True) for _, child in kind.children)
    return kind.id in _EXACT or (kind.id in _MOMENTS and not within)
