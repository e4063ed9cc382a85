"""PostgreSQL through ADBC: a connection, its errors, and the types whose values arrive unchanged."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from tabkd._options import option
from tabkd.batch import _addresses as addresses
from tabkd.batch._sources import check_names
from tabkd.batch._sql import Reading, quoted, selected

# The driver gives values of these types unchanged. All others are read as text: it would give `money` as a number of
# cents, flatten arrays, pad `char(n)`, and give the raw bytes of types that it does not know.
_EXACT = {
    *("bool", "int2", "int4", "int8", "float4", "float8", "text", "varchar", "bytea"),
    *("date", "time", "timestamp", "timestamptz"),
}
# "$12.50" is not a number, and depends on the locale of the server.
_AS_TEXT = {"money": "::numeric::text"}
# The type of each column of a query, for a domain its base type; NULL for types of extensions.
_TYPES = """
WITH RECURSIVE given(types) AS (
  SELECT ARRAY[{types}] FROM (VALUES (1)) AS one LEFT JOIN ({query}) AS rows ON true
), base(i, oid) AS (
  SELECT i, type FROM given, unnest(types) WITH ORDINALITY AS each(type, i)
  UNION ALL SELECT i, typbasetype FROM base JOIN pg_catalog.pg_type USING (oid) WHERE typtype = 'd'
)
SELECT CASE typnamespace WHEN 'pg_catalog'::regnamespace THEN typname END
FROM base JOIN pg_catalog.pg_type USING (oid) WHERE typtype <> 'd' ORDER BY i
"""


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """Open a connection, and close it after the block.

    Raises
    ------
    ValueError
        If the driver is missing, the address is ambiguous, or the server cannot be reached.
    """
    addresses.check(address)
    try:
        import adbc_driver_postgresql.dbapi as driver
    except ImportError as error:
        raise ValueError("PostgreSQL needs its driver: pip install adbc-driver-postgresql.") from error
    with driver_errors(address):
        connection = driver.connect(address)
    with connection:
        yield connection


@contextlib.contextmanager
def driver_errors(address: str) -> Iterator[None]:
    """Report errors of the server and of the driver in one line, with the address but without its password.

    Raises
    ------
    ValueError
        If the block raises such an error.
    """
    import adbc_driver_manager

    try:
        yield
    except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
        reason = " ".join(addresses.without_password(str(error), address).split())
        # A chained traceback would show the driver's own message.
        raise ValueError(f"{addresses.shown(address)}: {reason}") from None


@contextlib.contextmanager
def reading(address: str) -> Iterator[Reading]:
    """The functions that read a database.

    Raises
    ------
    ValueError
        Under the same conditions as in `connected`, and if the server refuses a query.
    """

    def read(query: str, rows: int) -> pa.RecordBatchReader:
        cursor.execute(query)
        return cursor.fetch_record_batch()

    with driver_errors(address), connected(address) as connection, connection.cursor() as cursor:
        yield Reading(functools.partial(_columns_of, cursor), read, connection.adbc_cancel)


def _columns_of(cursor: Any, query: str) -> dict[str, str]:
    """For each column of a query the SQL expression whose values the driver gives unchanged."""
    none = f"{selected(['*'], query)} LIMIT 0"
    names = cursor.adbc_execute_schema(none).names
    check_names(option("query"), names)
    types = ", ".join(f"pg_typeof(rows.{quoted(name)})::oid" for name in names)
    cursor.execute(_TYPES.format(types=types, query=none))
    kinds = [row[0] for row in cursor.fetchall()]
    return {
        name: quoted(name) if kind in _EXACT else f"{quoted(name)}{_AS_TEXT.get(kind, '::text')} AS {quoted(name)}"
        for name, kind in zip(names, kinds, strict=True)
    }
