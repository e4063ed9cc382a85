"""Rows of a query, from PostgreSQL through ADBC, which streams them, or a DuckDB file; and the sources of a job."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from tabkd._options import option
from tabkd.batch import _duckdb_file as duckdb_file
from tabkd.batch import _postgres as postgres
from tabkd.batch._addresses import check_form, is_postgres, shown, without_password
from tabkd.batch._delta import uri_of
from tabkd.batch._delta_rows import DeltaRows
from tabkd.batch._found_files import check_once, files_at, place_of
from tabkd.batch._moments import without_moments_beyond
from tabkd.batch._paths import DELTA_LOG, Kind, Local
from tabkd.batch._sources import Batch, File, in_batches, read_as
from tabkd.batch._sql import Reading, one_statement, selected
from tabkd.batch._stopping import apart, cancelling

__all__ = ["Query", "Source", "find_sources", "is_database", "is_postgres", "without_password"]

_DUCKDB = (".duckdb", ".db")


def is_database(given: str) -> bool:
    """Whether an input is a database, from which a query selects rows."""
    return is_postgres(given) or Path(given).suffix.lower() in _DUCKDB


class Query:
    """The rows of a query, with the interface of `tabkd.batch._sources.File`.

    Columns are read as text if Arrow would not store their values unchanged.

    Parameters
    ----------
    database : str
        The address of a PostgreSQL server, or the path of a DuckDB file.
    query : str
        One statement.
    stop : callable, optional
        It is called repeatedly while the database works; if it returns True, the statement is cancelled.

    Attributes
    ----------
    path : str
        The name of the database in errors and rejects, without a password.

    Raises
    ------
    FileNotFoundError
        If the DuckDB file does not exist.
    ValueError
        If the query has no statement or more than one.
    """

    def __init__(self, database: str, query: str, stop: Callable[[], bool] | None = None) -> None:
        if not is_postgres(database) and not Path(database).is_file():
            raise FileNotFoundError(f"the database {shown(database)!r} does not exist; check the path.")
        self._database, self._query, self._stop = database, query, stop or (lambda: False)
        self._statement = one_statement(query)
        self.path = shown(database)

    def types(self, known: Mapping[str, Mapping]) -> dict[str, pa.DataType]:
        """The columns with their types in `batches`; the query is not executed.

        Parameters
        ----------
        known : mapping of str to mapping
            The metadata of the model's columns, by name.
        """
        return {field.name: read_as(field.name, field.type, known) for field in apart(self._schema)}

    def n_rows(self) -> None:
        """None, since the number of rows of a query is not known in advance."""

    def most_rows(self, known: Mapping[str, Mapping]) -> int | None:
        """None: it is not known without running the query."""
        return None

    def state(self) -> dict:
        """What identifies the query, for JSON."""
        return {"path": self.path, "query": self._query}

    def batches(self, columns: Sequence[str], known: Mapping[str, Mapping], rows: int) -> Iterator[Batch]:
        """Read the given columns in batches of at most `rows` rows; a query without rows gives one empty batch.

        Parameters
        ----------
        columns : sequence of str
            The columns to read, in this order.
        known : mapping of str to mapping
            The metadata of the model's columns, by name.
        rows : int
            Largest number of rows of a batch.
        """
        query = selected([self._columns[name] for name in columns], self._statement)
        with self._opened() as reading:
            tables = (_plain(batch) for batch in _never_none(reading.read(query, rows)))
            parts = (table.slice(start, rows) for table in tables for start in range(0, max(table.num_rows, 1), rows))
            for batch in in_batches(parts, known, self.path):
                yield without_moments_beyond(batch)

    def _schema(self) -> pa.Schema:
        none = f"{selected(list(self._columns.values()), self._statement)} LIMIT 0"
        with self._opened() as reading:
            return reading.read(none, 1).read_all().schema

    @cached_property
    def _columns(self) -> dict[str, str]:
        """The SQL expression that is read for each column."""
        with self._opened() as reading:
            return reading.columns_of(self._statement)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Reading]:
        opened = postgres.reading if is_postgres(self._database) else duckdb_file.reading
        with opened(self._database) as reading, cancelling(reading.cancel, self._stop, f"the query of {self.path}"):
            yield reading


def _never_none(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The batches of a reader; an empty one if there are none."""
    none = True
    for batch in reader:
        none = False
        yield batch
    if none:
        yield pa.RecordBatch.from_pylist([], schema=reader.schema)


def _plain(batch: pa.RecordBatch) -> pa.Table:
    """The rows without the driver's metadata of their columns."""
    return pa.Table.from_arrays(batch.columns, batch.schema.names)


Source = File | DeltaRows | Query


def find_sources(
    inputs: Sequence[str],
    query: str | None,
    stop: Callable[[], bool] | None = None,
    delta_version: int | None = None,
) -> list[Source]:
    """The files that the inputs refer to and the Delta tables among them, or the rows of one database.

    Parameters
    ----------
    inputs : sequence of str
        Paths, globs and URLs, or one database.
    query : str or None
        The query whose rows are read, for a database.
    stop : callable, optional
        See `Query`.
    delta_version : int, optional
        The version of the one Delta table; None for the latest one of each.

    Raises
    ------
    FileNotFoundError
        If an input does not exist.
    ValueError
        If a database is given without a query or with other inputs, a query without a database, or a version without
        one Delta table.
    """
    for given in inputs:
        check_form(given)
    databases = [given for given in inputs if is_database(given)]
    if not databases and query is None:
        return _files_and_tables(inputs, delta_version)
    if delta_version is not None:
        raise ValueError(f"{option('delta_version', delta_version)} is for a Delta table, not for a query.")
    if not databases:
        kinds = f"postgresql://user@host/name, or a {' or '.join(_DUCKDB)} file"
        raise ValueError(f"{option('query')} is for a database: {kinds}.")
    address = shown(databases[0])
    if query is None:
        raise ValueError(f"{address!r} is a database; choose the rows to score with {option('query')}.")
    if len(inputs) > 1:
        raise ValueError(f"{address!r} is a database, which must be the only input; got {len(inputs)} inputs.")
    return [Query(inputs[0], query, stop)]


def _files_and_tables(inputs: Sequence[str], delta_version: int | None) -> list[Source]:
    """The files and the Delta tables of all inputs, in the order of the inputs."""
    found: list[Source] = []
    for given in inputs:
        place = place_of(given)
        if place.tree.kind(f"{place.path.rstrip('/')}/{DELTA_LOG}") is Kind.FOLDER:
            address = uri_of(place.path) if isinstance(place.tree, Local) else given
            found.append(DeltaRows(address, place.path, place.filesystem, delta_version))
        else:
            found += files_at(place)
    check_once((source.path, source.filesystem) for source in found if not isinstance(source, Query))
    tables = [source for source in found if isinstance(source, DeltaRows)]
    if delta_version is not None and len(tables) != 1:
        raise ValueError(
            f"{option('delta_version', delta_version)} is the version of one Delta table, and the inputs have "
            f"{len(tables)}; leave it out, or score each table in a job of its own."
        )
    return found
