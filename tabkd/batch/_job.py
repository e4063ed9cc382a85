"""Score rows into one output: every row once, nothing half written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tabkd._options import option
from tabkd._progress import Silent
from tabkd.batch._alerts import Candidates, find_cut, how_many, top
from tabkd.batch._counts import Counts, Summary
from tabkd.batch._databases import Source, find_sources
from tabkd.batch._delta_rows import DeltaRows
from tabkd.batch._dialect import Dialect
from tabkd.batch._outputs import Outputs, Target, check_not_read
from tabkd.batch._overlap import ahead, behind
from tabkd.batch._parts import Parts
from tabkd.batch._reasons import ReasonOptions
from tabkd.batch._rejects import check_number
from tabkd.batch._scored import Columns, Rows, Scored, as_matrix, check_kept, score_columns
from tabkd.batch._scoring_options import Options, as_paths, check_least, extras
from tabkd.batch._sources import Batch, File, in_dialect
from tabkd.batch._stopping import StoppedError
from tabkd.scoring import ExportedStudent, load
from tabkd.scoring._arrow_columns import is_arrow

_WAS_WRITTEN = "the rows were in the table already: an earlier process of this job had committed them"


def score_dataset(
    model: ExportedStudent | str | os.PathLike,
    inputs: Sequence[str | os.PathLike],
    output: str | os.PathLike,
    *,
    keep: Sequence[str] = (),
    column_map: Mapping[str, str] | None = None,
    threshold: float | None = None,
    top_fraction: float | None = None,
    batch_size: int = 65_536,
    rejects: str | os.PathLike | None = None,
    max_rejects: int = 0,
    resume: bool = False,
    query: str | None = None,
    delta_version: int | None = None,
    table: str | None = None,
    append: bool = False,
    partition_by: Sequence[str] = (),
    delimiter: str | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    encoding: str | None = None,
    reasons: int = 0,
    reason_codes: str | os.PathLike | None = None,
    reasons_for: str = "higher",
    reason_groups: Mapping[str, Sequence[str]] | None = None,
    max_doubt: float | None = None,
    segment: Sequence[str] = (),
    progress: Silent | None = None,
    stop: Callable[[], bool] | None = None,
    on_commit: Callable[[], Any] | None = None,
) -> Summary:
    """Score the rows of files or of a query into one output, which appears whole or not at all.

    Parameters
    ----------
    model : ExportedStudent or path-like
        An exported student, or its path.
    inputs : sequence of str or path-like
        Files, folders, globs or URLs (see `tabkd.batch._found_files`), and folders of Delta tables, each read at one
        version. Or one database: the address of a PostgreSQL server,
        as in ``postgresql://user@host/name``, or a DuckDB file.
    output : str or path-like
        A .parquet, .csv, .arrow, .feather or .jsonl file (see `tabkd._formats`), "-" for CSV on standard output, the
        address of a PostgreSQL server, with `partition_by` a folder, or a Delta table: the folder of one that is there,
        or a new one whose name ends in ``.delta``.
    keep : sequence of str
        Columns of the input to write next to the scores.
    column_map : mapping of str to str, optional
        For a column of the model, its name in the input.
    threshold : float, optional
        Write only the rows whose probability of the second class reaches it.
    top_fraction : float, optional
        Write only this fraction of the scored rows: those with the highest probability of the second class.
    batch_size : int, default=65536
        Approximate number of rows in memory at a time.
    rejects : str or path-like, optional
        A file for the rows that cannot be scored, in the formats of `output`: their source, row (from 0), column,
        value and reason. It appears just after the output.
    max_rejects : int, default=0
        Maximum number of rejected rows; with more, the job fails.
    resume : bool, default=False
        Keep finished rows in a hidden folder until the job is done, and continue from them if a job with the same
        model, inputs and options was interrupted. The output is the same, byte for byte. The folder is next to the
        output or, for a table of PostgreSQL, in the working directory. Rows that the same job has committed to a
        table before are not written again.
    query : str, optional
        The query that selects the rows of a database.
    delta_version : int, optional
        The version of the Delta table among the inputs; None for its latest one when the job starts.
    table : str, optional
        The table of a PostgreSQL server that the scores are copied into, in one transaction.
    append : bool, default=False
        Add the rows to a table that exists already.
    partition_by : sequence of str
        Columns of the input; the output has a separate folder for each of their values, as in ``month=2026-10``.
    delimiter : str, optional
        Character between two values of a CSV; None detects it from the header, and the summary reports what was found.
    decimal : str, default="."
        Decimal mark of the numbers in a CSV.
    thousands : str, optional
        Character between groups of three digits in a CSV; None for no such character.
    encoding : str, optional
        The encoding of a CSV, by Python's name; None detects it from the byte order mark: UTF-8 if there is none.
    reasons : int, default=0
        Number of reasons to write for each row, of a model that was exported with ``contributions=True``: the columns
        that pushed its score up most, in "reason_1" and so on, and by how much, in "contribution_1" and so on. They are
        null where fewer columns pushed it up. The score is the log-odds of the second of two classes, the predicted
        value, or for more classes the log-probability of the predicted class less its mean over the classes.
    reason_codes : str or path-like, optional
        A CSV file with the columns ``column``, ``code`` and, if wanted, ``text``: what is written in place of the name
        of each column or group, and a text that is written in "reason_text_1" and so on. Columns and groups with the
        same code count as one reason: their contributions are added.
    reasons_for : {"higher", "lower"}, default="higher"
        The reasons why a score is high, or with "lower" the columns that pushed it down most.
    reason_groups : mapping of str to sequence of str, optional
        Groups of columns that count as one, by the name of the group: their contributions are added.
    max_doubt : float, optional
        Write for each score its "doubt", and whether it is "doubtful", which means above this number, so that such rows
        can be sent to the teacher. For at least 90 % of rows like those that doubt was measured on, the teacher's
        answer is no farther from the score than its doubt, a difference of probabilities or in the unit of the target;
        see `DistilledClassifier.measure_doubt`. Doubt is null, and each score doubtful, if fewer than 9 rows were
        measured.
    segment : sequence of str
        Columns of the input. The drift of the rows is also measured for each of their 20 most frequent values, and for
        the rest together; values beyond the first hundred that appear belong to the rest. The reference is that of all
        training rows, so a level may differ from it without any drift: compare it with earlier jobs.
    progress : tabkd._progress.Silent, optional
        Receives the number of rows, if the inputs give it, and the number of rows of each batch.
    stop : callable, optional
        Returns whether to stop. It is called after every batch and, while a database works, from another thread, which
        then cancels the statement.
    on_commit : callable, optional
        Called once when everything is ready, just before the output appears.

    Returns
    -------
    Summary
        The numbers of rows that were read, scored, rejected and written, the drift of the rows, and warnings.

    Raises
    ------
    OSError, ValueError
        A column is missing, an input cannot be read, more rows than `max_rejects` cannot be scored
        (`TooManyRejectsError`), a manifest belongs to another job, or rows would be lost. Nothing is written then.
    BusyError
        Another job is writing the output.
    StoppedError
        `stop` returned True.
    RejectsError
        All rows are written, but the file of rejects could not be moved to its place; the message says where it is.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from tabkd import DistilledClassifier
    >>> from tabkd.batch import score_dataset
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> model = DistilledClassifier(RandomForestClassifier(5), student="tree", n_synthetic=500).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     student, rows, scores = (Path(folder) / name for name in ("student.onnx", "rows.csv", "scores.jsonl"))
    ...     _ = model.to_onnx(student)
    ...     X.assign(id=X.index).to_csv(rows, index=False)
    ...     done = score_dataset(student, [rows], scores, keep=["id"])
    ...     done.written, list(json.loads(scores.read_text().splitlines()[0]))
    (569, ['id', 'prediction', 'probability_0', 'probability_1'])
    """
    exported = model if isinstance(model, ExportedStudent) else load(model)
    inputs, output, rejects = as_paths(inputs), os.fspath(output), None if rejects is None else os.fspath(rejects)
    check_least("batch_size", batch_size, 1)
    options = Options(
        keep,
        column_map or {},
        threshold,
        top_fraction,
        max_rejects=max_rejects,
        partition_by=partition_by,
        dialect=Dialect(delimiter, decimal, thousands, encoding),
        reasons=ReasonOptions.of(reasons, reason_codes, reasons_for, reason_groups),
        max_doubt=max_doubt,
        segment=segment,
    )
    if resume and query is not None:
        raise ValueError(
            f"{option('resume', True)} needs files: a query may give other rows, or another order, the second time."
        )
    columns = options.columns(exported)
    sources = in_dialect(find_sources(inputs, query, stop, delta_version), options.dialect)
    target = Target(output, rejects, table, append, tuple(options.partition_by))
    target.check([source.path for source in sources], max_rejects, resume)
    if not isinstance(model, ExportedStudent):
        check_not_read(model, output, rejects)
    if reason_codes is not None:
        check_not_read(reason_codes, output, rejects, "the file of reason codes")
    scoring = _Scoring(columns, sources, batch_size, max_rejects, progress or Silent(), stop or _never)
    on_commit = on_commit or _never
    columns.check({source.path: source.types(columns.known) for source in sources})
    columns.kept_types = target.check_types(columns.kept_types)
    job = options.identity(exported, scoring.before, batch_size=batch_size)
    # The outputs before the parts: anything in their way is reported before the first row.
    with (
        target.folder(resume) as folder,
        Outputs(target, folder, _digest(job), columns.schema, stop or _never, resume) as outputs,
    ):
        if not resume and top_fraction is None:
            scoring.run(columns.explained, lambda scored: outputs.write(scored.rows))
            done = replace(scoring.summary(), threshold=threshold)
        else:
            explain, waiting = columns.explained, None
            if top_fraction is not None and reasons:
                # Only rows that may be among the top ones, with the columns that explain them, wait for the cut.
                explain = Candidates(columns.second_class, scoring.most_rows(top_fraction)).of
                waiting = columns.model_schema
            with Parts(Path(folder), job, waiting) as parts:
                scoring.run(explain, parts.write, parts.done)
            done = replace(scoring.summary(), threshold=threshold)
            chosen: Iterable[Rows] = parts
            if top_fraction is not None:
                cut = find_cut(parts, columns.second_class, top_fraction, done.scored)
                chosen = map(columns.explained, top(parts, columns.second_class, cut))
                done = replace(done, written=cut.n_rows, threshold=cut.threshold)
            scoring.put_together(chosen, outputs)
            if outputs.was_written:
                done = replace(done, warnings=[*done.warnings, _WAS_WRITTEN])
        if threshold is None and top_fraction is None and done.written != done.scored:
            raise ValueError(
                f"{done.scored:,} rows were scored, but {done.written:,} rows have scores; nothing was written. With "
                f"{option('resume', True)}, leave it out to start again."
            )
        outputs.finish(done.written, done.rejected)
        on_commit()
    return done


def score_batches(
    model: ExportedStudent | str | os.PathLike,
    batches: Iterable,
    keep: Sequence[str] = (),
    *,
    reasons: int = 0,
    reason_codes: str | os.PathLike | None = None,
    reasons_for: str = "higher",
    reason_groups: Mapping[str, Sequence[str]] | None = None,
    max_doubt: float | None = None,
) -> Generator[pa.Table, None, None]:
    """Score one batch after another; another thread fetches the next batch meanwhile.

    Parameters
    ----------
    model : ExportedStudent or path-like
        An exported student, or its path.
    batches : iterable
        Arrow tables or batches, pandas or polars frames, or arrays of shape (n, d).
    keep : sequence of str
        Columns of the batches to return next to the scores.
    reasons, reason_codes, reasons_for, reason_groups : optional
        The reasons to return for each row; see `score_dataset`.
    max_doubt : float, optional
        Return for each score its "doubt", and whether it is "doubtful"; see `score_dataset`.

    Yields
    ------
    pyarrow.Table
        For each batch its kept columns, the prediction, for classes the probability of each, doubt and reasons.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from tabkd import DistilledClassifier
    >>> from tabkd.batch import score_batches
    >>> from tabkd.scoring import ExportedStudent
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = DistilledClassifier(RandomForestClassifier(5), student="tree", n_synthetic=500).fit(X, y)
    >>> exported = ExportedStudent(model.to_onnx().SerializeToString())
    >>> [table.num_rows for table in score_batches(exported, (X[i : i + 200] for i in range(0, len(X), 200)))]
    [200, 200, 169]
    """
    exported = model if isinstance(model, ExportedStudent) else load(model)
    why = ReasonOptions.of(reasons, reason_codes, reasons_for, reason_groups)
    added = extras(exported, why, max_doubt)
    check_kept(exported, keep, [name for extra in added.values() if extra is not None for name in extra.schema.names])
    with contextlib.closing(ahead(batches)) as waiting:
        for batch in waiting:
            if keep and isinstance(batch, np.ndarray):
                raise ValueError(f"keep={list(keep)} needs tables, because the columns of an array have no names.")
            kept = {name: batch[name] for name in keep}
            if keep:  # the model may not have these columns
                names = exported.feature_names_in_.tolist()
                batch = batch.select(names) if is_arrow(batch) else batch[names]
            scores = score_columns(exported, batch)
            if added["doubt"] is not None:
                scores |= added["doubt"].columns(as_matrix(scores))
            if added["reasons"] is not None:
                scores |= added["reasons"].columns(batch, pa.table(scores))
            yield pa.table({**kept, **scores})


class _Scoring:
    """Reading, scoring and writing of all batches, each in its own thread."""

    def __init__(
        self,
        columns: Columns,
        sources: Sequence[Source],
        batch_size: int,
        max_rejects: int,
        progress: Silent,
        stop: Callable[[], bool],
    ) -> None:
        self._columns, self._sources, self._batch_size, self._max_rejects = columns, sources, batch_size, max_rejects
        self._progress, self._stop = progress, stop
        self._counts = Counts(drift=columns.drift.none)
        self._found = found(sources, columns.known)
        # Before anything is read.
        self.before = [source.state() for source in sources]

    def run(self, explain: Callable[[Rows], Rows], write: Callable[[Scored], Any], done: Counts | None = None) -> None:
        """Score all batches except the first ones, which are `done`; they are explained and written meanwhile."""
        n_done = 0 if done is None else done.batches
        self._counts += done or Counts()
        check_number(self._counts.rejected, [], self._max_rejects)
        self._progress.stage("rows", self._n_rows(), self._counts.read)

        def finish(scored: Scored) -> None:
            write(scored._replace(rows=explain(scored.rows)))

        stopped = False
        with (
            contextlib.closing(self._batches()) as all_batches,
            contextlib.closing(ahead(islice(all_batches, n_done, None))) as batches,
            behind(finish) as hand_over,
        ):
            for batch in batches:
                scored = self._columns.scored(batch, self._counts.rejected, self._max_rejects)
                self._counts += Counts.of(scored)
                hand_over(scored)
                self._progress.advance(scored.n_read)
                if stopped := self._stop():
                    break
        # Only after everything that was scored is written.
        if stopped:
            raise StoppedError(f"stopped after {self._counts.read:,} rows")
        self._check()

    def put_together(self, batches: Iterable[Rows], outputs: Outputs) -> None:
        """Write the outputs from the stored rows of all batches."""
        for rows in batches:
            outputs.write(rows)
            if self._stop():
                raise StoppedError(f"stopped while {self._counts.read:,} scored rows were merged")

    def summary(self) -> Summary:
        """The summary of the job."""
        done = Summary.of(self._counts, self._columns.drift)
        versions = {source.path: source.version for source in self._sources if isinstance(source, DeltaRows)}
        return replace(done, warnings=[*self._found, *done.warnings], delta_versions=versions)

    def most_rows(self, fraction: float) -> int | None:
        """The largest number of rows that a fraction of all rows can be; None if it is not known."""
        most = [source.most_rows(self._columns.known) for source in self._sources]
        return None if None in most else how_many(fraction, sum(most))  # type: ignore[arg-type]

    def _batches(self) -> Generator[Batch, None, None]:
        for source in self._sources:
            yield from source.batches(self._columns.wanted, self._columns.known, self._batch_size)

    def _n_rows(self) -> int | None:
        """The number of rows according to the metadata of the sources; None if one has no such metadata."""
        found = [source.n_rows() for source in self._sources]
        return None if None in found else sum(found)  # type: ignore[arg-type]

    def _check(self) -> None:
        """Refuse to finish if the sources have changed or have another number of rows."""
        for source, state in zip(self._sources, self.before, strict=True):
            if source.state() != state:
                raise ValueError(f"{source.path!r} was changed while it was read: nothing was written; score it again.")
        expected = self._n_rows()
        if expected not in (None, self._counts.read):
            raise ValueError(f"{expected:,} rows in, but {self._counts.read:,} rows read; nothing was written.")


def found(sources: Sequence[Source], known: Mapping[str, Mapping]) -> list[str]:
    """What was detected about the format of the files: one sentence for each finding, even if many files share it."""
    files: dict[str, list[str]] = {}
    for source in sources:
        for what in source.found(known) if isinstance(source, File) else ():
            files.setdefault(what, []).append(source.path)
    return [
        f"{paths[0]!r}{f' and {len(paths) - 1:,} more' if len(paths) > 1 else ''} is read {what}"
        for what, paths in files.items()
    ]


def _never() -> bool:
    return False


def _digest(job: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(job, sort_keys=True).encode()).hexdigest()
