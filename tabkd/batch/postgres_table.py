"""A table of PostgreSQL that rows are copied into in one transaction: all of them are in it, or none."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pyarrow as pa

from tabkd.batch import commit_note
from tabkd.batch.commit_note import CommitNote
from tabkd.batch.postgres import connected
from tabkd.batch.workplace import BusyError, empty


class PostgresTable(contextlib.AbstractContextManager):
    """Rows on their way to a table, through COPY.

    Until the block has succeeded no other connection sees them; where it fails or its process is killed, the server
    takes them back.

    Parameters
    ----------
    uri : str
        The address of the server.
    table : str
        Its name, with its schema and a dot before it where that is not the default one.
    append : bool
        Add to a table that is there; else there must be none.
    folder : Path
        Of the job. Where an earlier process of it was killed while it committed, the server is asked what became of
        that transaction: if the rows are in the table, they are not written again. What another job left there that
        was committed is removed.
    job : str
        A digest of the job.

    Attributes
    ----------
    was_written : bool
        Whether the rows were in the table already.

    Raises
    ------
    ValueError
        The table is there already, the server refuses, or it cannot tell what became of the transaction.
    BusyError
        Another job is writing the table.
    """

    def __init__(self, uri: str, table: str, append: bool, folder: Path, job: str):
        self._uri, self._append, self._folder, self._job = uri, append, folder, job
        self._name, _, self._in = (part[::-1] for part in table[::-1].partition("."))
        self._table = table
        self.was_written = False
        self._stack = contextlib.ExitStack()
        self._schema: pa.Schema | None = None

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self._connection = stack.enter_context(connected(self._uri))
            self._cursor = stack.enter_context(self._connection.cursor())
            # Where rows are copied to, which need not be where a table is looked for.
            self._in = self._in or self._ask("SELECT current_schema()")
            # Held until the transaction ends, however it does.
            locked = self._ask("SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))", f"tabkd {self._quoted()}")
            if not locked:
                raise BusyError(f"another job is writing the table {self._table!r}; wait until it is finished.")
            self._look_at_note()
            if not (self.was_written or self._append or self._identifier() is None):
                raise ValueError(f"--table {self._table!r} is there already; give another, or --append to add to it.")
            self._stack = stack.pop_all()
        return self

    def _look_at_note(self) -> None:
        noted = commit_note.read(self._folder)
        if noted is None:
            return
        status = self._ask("SELECT txid_status($1)", noted.transaction)
        if status == "committed" and noted.job != self._job:
            # The note last: a process that is killed here is followed by one that does the same.
            empty(self._folder, commit_note.NAME)
            empty(self._folder)
        elif status is None or (status == "committed" and noted.table != self._identifier()):
            said = "was committed, but the table is gone" if status else "is too long ago to tell how it ended"
            raise ValueError(
                f"--resume: the transaction of the table {self._table!r} {said}. Look at what is there, and remove "
                f"{str(self._folder)!r} to begin anew."
            )
        else:
            self.was_written = status == "committed"

    def _identifier(self) -> int | None:
        """The object identifier of the table, None where there is none."""
        return self._ask("SELECT to_regclass($1)::oid::bigint", self._quoted())

    def _ask(self, query: str, *values):
        self._cursor.execute(query, values or None)
        return self._cursor.fetchone()[0]

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        if self.was_written:
            return
        first, self._schema = self._schema is None, self._schema or table.schema
        mode = "create_append" if self._append else "create" if first else "append"
        self._cursor.adbc_ingest(self._name, table.cast(self._schema), mode=mode, db_schema_name=self._in)

    def _quoted(self) -> str:
        return ".".join('"' + part.replace('"', '""') + '"' for part in (self._in, self._name))

    def __exit__(self, kind, error, traceback):
        if kind is not None:
            return self._stack.__exit__(kind, error, traceback)
        with self._stack:
            if not self.was_written:
                table = self._identifier()
                assert table is not None, "a job writes one batch at least, be it of no rows"
                CommitNote(self._ask("SELECT txid_current()"), table, self._job).write(self._folder)
                self._connection.commit()
        return None
