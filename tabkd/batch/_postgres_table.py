"""A PostgreSQL table that rows are copied into in one transaction: it then has all of the rows or none."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from tabkd._options import option
from tabkd.batch import _addresses as addresses
from tabkd.batch import _commit_note as commit_note
from tabkd.batch._commit_note import CommitNote
from tabkd.batch._postgres import connected, driver_errors
from tabkd.batch._postgres_columns import columns_of, made, matched
from tabkd.batch._postgres_types import Column, sent
from tabkd.batch._rejects import failures, shown
from tabkd.batch._sql import quoted
from tabkd.batch._stopping import apart, cancelling
from tabkd.batch._workplace import BusyError, empty

# Rows that this transaction has added to a table and its partitions: a trigger can drop rows that COPY was given.
_ADDED = """
SELECT coalesce(sum(n_tup_ins - n_tup_del), 0)::bigint FROM pg_catalog.pg_stat_xact_all_tables
WHERE relid = $1::oid OR relid IN (SELECT relid FROM pg_partition_tree($1::oid))
"""


class PostgresTable(contextlib.AbstractContextManager):
    """Copy rows into a table with COPY.

    No other connection sees the rows until the block has succeeded. The server rolls them back if the block fails, if
    its process is killed, or if the table did not gain exactly the rows that it was given.

    Parameters
    ----------
    uri : str
        The address of the server.
    table : str
        The name of the table, preceded by its schema and a dot if that is not the default schema.
    append : bool
        Whether to add to an existing table; otherwise the table must not exist.
    folder : Path
        The folder of the job. If an earlier process of the job was killed while it committed, the server is asked how
        that transaction ended: rows that are in the table are not written again. The note of another job whose
        transaction was committed is removed.
    job : str
        A digest of the job.
    schema : pyarrow.Schema
        The schema of the rows.
    stop : callable
        Called while the server works; if it returns True, the statement is cancelled.

    Attributes
    ----------
    was_written : bool
        Whether the rows were in the table already.

    Raises
    ------
    ValueError
        If the table exists already, it cannot store the rows unchanged, the server refuses a statement, or it does not
        know how the transaction ended.
    BusyError
        If another job is writing the table.
    StoppedError
        If `stop` returned True.
    """

    def __init__(
        self, uri: str, table: str, append: bool, folder: Path, job: str, schema: pa.Schema, stop: Callable[[], bool]
    ):
        self._uri, self._append, self._folder, self._job = uri, append, folder, job
        self._name, _, self._in = (part[::-1] for part in table[::-1].partition("."))
        self._table, self._schema, self._stop = table, schema, stop
        self.was_written = False
        self._stack = contextlib.ExitStack()
        self._columns: dict[str, Column] = {}
        self._n_sent = 0

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._connection = stack.enter_context(connected(self._uri))
            self._cursor = stack.enter_context(self._connection.cursor())
            # New tables are created here; existing ones may be found in another schema.
            self._in = self._in or self._ask("SELECT current_schema()")
            if self._in is None:
                raise ValueError(f"{option('table', self._table)} is in no schema; give SCHEMA.NAME.")
            # The lock is held until the transaction ends, whether it is committed or not.
            locked = self._ask("SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))", f"tabkd {self._quoted()}")
            if not locked:
                raise BusyError(f"another job is writing the table {self._table!r}; wait until it is finished.")
            self._look_at_note()
            self._look_at_table()
            self._stack = stack.pop_all()
        return self

    def _look_at_note(self) -> None:
        noted = commit_note.read(self._folder)
        if noted is None:
            return
        status = self._ask("SELECT txid_status($1)", noted.transaction)
        if status == "committed" and noted.job != self._job:
            # The note last: a process that is killed here is followed by one that does the same. The rejects of this
            # job are there already, in a temporary file.
            empty(self._folder, commit_note.NAME, drafts=False)
            empty(self._folder, drafts=False)
        elif status is None or (status == "committed" and noted.table != self._identifier()):
            said = "was committed, but the table is gone" if status else "is too old to find out how it ended"
            raise ValueError(
                f"{option('resume', True)}: the transaction of the table {self._table!r} {said}. Look at what is "
                f"there, and remove {str(self._folder)!r} to start again."
            )
        else:
            self.was_written = status == "committed"

    def _look_at_table(self) -> None:
        """Refuse a table that cannot store the rows unchanged, before any row is scored."""
        if self.was_written:
            return
        if str(self._in).startswith("pg_temp"):
            raise ValueError(
                f"{option('table', self._table)} would be a temporary table, gone when this job ends; give another."
            )
        if self._ask("SELECT current_setting('track_counts')") != "on":
            raise ValueError(
                f"{addresses.shown(self._uri)} has track_counts = off, so the rows written cannot be compared with "
                "those scored. Turn it on, for example with ALTER ROLE … SET track_counts = on."
            )
        table = self._identifier()
        if table is None:
            self._columns = made(self._schema)
            return
        if not self._append:
            raise ValueError(
                f"{option('table', self._table)} already exists; give another, or {option('append', True)} to add "
                "to it."
            )
        if self._ask("SELECT relkind::text FROM pg_catalog.pg_class WHERE oid = $1::oid", table) not in ("r", "p"):
            raise ValueError(f"{option('table', self._table)} is a view or another kind of relation; give a table.")
        # From here on no other connection can change its columns.
        lock = f"LOCK TABLE {self._quoted()} IN ROW EXCLUSIVE MODE"
        with self._working("waiting for"):
            apart(lambda: self._cursor.execute(lock))
            columns = columns_of(self._cursor, table)
        self._columns = matched(self._table, columns, self._schema)

    @contextlib.contextmanager
    def _working(self, what: str) -> Iterator[None]:
        """A block in which the server may take a long time."""
        stopped = cancelling(self._connection.adbc_cancel, self._stop, f"{what} the table {self._table!r}")
        with driver_errors(self._uri), stopped:
            yield

    def _identifier(self) -> int | None:
        """The object identifier of the table; None if it does not exist."""
        return self._ask("SELECT to_regclass($1)::oid::bigint", self._quoted())

    def _ask(self, query: str, *values: object) -> Any:
        with driver_errors(self._uri):
            self._cursor.execute(query, values or None)
            return self._cursor.fetchone()[0]

    def write(self, table: pa.Table) -> None:
        """Add rows.

        Raises
        ------
        ValueError
            If a column cannot store a value unchanged, or the server refuses the rows.
        """
        if self.was_written:
            return
        table = table.cast(self._schema)
        given = pa.table({name: self._sent(table.column(name), column) for name, column in self._columns.items()})
        mode = "append" if self._n_sent or self._identifier() is not None else "create"
        with self._working("copying rows into"):
            self._cursor.adbc_ingest(self._name, given, mode=mode, db_schema_name=self._in)
        self._n_sent += given.num_rows

    def _sent(self, values: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
        try:
            return sent(values, column)
        except pa.ArrowException:
            row, error = next(failures(lambda part: sent(part, column), values))
            raise ValueError(
                f"the column {column.name!r} of the table {self._table!r} is {column.shown}, which does not hold "
                f"{shown(values[row].as_py())!r} of type {values.type} as it is: {error}"
            ) from error

    def _quoted(self) -> str:
        return ".".join(quoted(part) for part in (str(self._in), self._name))

    def _check(self, table: int) -> None:
        """Refuse to commit if the table did not gain exactly the rows that were sent."""
        n_added = self._ask(_ADDED, table)
        if n_added != self._n_sent:
            raise ValueError(
                f"{self._n_sent:,} rows were copied into the table {self._table!r}, but it has {n_added:,} more: a "
                "trigger leaves rows out, or adds some. Nothing was written; give a table without it."
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        if kind is not None:
            return self._stack.__exit__(kind, error, traceback)
        with self._stack:
            if not self.was_written:
                table = self._identifier()
                assert table is not None, "a job writes at least one batch, even if it has no rows"
                self._check(table)
                CommitNote(self._ask("SELECT txid_current()"), table, self._job).write(self._folder)
                with driver_errors(self._uri):
                    self._connection.commit()
        return None
