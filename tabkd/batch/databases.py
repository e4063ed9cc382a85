"""Rows of a query: from PostgreSQL through ADBC, which streams them, and from a DuckDB file."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa

from tabkd.batch.sources import Batch, File, check_names, find_files, in_batches, read_as

_POSTGRES = ("postgresql", "postgres")
_PASSWORD_OPTION = re.compile(r"((?:ssl)?password=)[^&\s]*", re.IGNORECASE)
_DUCKDB = (".duckdb", ".db")


def is_postgres(given: str) -> bool:
    """Whether a path is the address of a PostgreSQL server."""
    return given.partition("://")[0] in _POSTGRES and "://" in given


def is_database(given: str) -> bool:
    """Whether rows of it take a query."""
    return is_postgres(given) or Path(given).suffix.lower() in _DUCKDB


def without_password(text: str, uri: str) -> str:
    """A text in which the address of a server may stand, without its password."""
    password = urlsplit(uri).password
    text = text.replace(f":{password}@", ":***@") if password else text
    return _PASSWORD_OPTION.sub(r"\1***", text)


@contextlib.contextmanager
def postgres(uri: str) -> Iterator:
    """Give a connection; errors of the server and of the driver are told in one line, without the password.

    Raises
    ------
    ValueError
        The driver is missing, the server is not there, or it refuses what it is asked.
    """
    try:
        import adbc_driver_manager
        import adbc_driver_postgresql.dbapi as driver
    except ImportError as error:
        raise ValueError("PostgreSQL needs its driver: pip install 'tabkd[postgres]'.") from error
    try:
        with driver.connect(uri) as connection:
            yield connection
    except adbc_driver_manager.Error as error:
        said = " ".join(str(error).split())
        raise ValueError(f"{without_password(uri, uri)}: {without_password(said, uri)}") from error


class Query:
    """What a query gives, as `tabkd.batch.sources.File` has the rows of a file.

    Parameters
    ----------
    database : str
        The address of a PostgreSQL server, or a DuckDB file.
    query : str

    Attributes
    ----------
    path : str
        What it is called in errors and rejects; it has no password.
    """

    def __init__(self, database: str, query: str):
        if not is_postgres(database) and not Path(database).is_file():
            raise FileNotFoundError(f"the database {database!r} does not exist; check the path.")
        self._database, self._query = database, query
        self.path = without_password(database, database)

    def types(self, known: Mapping[str, Mapping]) -> dict[str, pa.DataType]:
        """The columns with the types that `batches` gives them; the query is not carried out."""
        with self._reader(f"SELECT * FROM ({self._query.rstrip().rstrip(';')}\n) AS rows LIMIT 0", 1) as reader:
            schema = _plain(pa.Table.from_batches([], reader.schema)).schema
        check_names("--query", schema.names)
        return {field.name: read_as(field.name, field.type, known) for field in schema}

    def n_rows(self) -> None:
        """A query does not say how many rows it has."""

    def state(self) -> dict:
        """By what it is known again."""
        return {"path": self.path, "query": self._query}

    def batches(self, columns: Sequence[str], known: Mapping[str, Mapping], rows: int) -> Iterator[Batch]:
        """The named columns, about so many rows at a time; at least one batch, be it of no rows."""
        with self._reader(self._query, rows) as reader:
            tables = (_plain(pa.Table.from_batches([batch]).select(list(columns))) for batch in _never_none(reader))
            parts = (table.slice(start, rows) for table in tables for start in range(0, max(table.num_rows, 1), rows))
            yield from in_batches(parts, known, self.path)

    @contextlib.contextmanager
    def _reader(self, query: str, rows: int) -> Iterator[pa.RecordBatchReader]:
        if is_postgres(self._database):
            with postgres(self._database) as connection, connection.cursor() as cursor:
                cursor.execute(query)
                yield cursor.fetch_record_batch()
            return
        try:
            import duckdb
        except ImportError as error:
            raise ValueError("DuckDB files need DuckDB: pip install 'tabkd[duckdb]'.") from error
        try:
            with duckdb.connect(self._database, read_only=True) as connection:
                relation = connection.sql(query)
                if relation is None:
                    raise ValueError(f"--query {query!r} gives no rows; it must be a SELECT.")
                yield relation.to_arrow_reader(rows)
        except duckdb.Error as error:
            raise ValueError(f"{self._database!r}: {' '.join(str(error).split())}") from error


def _never_none(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    none = True
    for batch in reader:
        none = False
        yield batch
    if none:
        yield pa.RecordBatch.from_pylist([], schema=reader.schema)


def _plain(table: pa.Table) -> pa.Table:
    """A table without types of databases: what Arrow has none for comes as text, and so do UUIDs."""
    for i, field in enumerate(table.schema):
        if isinstance(field.type, pa.UuidType):
            text = [None if value is None else str(value) for value in table.column(i).to_pylist()]
            table = table.set_column(i, field.name, pa.array(text, pa.string()))
        elif isinstance(field.type, pa.BaseExtensionType):
            chunks = [chunk.storage for chunk in table.column(i).chunks]
            table = table.set_column(i, field.name, pa.chunked_array(chunks, field.type.storage_type))
    return table.replace_schema_metadata()


Source = File | Query


def find_sources(inputs: Sequence[str], query: str | None) -> list[Source]:
    """The files that the inputs mean, or the rows of one database.

    Raises
    ------
    FileNotFoundError, ValueError
        There are none, or a database without a query, or a query without a database.
    """
    databases = [given for given in inputs if is_database(given)]
    if not databases and query is None:
        return list(find_files(inputs))
    if not databases:
        raise ValueError(f"--query is for a database: postgresql://user@host/name, or a {' or '.join(_DUCKDB)} file.")
    shown = without_password(databases[0], databases[0])
    if query is None:
        raise ValueError(f"{shown!r} is a database; say by --query which rows of it to score.")
    if len(inputs) > 1:
        raise ValueError(f"{shown!r} is a database, which is scored alone; got {len(inputs)} inputs.")
    return [Query(inputs[0], query)]
