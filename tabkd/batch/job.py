"""Score files into one output: every row once, nothing half written."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from tabkd._version import __version__
from tabkd.batch import rejects as rejected
from tabkd.batch.alerts import top
from tabkd.batch.columns import Columns, Scored
from tabkd.batch.overlap import ahead, behind
from tabkd.batch.parts import Parts
from tabkd.batch.sinks import STDOUT, Sink, check_file
from tabkd.batch.sources import Batch, File, find_files
from tabkd.batch.workplace import workplace
from tabkd.progress import Silent
from tabkd.scoring import Scorer


@dataclass(frozen=True)
class Counts:
    """Rows of a job: read = scored + rejected, and written, all that were scored or the alerts among them."""

    read: int = 0
    scored: int = 0
    rejected: int = 0
    written: int = 0

    def __add__(self, batch: Scored) -> Counts:
        return Counts(
            self.read + batch.n_read,
            self.scored + batch.n_scored,
            self.rejected + len(batch.rejects),
            self.written + batch.table.num_rows,
        )


class StoppedError(RuntimeError):
    """A job was asked to stop before it was done."""


def score_files(
    scorer: Scorer,
    inputs: Sequence[str],
    output: str,
    *,
    keep: Sequence[str] = (),
    column_map: Mapping[str, str] | None = None,
    threshold: float | None = None,
    top_fraction: float | None = None,
    batch_size: int = 65_536,
    rejects: str | None = None,
    max_rejects: int = 0,
    resume: bool = False,
    progress: Silent | None = None,
    stop: Callable[[], bool] | None = None,
) -> Counts:
    """Score the rows of files into one output, which appears whole or not at all.

    Parameters
    ----------
    scorer : Scorer
    inputs : sequence of str
        Files, folders, globs or URLs; see `tabkd.batch.sources`.
    output : str
        A .parquet, .csv or .arrow file, or "-" for CSV on standard output.
    keep : sequence of str
        Columns of the input that stand beside the scores.
    column_map : mapping of str to str, optional
        For a column of the model, what it is called in the input.
    threshold : float, optional
        Write only the rows whose probability of the second class reaches it.
    top_fraction : float, optional
        Write only this share of the scored rows, those of the highest probability of the second class.
    batch_size : int, default=65536
        About how many rows are in memory at a time.
    rejects : str, optional
        A file for the rows that cannot be scored, in the formats of `output`: their source, row (from 0), column,
        value and reason. It appears just before the output.
    max_rejects : int, default=0
        With more of them the job fails.
    resume : bool, default=False
        Keep what is finished in a hidden folder beside the output until the job is done, and go on from there where a
        job with the same model, inputs and options was interrupted. The output is byte for byte the same.
    progress : tabkd.progress.Silent, optional
        Told how many rows there are, where the inputs say so, and of every batch how many it had.
    stop : callable, optional
        Asked after every batch whether to stop.

    Returns
    -------
    Counts

    Raises
    ------
    ValueError
        A column is missing, more rows than `max_rejects` cannot be scored (`TooManyRejectsError`), a manifest is that
        of another job, or rows would get lost. Nothing is written then.
    BusyError
        Another job is writing the output.
    StoppedError
        `stop` said so.
    """
    columns = Columns(scorer, keep, column_map or {}, threshold)
    if top_fraction is not None:
        columns.check_two_classes(f"--top-fraction {top_fraction}")
    files = find_files(inputs)
    _check_outputs(output, rejects, max_rejects, resume, [file.path for file in files])
    columns.check({file.path: file.types(columns.known) for file in files})
    scoring = _Scoring(columns, files, batch_size, max_rejects, progress or Silent(), stop or _never)
    with _folder(output, resume) as folder:
        if not resume and top_fraction is None:
            with _Outputs(output, rejects, folder) as outputs:
                return scoring.run(outputs.write)
        job = _job(scorer, scoring.before, keep, column_map or {}, threshold, batch_size)
        with Parts(folder, job) as parts:
            counts = scoring.run(parts.write, sum(parts, start=Counts()), parts.n_batches)
        chosen = parts if top_fraction is None else top(parts, columns.second_class, top_fraction, counts.scored)
        with _Outputs(output, rejects, folder) as outputs:
            n_written = sum(outputs.write(scored) for scored in chosen)
        return replace(counts, written=n_written)


class _Scoring:
    """Reading, scoring and writing of all batches, each in its own thread."""

    def __init__(self, columns: Columns, files: Sequence[File], batch_size: int, max_rejects: int, progress, stop):
        self._columns, self._files, self._batch_size, self._max_rejects = columns, files, batch_size, max_rejects
        self._progress, self._stop = progress, stop
        self.before = [file.state() for file in files]

    def run(self, write: Callable[[Scored], Any], done: Counts = Counts(), n_done: int = 0) -> Counts:
        """Score all batches but the first `n_done`, whose rows are `done`."""
        counts, stopped = done, False
        self._progress.stage("rows", self._n_rows())
        self._progress.advance(done.read)
        with contextlib.closing(ahead(islice(self._batches(), n_done, None))) as batches, behind(write) as hand_over:
            for batch in batches:
                scored = self._columns.scored(batch, counts.rejected, self._max_rejects)
                counts += scored
                hand_over(scored)
                self._progress.advance(scored.n_read)
                if stopped := self._stop():
                    break
        # Not before all that was scored is written.
        if stopped:
            raise StoppedError(f"stopped after {counts.read:,} rows")
        self._check(counts)
        return counts

    def _batches(self) -> Iterator[Batch]:
        for file in self._files:
            yield from file.batches(self._columns.wanted, self._columns.known, self._batch_size)

    def _n_rows(self) -> int | None:
        """How many rows the files say that they have; None where one does not say."""
        found = [file.n_rows() for file in self._files]
        return None if None in found else sum(found)  # type: ignore[arg-type]

    def _check(self, counts: Counts) -> None:
        """Refuse to finish with other rows than the files have."""
        for file, state in zip(self._files, self.before, strict=True):
            if file.state() != state:
                raise ValueError(
                    f"{file.path!r} was changed while it was read; nothing was written. Score it once more."
                )
        expected = self._n_rows()
        if expected not in (None, counts.read) or counts.read != counts.scored + counts.rejected:
            raise ValueError(f"{expected:,} rows in, but {counts.read:,} rows read; nothing was written.")


def _never() -> bool:
    return False


def _folder(output: str, resume: bool) -> contextlib.AbstractContextManager:
    """Where a job keeps what is not finished."""
    return tempfile.TemporaryDirectory() if output == STDOUT else workplace(Path(output), keep=resume)


class _Outputs(contextlib.AbstractContextManager):
    """The scores and the rejects of a job; both appear, or none."""

    def __init__(self, output: str, rejects: str | None, folder: Path | None):
        self._stack = contextlib.ExitStack()
        self._scores = Sink(output, folder)
        # Not in the folder of the job, which may be on another disk.
        self._rejects = None if rejects is None else Sink(rejects, schema=rejected.SCHEMA)

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            # The last to be entered is the first to appear.
            stack.enter_context(self._scores)
            if self._rejects is not None:
                stack.enter_context(self._rejects)
            self._stack = stack.pop_all()
        return self

    def write(self, scored: Scored) -> int:
        """Add a batch, and return how many rows of scores it had."""
        self._scores.write(scored.table)
        if self._rejects is not None and scored.rejects:
            self._rejects.write(rejected.table(scored.rejects))
        return scored.table.num_rows

    def __exit__(self, *error):
        return self._stack.__exit__(*error)


def _job(scorer: Scorer, states, keep, column_map, threshold, batch_size) -> dict:
    """What another job would have otherwise."""
    return {
        "version": __version__,
        "model": hashlib.sha256(scorer.content).hexdigest(),
        "input": states,
        "--keep": list(keep),
        "--column-map": dict(column_map),
        "--threshold": threshold,
        "--batch-size": batch_size,
    }


def _check_outputs(output: str, rejects: str | None, max_rejects: int, resume: bool, files: list[str]) -> None:
    if output != STDOUT:
        check_file("--output", output, files)
    elif resume:
        raise ValueError("--resume needs an output that is a file: what is finished is kept beside it.")
    if rejects is not None:
        check_file("--rejects", rejects, [*files, output])
    elif max_rejects:
        raise ValueError(
            f"--max-rejects {max_rejects} would lose the rows that cannot be scored; "
            "say where they go by --rejects FILE."
        )
