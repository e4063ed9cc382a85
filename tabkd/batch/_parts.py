"""Scored batches on the disk, and the manifest that lists the complete ones, so that a killed job can be resumed."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.ipc

from tabkd._files import atomic_write_bytes, create, sync, writing
from tabkd._options import option
from tabkd.batch import _rejects as rejects
from tabkd.batch._counts import Counts
from tabkd.batch._scored import Rows, Scored, Unexplained, stored
from tabkd.batch._scoring_options import check_same_job

#: Increased when the meaning of a manifest changes.
FORMAT = 1
# Rows after which a part is finished: a killed job loses at most these.
_PART_ROWS = 1_000_000
_MANIFEST = "manifest.json"
# The files of a part.
_ROWS, _REJECTS, _WAITING = ".arrow", ".rejects.arrow", ".waiting.arrow"


class Parts(contextlib.AbstractContextManager):
    """The scored batches of one job, in the order of the input.

    A part is a file of batches, a file of their rejects, and if rows wait for their reasons a file of what explains
    them. It counts as soon as the manifest that names it has replaced the previous manifest; parts that the manifest
    does not name are written again.

    Parameters
    ----------
    folder : Path
        The folder of the parts.
    job : mapping
        The identity of the job: its model, inputs and options, as JSON values.
    waiting : pyarrow.Schema, optional
        The columns of the model, if rows wait for their reasons.

    Attributes
    ----------
    done : Counts
        The counts of the finished parts, whose batches need not be scored again.

    Raises
    ------
    ValueError
        If the folder has the parts of another job.
    """

    def __init__(self, folder: Path, job: Mapping[str, Any], waiting: pa.Schema | None = None):
        self._folder, self._waiting = folder, waiting
        self._manifest = {"format": FORMAT, "job": json.loads(json.dumps(job)), "parts": []}
        self._manifest["parts"] = self._finished()
        self._open: _OpenPart | None = None
        self._schema = self._first_schema()

    @property
    def done(self) -> Counts:
        return sum((Counts.from_json(part["counts"]) for part in self._manifest["parts"]), start=Counts())

    def write(self, scored: Scored) -> None:
        """Add a batch; from time to time a part is finished, which is then durable on the disk."""
        if self._schema is None:
            self._schema = scored.rows.table.schema
        if self._open is None:
            path = self._folder / _name(len(self._manifest["parts"]))
            self._open = _OpenPart(path, self._schema, self._waiting)
        self._open.write(scored)
        if self._open.counts.read >= _PART_ROWS:
            self.finish_part()

    def finish_part(self) -> None:
        """Finish the part that is being written, if any."""
        if self._open is not None:
            part, self._open = self._open, None
            part.close()
            # A new list: the manifest must not name the part if writing it fails.
            parts = [
                *self._manifest["parts"],
                {"name": part.path.name, "counts": part.counts.to_json(), "sha256": self._digests(part.path)},
            ]
            atomic_write_bytes(self._folder / _MANIFEST, json.dumps(self._manifest | {"parts": parts}).encode())
            self._manifest["parts"] = parts

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finish the last part, unless a full disk prevents it: a failed job can be resumed from there."""
        if error is None:
            self.finish_part()
        else:
            with contextlib.suppress(OSError, pa.ArrowException):
                self.finish_part()

    def __iter__(self) -> Iterator[Rows]:
        """The batches of all finished parts, as they were written.

        Raises
        ------
        ValueError
            If a part was changed, or its number of rows differs from the number counted.
        """
        for part in self._manifest["parts"]:
            path, found = self._folder / part["name"], Counts()
            if not self._is_unchanged(path, part):
                raise ValueError(self._damaged(path, "it was changed since it was written"))
            for rows in self._read(path):
                found += Counts(batches=1, rejected=len(rows.rejects), written=rows.table.num_rows)
                yield rows
            for name in ("batches", "rejected", "written"):
                if getattr(found, name) != part["counts"][name]:
                    what = f"it has {getattr(found, name):,} {name}, and {part['counts'][name]:,} were counted"
                    raise ValueError(self._damaged(path, what))

    def _read(self, path: Path) -> Iterator[Rows]:
        """The batches of a part."""
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(pa.memory_map(str(file))) for file in self._files(path)]
            tables, refused, *waiting = map(pa.ipc.open_file, files)
            for i in range(tables.num_record_batches):
                try:
                    table = pa.Table.from_batches([tables.get_batch(i)])
                    listed = [rejects.Reject(*row.values()) for row in refused.get_batch(i).to_pylist()]
                    unexplained = [self._unexplained(file.get_batch(i)) for file in waiting]
                except (pa.ArrowException, OSError) as error:
                    raise ValueError(self._damaged(path, str(error))) from error
                yield Rows(table, listed, *unexplained)

    def _unexplained(self, batch: pa.RecordBatch) -> Unexplained:
        X = pa.Table.from_arrays(batch.columns[1:], schema=self._waiting)
        return Unexplained(batch.column(0).to_numpy(), X)

    def _files(self, part: Path) -> list[Path]:
        return [part.with_suffix(suffix) for suffix in (_ROWS, _REJECTS, *[_WAITING] * (self._waiting is not None))]

    def _is_unchanged(self, path: Path, part: Mapping[str, Any]) -> bool:
        try:
            return part["sha256"] == self._digests(path)
        except OSError:
            return False

    def _digests(self, part: Path) -> list[str]:
        digests = []
        for path in self._files(part):
            with path.open("rb") as file:
                digests.append(hashlib.file_digest(file, "sha256").hexdigest())
        return digests

    def _damaged(self, path: Path, what: str) -> str:
        return (
            f"{str(path)!r} cannot be used: {what}. Nothing was written; remove {str(self._folder)!r} to start again."
        )

    def _finished(self) -> list[dict]:
        path = self._folder / _MANIFEST
        if not path.is_file():
            return []
        try:
            found = json.loads(path.read_bytes())
            known, parts = dict(found["job"]), [dict(part) for part in found["parts"]]
            sum((Counts.from_json(part["counts"]) for part in parts), start=Counts())
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{str(path)!r} is not a manifest of tabkd; remove its folder to start again.") from error
        known |= {} if found.get("format") == FORMAT else {"version": found.get("format")}
        check_same_job(known, self._manifest["job"], str(self._folder))
        # A missing or damaged part is scored again, and so are all that follow it.
        whole = (self._is_whole(i, part) for i, part in enumerate(parts))
        return [part for part, _ in zip(parts, takewhile(bool, whole), strict=False)]

    def _is_whole(self, i: int, part: dict) -> bool:
        path = self._folder / _name(i)
        return part["name"] == path.name and self._is_unchanged(path, part)

    def _first_schema(self) -> pa.Schema | None:
        if not self._manifest["parts"]:
            return None
        with pa.OSFile(str((self._folder / self._manifest["parts"][0]["name"]).with_suffix(_ROWS))) as file:
            return pa.ipc.open_file(file).schema


class _OpenPart:
    """The part that is being written."""

    def __init__(self, path: Path, schema: pa.Schema, waiting: pa.Schema | None):
        self.path, self.counts, self._schema = path, Counts(), schema
        self._paths: list[Path] = []
        self._stack = contextlib.ExitStack()
        self._rows = self._opened(_ROWS, schema)
        self._rejects = self._opened(_REJECTS, rejects.SCHEMA)
        # With their positions in the batch.
        self._waiting = None if waiting is None else pa.schema([pa.field("", pa.int64()), *waiting])
        if self._waiting is not None:
            self._unexplained = self._opened(_WAITING, self._waiting)

    def _opened(self, suffix: str, schema: pa.Schema) -> pa.ipc.RecordBatchFileWriter:
        path = self.path.with_suffix(suffix)
        self._paths.append(path)
        with writing(path):
            # A file there is from a killed job, or a link to a file that is not ours: it is never written to.
            path.unlink(missing_ok=True)
            create(path, 0o600)
            file = self._stack.enter_context(pa.OSFile(str(path), "wb"))
            return self._stack.enter_context(pa.ipc.new_file(file, schema))

    def write(self, scored: Scored) -> None:
        rows = scored.rows
        batches = {self._rows: rows.table.cast(self._schema), self._rejects: rejects.table(rows.rejects)}
        if self._waiting is not None and rows.unexplained is not None:
            positions, X = rows.unexplained
            columns = [pa.array(positions), *stored(X, pa.schema(list(self._waiting)[1:])).columns]
            batches[self._unexplained] = pa.Table.from_arrays(columns, schema=self._waiting)
        with writing(self.path):
            for writer, table in batches.items():
                writer.write_batch(_one_batch(table))
        self.counts += Counts.of(scored)

    def close(self) -> None:
        with writing(self.path):
            self._stack.close()
            for path in self._paths:
                sync(path)


def _name(i: int) -> str:
    return f"part-{i:06d}"


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    if len(batches) > 1:
        raise ValueError(f"a batch has more than 2 GB of text; give a smaller {option('batch_size')}.")
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)
