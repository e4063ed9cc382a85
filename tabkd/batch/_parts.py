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
from tabkd.batch._scored import Rows, Scored
from tabkd.batch._scoring_options import check_same_job

#: Increased when the meaning of a manifest changes.
FORMAT = 1
# Rows after which a part is finished: a killed job loses at most these.
_PART_ROWS = 1_000_000
_MANIFEST = "manifest.json"


class Parts(contextlib.AbstractContextManager):
    """The scored batches of one job, in the order of the input.

    A part is a file of batches and a file of their rejects. It counts as soon as the manifest that names it has
    replaced the previous manifest; parts that the manifest does not name are written again.

    Parameters
    ----------
    folder : Path
        The folder of the parts.
    job : mapping
        The identity of the job: its model, inputs and options, as JSON values.

    Attributes
    ----------
    done : Counts
        The counts of the finished parts, whose batches need not be scored again.

    Raises
    ------
    ValueError
        If the folder has the parts of another job.
    """

    def __init__(self, folder: Path, job: Mapping[str, Any]):
        self._folder = folder
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
            self._open = _OpenPart(self._folder / _name(len(self._manifest["parts"])), self._schema)
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
                {"name": part.path.name, "counts": part.counts.to_json(), "sha256": _digests(part.path)},
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
            if not _is_unchanged(path, part):
                raise ValueError(self._damaged(path, "it was changed since it was written"))
            for table, listed in self._read(path):
                found += Counts(batches=1, rejected=len(listed), written=table.num_rows)
                yield Rows(table, listed)
            for name in ("batches", "rejected", "written"):
                if getattr(found, name) != part["counts"][name]:
                    what = f"it has {getattr(found, name):,} {name}, and {part['counts'][name]:,} were counted"
                    raise ValueError(self._damaged(path, what))

    def _read(self, path: Path) -> Iterator[tuple[pa.Table, list[rejects.Reject]]]:
        """The batches of a part with their rejects."""
        with pa.memory_map(str(_rows_of(path))) as rows, pa.memory_map(str(_rejects_of(path))) as wrong:
            tables, refused = pa.ipc.open_file(rows), pa.ipc.open_file(wrong)
            for i in range(tables.num_record_batches):
                try:
                    table = pa.Table.from_batches([tables.get_batch(i)])
                    listed = [rejects.Reject(*row.values()) for row in refused.get_batch(i).to_pylist()]
                except (pa.ArrowException, OSError) as error:
                    raise ValueError(self._damaged(path, str(error))) from error
                yield table, listed

    def _damaged(self, path: Path, what: str) -> str:
        return f"{str(path)!r} cannot be used: {what}. Nothing was written; remove {str(self._folder)!r} to begin anew."

    def _finished(self) -> list[dict]:
        path = self._folder / _MANIFEST
        if not path.is_file():
            return []
        try:
            found = json.loads(path.read_bytes())
            known, parts = dict(found["job"]), [dict(part) for part in found["parts"]]
            sum((Counts.from_json(part["counts"]) for part in parts), start=Counts())
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{str(path)!r} is not a manifest of tabkd; remove its folder to begin anew.") from error
        known |= {} if found.get("format") == FORMAT else {"version": found.get("format")}
        check_same_job(known, self._manifest["job"], str(self._folder))
        # A missing or damaged part is scored again, and so are all that follow it.
        whole = (self._is_whole(i, part) for i, part in enumerate(parts))
        return [part for part, _ in zip(parts, takewhile(bool, whole), strict=False)]

    def _is_whole(self, i: int, part: dict) -> bool:
        path = self._folder / _name(i)
        return part["name"] == path.name and _is_unchanged(path, part)

    def _first_schema(self) -> pa.Schema | None:
        if not self._manifest["parts"]:
            return None
        with pa.OSFile(str(_rows_of(self._folder / self._manifest["parts"][0]["name"]))) as file:
            return pa.ipc.open_file(file).schema


class _OpenPart:
    """The part that is being written."""

    def __init__(self, path: Path, schema: pa.Schema):
        self.path, self.counts, self._schema = path, Counts(), schema
        self._stack = contextlib.ExitStack()
        self._rows = self._opened(_rows_of(path), schema)
        self._rejects = self._opened(_rejects_of(path), rejects.SCHEMA)

    def _opened(self, path: Path, schema: pa.Schema) -> pa.ipc.RecordBatchFileWriter:
        with writing(path):
            # A file there is from a killed job, or a link to a file that is not ours: it is never written to.
            path.unlink(missing_ok=True)
            create(path, 0o600)
            file = self._stack.enter_context(pa.OSFile(str(path), "wb"))
            return self._stack.enter_context(pa.ipc.new_file(file, schema))

    def write(self, scored: Scored) -> None:
        rows, wrong = _one_batch(scored.rows.table.cast(self._schema)), _one_batch(rejects.table(scored.rows.rejects))
        with writing(self.path):
            self._rows.write_batch(rows)
            self._rejects.write_batch(wrong)
        self.counts += Counts.of(scored)

    def close(self) -> None:
        with writing(self.path):
            self._stack.close()
            for path in (_rows_of(self.path), _rejects_of(self.path)):
                sync(path)


def _name(i: int) -> str:
    return f"part-{i:06d}"


def _is_unchanged(path: Path, part: Mapping[str, Any]) -> bool:
    try:
        return part["sha256"] == _digests(path)
    except OSError:
        return False


def _digests(part: Path) -> list[str]:
    digests = []
    for path in (_rows_of(part), _rejects_of(part)):
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return digests


def _rows_of(part: Path) -> Path:
    return part.with_suffix(".arrow")


def _rejects_of(part: Path) -> Path:
    return part.with_suffix(".rejects.arrow")


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    if len(batches) > 1:
        raise ValueError(f"a batch has more than 2 GB of text; give a smaller {option('batch_size')}.")
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)
