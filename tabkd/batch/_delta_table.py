"""A Delta table that rows are added to in one commit: it then has all of the rows or none."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet

from tabkd._files import give_permissions, sync, writing
from tabkd._options import option
from tabkd.batch._delta import check_package, delta_errors, one_line, opened, uri_of
from tabkd.batch._delta_columns import made, matched
from tabkd.batch._delta_types import converted
from tabkd.batch._paths import DELTA_LOG
from tabkd.batch._pulled import Pulled
from tabkd.batch._rejects import failures, shown
from tabkd.batch._sinks import check_folder
from tabkd.batch._workplace import ROWS

if TYPE_CHECKING:
    from deltalake import DeltaTable as Opened

# What names the process in the metadata of its commit.
_RUN = "tabkd_run"


class DeltaTable(contextlib.AbstractContextManager):
    """Write rows to a Delta table.

    The commit carries an application transaction, which is named after the job: a resumed job that finds it in the
    table does not write its rows again. A new table is made in the folder of the job, and moved to its place when the
    block has succeeded.

    Parameters
    ----------
    path : str
        The folder of the table.
    append : bool
        Whether to add to an existing table; otherwise there must be none.
    resume : bool
        Whether rows that this job has committed to the table before are not written again.
    folder : Path
        The folder of the job.
    job : str
        A digest of the job.
    schema : pyarrow.Schema
        The schema of the rows.

    Attributes
    ----------
    was_written : bool
        Whether the rows were in the table already.

    Raises
    ------
    OSError, ValueError
        If the table exists already, it cannot store the rows unchanged, deltalake refuses it, or another writer has
        changed it in a way that conflicts.
    """

    def __init__(self, path: str, append: bool, resume: bool, folder: Path, job: str, schema: pa.Schema) -> None:
        self._shown, self._path, self._append, self._resume = path, Path(os.path.realpath(path)), append, resume
        self._draft, self._app, self._schema = folder / ROWS, f"tabkd-{job}", schema
        self._run, self._is_new = secrets.token_hex(8), not is_table(path)
        self._columns = pa.schema([])
        self._pulled: Pulled | None = None
        # The version that the commit has at least.
        self._first = 0
        self._n_rows = 0
        self.was_written = False

    def __enter__(self) -> Self:
        if self._is_new:
            # Before the first row, not at its end.
            check_package(self._shown)
            with writing(self._shown):
                check_folder(self._path)
                shutil.rmtree(self._draft, ignore_errors=True)  # of a job that was killed
            self._columns = made(self._schema)
            return self
        table = self._opened()
        self.was_written = self._resume and self._last(table) is not None
        if not (self.was_written or self._append):
            raise ValueError(
                f"{option('output', self._shown)} already exists; give another, or {option('append', True)} to add "
                "to it."
            )
        if not self.was_written:
            self._columns = matched(self._shown, table, self._schema)
        return self

    def _opened(self) -> Opened:
        return opened(uri_of(str(self._path)), self._shown)

    def _last(self, table: Opened) -> int | None:
        """The number of the last transaction of this job in the table; None if there is none."""
        with delta_errors(f"cannot read the transactions of the Delta table {self._shown!r}"):
            return table.transaction_version(self._app)

    def write(self, table: pa.Table) -> None:
        """Add rows.

        Raises
        ------
        ValueError
            If a column cannot store a value unchanged, or deltalake refuses the rows.
        """
        if self.was_written:
            return
        if self._pulled is None:
            self._begin()
        if self._pulled is None:
            return
        table = table.cast(self._schema)
        columns = [self._stored(table, field) for field in self._columns]
        with self._failing():
            self._pulled.put(pa.Table.from_arrays(columns, schema=self._columns))
        self._n_rows += table.num_rows

    def _stored(self, table: pa.Table, field: pa.Field) -> pa.ChunkedArray | pa.Array:
        if field.name not in table.schema.names:
            return pa.nulls(table.num_rows, field.type)
        values = table.column(field.name)
        try:
            stored = converted(values, field.type)
        except pa.ArrowException:
            row, error = next(failures(lambda part: converted(part, field.type), values))
            raise ValueError(
                f"the column {field.name!r} of the table {self._shown!r} is {field.type}, which cannot hold "
                f"{shown(values[row].as_py())!r} of type {values.type} exactly: {error}"
            ) from error
        if not field.nullable and stored.null_count:
            raise ValueError(
                f"the column {field.name!r} of the table {self._shown!r} is NOT NULL, but some rows have no value for "
                "it. Leave these rows out, or drop the constraint of the column."
            )
        return stored

    def _begin(self) -> None:
        """Start to write, on the table as it is now: the shorter the time until the commit, the fewer the conflicts."""
        from deltalake import CommitProperties, Transaction, write_deltalake

        number = 1
        target: Any = uri_of(str(self._draft))
        if not self._is_new:
            target = self._opened()
            self._first = target.version() + 1
            last = self._last(target)
            self.was_written = self._resume and last is not None
            if self.was_written:  # another process of this job came first
                return
            number += last or 0
            if matched(self._shown, target, self._schema) != self._columns:
                raise ValueError(f"the columns of {self._shown!r} were changed meanwhile; nothing was written.")
        properties = CommitProperties(
            custom_metadata={_RUN: self._run}, app_transactions=[Transaction(self._app, number)]
        )
        mode: Any = "error" if self._is_new else "append"
        self._pulled = Pulled(
            lambda rows: write_deltalake(target, rows, mode=mode, commit_properties=properties), self._columns
        )

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            remedy = ""
            if not self._is_new:
                remedy = (
                    " If another writer has changed the table meanwhile, run the job again; with "
                    f"{option('resume', True)} it would continue from its scored rows."
                )
            raise ValueError(
                f"cannot write to {self._shown!r}: {one_line(error)}. Nothing was added.{remedy}"
            ) from error

    def finish(self) -> None:
        """Complete a table that is new, so that only a rename can fail after it."""
        if not self._is_new or self._pulled is None:
            return
        pulled, self._pulled = self._pulled, None
        with self._failing():
            pulled.close()
        self._check(self._draft)
        with writing(self._shown):
            for path in (*self._draft.rglob("*"), self._draft):
                sync(path)

    def _commit(self) -> None:
        """Commit the rows to the existing table."""
        assert self._pulled is not None, "a job writes at least one batch, even if it has no rows"
        pulled, self._pulled = self._pulled, None
        with self._failing():
            try:
                pulled.close()
            except Exception:
                # Only what comes after the commit may have failed, such as a checkpoint.
                if self._added(self._path) is None:
                    raise
        self._check(self._path)

    def _check(self, folder: Path) -> None:
        """Make sure that the commit has all rows, by the metadata of the files that it added."""
        added = self._added(folder)
        n_added = sum(pa.parquet.read_metadata(path).num_rows for path in added or ())
        if added is None or n_added != self._n_rows:
            raise ValueError(
                f"{self._n_rows:,} rows were written to {self._shown!r}, but its commit has {n_added:,}. "
                + ("Nothing was written." if self._is_new else "Restore the version before it.")
            )
        for path in added:
            sync(path)
        sync(folder / DELTA_LOG)

    def _added(self, folder: Path) -> list[Path] | None:
        """The files that the commit of this process added; None if there is no such commit."""
        version = self._first
        while (log := folder / DELTA_LOG / f"{version:020d}.json").is_file():
            actions = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
            if any(action.get("commitInfo", {}).get(_RUN) == self._run for action in actions):
                return [folder / unquote(action["add"]["path"]) for action in actions if "add" in action]
            version += 1
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None and not self.was_written:
                self._publish() if self._is_new else self._commit()
        finally:
            if self._pulled is not None:
                self._pulled.give_up()
            shutil.rmtree(self._draft, ignore_errors=True)

    def _publish(self) -> None:
        """Move a new table to its place, where there is at most an empty folder."""
        self.finish()
        with writing(self._shown):
            if self._path.exists():
                give_permissions(os.stat(self._path), self._draft)
            os.replace(self._draft, self._path)
        sync(self._path.parent)


def is_table(path: str) -> bool:
    """Whether a path leads to the folder of a Delta table."""
    return os.path.isdir(os.path.join(path, DELTA_LOG))
