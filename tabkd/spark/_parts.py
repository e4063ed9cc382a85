"""The rows that a job on Spark has scored so far, and the notes that list the complete parts.

A part is a folder of Parquet files that Spark wrote, and a file that names it. That file is written last; a folder that
no file names is ignored. Names are never reused, because a Spark process that outlives a killed driver may still write
into its folder.
"""

from __future__ import annotations

import contextlib
import json
import re
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tabkd.batch._counts import Counts
from tabkd.batch._scoring_options import check_same_job
from tabkd.spark._store import Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

_JOB = "job.json"
_OUTPUT = "output.json"
_FINISHED = "finished.json"
_PART = re.compile(r"part-[0-9a-f]{32}\.json")


class Parts:
    """The scored rows of one job, with the workers' notes.

    Parameters
    ----------
    spark : SparkSession
        The session that writes and reads the parts.
    store : Store
        The file system of the parts.
    folder : str
        The folder of the parts.
    job : mapping
        The identity of the job; see `tabkd.batch._scoring_options.Options.identity`.
    schema : StructType
        The columns of the rows; the last one is "note".
    none : Counts
        The counts of no rows.

    Raises
    ------
    ValueError
        If the folder has the parts of another job.
    """

    def __init__(
        self,
        spark: SparkSession,
        store: Store,
        folder: str,
        job: dict[str, Any],
        schema: StructType,
        none: Counts,
    ):
        self._spark, self._store, self._folder, self._schema, self._none = spark, store, folder, schema, none
        self._job = job = json.loads(json.dumps(job))
        known = (self._read(_FINISHED) or {}).get("job") or self._read(_JOB)
        self._parts: list[dict[str, Any]] = []
        if known is None:  # it is written before the first part
            store.make(folder)
            self._write(_JOB, job)
            return
        check_same_job(known, job, folder)
        notes = (self._read(name) for name in store.names(folder) if _PART.fullmatch(name))
        self._parts = [part for part in notes if part is not None]
        if not self.was_published:
            self._parts = [part for part in self._parts if self._is_whole(part)]

    @property
    def was_published(self) -> bool:
        """Whether an earlier process of this job has moved the output to its place."""
        written = self._read(_OUTPUT)
        return (
            written is not None
            and not self._store.exists(f"{self._folder}/{written['folder']}")
            and self._store.exists(self._store.path)
        )

    @property
    def finished(self) -> dict[str, Any] | None:
        """What `finish` noted in an earlier process of this job; None if there is none, or no output."""
        noted = self._read(_FINISHED)
        return noted["summary"] if noted is not None and self._store.exists(self._store.path) else None

    @property
    def counts(self) -> Counts:
        """Those of all parts."""
        return sum((Counts.from_json(part["counts"]) for part in self._parts), start=self._none)

    @property
    def done(self) -> list[int]:
        """The numbers of the files whose rows are in the parts."""
        return [number for part in self._parts for number in part["files"]]

    def add(
        self, files: Sequence[int], staged: DataFrame, check: Callable[[Counts, list[dict[str, Any]]], None]
    ) -> None:
        """Let Spark score rows into a part, which is complete and durable when this returns.

        Parameters
        ----------
        files : sequence of int
            The numbers of the files of the rows.
        staged : DataFrame
            The result of `tabkd.spark._worker.staged`.
        check : callable
            Refuses the part: takes the counts of all parts and the notes of this one.
        """
        name = f"part-{uuid.uuid4().hex}"
        folder = f"{self._folder}/{name}"
        staged.write.parquet(folder)
        notes = self._notes([folder])
        counts = sum((Counts.from_json(note["counts"]) for note in notes), start=self._none)
        check(self.counts + counts, notes)
        self._store.sync(folder)
        part = {"folder": name, "files": list(files), "counts": counts.to_json()}
        self._write(f"{name}.json", part)
        self._parts.append(part)

    def rows(self) -> DataFrame:
        """All scored rows, without the notes."""
        return self._scored([self._path(part) for part in self._parts])

    def notes(self) -> list[dict[str, Any]]:
        """The notes on all rows."""
        return self._notes([self._path(part) for part in self._parts])

    def publish(self, write: Callable[[str], None]) -> None:
        """Write the output and move it to its place.

        Parameters
        ----------
        write : callable
            Writes the output into the folder that it is given.
        """
        name = f"output-{uuid.uuid4().hex}"
        folder = f"{self._folder}/{name}"
        write(folder)
        self._store.sync(folder)
        self._write(_OUTPUT, {"folder": name})
        self._store.rename(folder, self._store.path)

    def finish(self, summary: dict[str, Any]) -> None:
        """Note that the output and the rejects are in their places, and remove the parts.

        A job that is killed while it removes them finds the note when it is given again, and has nothing left to do.

        Parameters
        ----------
        summary : dict
            What the job returns, as JSON values.
        """
        self._write(_FINISHED, {"job": self._job, "summary": summary})
        for name in self._store.names(self._folder):
            if name not in (_JOB, _FINISHED):
                self._store.delete(f"{self._folder}/{name}")

    def _path(self, part: dict[str, Any]) -> str:
        return f"{self._folder}/{part['folder']}"

    def _table(self, folders: Sequence[str]) -> DataFrame:
        # The folders themselves, so that a "=" in a folder above them does not become a column.
        return self._spark.read.schema(self._schema).option("recursiveFileLookup", True).parquet(*folders)

    def _scored(self, folders: Sequence[str]) -> DataFrame:
        table = self._table(folders)
        return table.where(table["note"].isNull()).drop("note")

    def _notes(self, folders: Sequence[str]) -> list[dict[str, Any]]:
        table = self._table(folders)
        return [json.loads(row.note) for row in table.where(table["note"].isNotNull()).select("note").collect()]

    def _is_whole(self, part: dict[str, Any]) -> bool:
        """Whether a part still has the rows that were counted; else it is scored again."""
        from pyspark.errors import PySparkException

        with contextlib.suppress(PySparkException):
            return self._scored([self._path(part)]).count() == part["counts"]["written"]
        return False

    def _read(self, name: str) -> dict[str, Any] | None:
        """A note of this job; None if it does not exist or was not written completely."""
        path = f"{self._folder}/{name}"
        if not self._store.exists(path):
            return None
        try:
            return dict(json.loads(self._store.read(path)))
        except ValueError:
            return None

    def _write(self, name: str, content: dict[str, Any]) -> None:
        self._store.write(f"{self._folder}/{name}", json.dumps(content).encode())
