"""A table of PostgreSQL that rows are copied into in one transaction: all of them are in it, or none."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pyarrow as pa

from tabkd.batch.databases import postgres
from tabkd.batch.workplace import BusyError
from tabkd.files import atomic_write_bytes

# The number of the transaction that is about to be committed.
_NOTE = "transaction"
# What is locked for a schema, empty for the default one, and a name.
_LOCKED = "concat('tabkd ', coalesce(nullif($1, ''), current_schema()), '.', $2)"


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
        that transaction: if the rows are in the table, they are not written again.

    Raises
    ------
    ValueError
        The table is there already, or the server refuses.
    BusyError
        Another job is writing the table.
    """

    def __init__(self, uri: str, table: str, append: bool, folder: Path):
        self._uri, self._append, self._note = uri, append, folder / _NOTE
        self._name, _, schema = (part[::-1] for part in table[::-1].partition("."))
        self._in = {"db_schema_name": schema} if schema else {}
        self._table = table
        self._stack = contextlib.ExitStack()
        self._schema: pa.Schema | None = None

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self._connection = stack.enter_context(postgres(self._uri))
            self._cursor = stack.enter_context(self._connection.cursor())
            # Held until the transaction ends, however it does.
            place = (self._in.get("db_schema_name", ""), self._name)
            self._cursor.execute(f"SELECT pg_try_advisory_xact_lock(hashtextextended({_LOCKED}, 0))", place)
            if not self._cursor.fetchone()[0]:
                raise BusyError(f"another job is writing the table {self._table!r}; wait until it is finished.")
            is_there = self._ask("SELECT to_regclass($1) IS NOT NULL", self._quoted())
            self._committed = self._note.exists() and self._was_committed(is_there)
            if is_there and not self._append and not self._committed:
                raise ValueError(f"--table {self._table!r} is there already; give another, or --append to add to it.")
            self._stack = stack.pop_all()
        return self

    def _was_committed(self, is_there: bool) -> bool:
        """Whether the rows are in the table already."""
        status = self._ask("SELECT txid_status($1)", int(self._note.read_text(encoding="ascii")))
        if status is None or (status == "committed" and not is_there):
            said = "is too long ago to tell how it ended" if is_there else "was committed, and is gone since"
            raise ValueError(
                f"--resume: the transaction of the table {self._table!r} {said}. Look at what is there, and remove "
                f"{str(self._note.parent)!r} to begin anew."
            )
        return status == "committed"

    def _ask(self, query: str, value):
        self._cursor.execute(query, (value,))
        return self._cursor.fetchone()[0]

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        if self._committed:
            return
        first, self._schema = self._schema is None, self._schema or table.schema
        mode = "create_append" if self._append else "create" if first else "append"
        self._cursor.adbc_ingest(self._name, table.cast(self._schema), mode=mode, **self._in)

    def _quoted(self) -> str:
        parts = [*self._in.values(), self._name]
        return ".".join('"' + part.replace('"', '""') + '"' for part in parts)

    def __exit__(self, kind, error, traceback):
        if kind is not None:
            return self._stack.__exit__(kind, error, traceback)
        with self._stack:
            if not self._committed:
                self._cursor.execute("SELECT txid_current()")
                atomic_write_bytes(self._note, str(self._cursor.fetchone()[0]).encode())
                self._connection.commit()
        return None
