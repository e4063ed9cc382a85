"""One pass over the rows: the scores of both models for each row, and the bins of the rows that may alert."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from tabkd._compare.models import Model, Student
from tabkd._compare.places import Places
from tabkd._compare.segments import Levels
from tabkd._options import option
from tabkd._progress import Silent
from tabkd._review import n_alerts
from tabkd.batch._alerts import Highest
from tabkd.batch._overlap import ahead
from tabkd.batch._rejects import Reject
from tabkd.batch._scored import check_present
from tabkd.batch._sources import Batch

# Rows that both models are timed on.
_TIMED = 256


class Source(Protocol):
    """What rows are read from: a file, a query, or a table in memory."""

    path: Any

    def types(self, known: Mapping[str, Mapping]) -> dict[str, pa.DataType]:
        """The columns with their types."""

    def n_rows(self) -> int | None:
        """The number of rows, if it is known."""

    def most_rows(self, known: Mapping[str, Mapping]) -> int | None:
        """The largest possible number of rows, if it is known."""

    def batches(self, columns: Sequence[str], known: Mapping[str, Mapping], rows: int) -> Iterator[Batch]:
        """The rows."""


@dataclass
class ScoredRows:
    """What is kept of all rows.

    Attributes
    ----------
    old, new : ndarray of shape (n,)
        The scores: float32 if it holds them exactly, otherwise float64.
    levels : list of Levels
        The level of each row in each segment column.
    candidates : ndarray of int64 of shape (m,)
        The rows that may be alerts, by their place among all rows.
    bins : ndarray of uint8 of shape (m, d)
        Their bin in each column; see `Places`.
    n_rejected : int
        The rows that have no score.
    sample : pyarrow.Table
        Some rows, at least one.
    """

    old: np.ndarray
    new: np.ndarray
    levels: list[Levels]
    candidates: np.ndarray
    bins: np.ndarray
    n_rejected: int
    sample: pa.Table


def read(
    old: Model,
    new: Student,
    sources: Sequence[Source],
    places: Places,
    *,
    segments: Sequence[str],
    budget: float,
    batch_size: int,
    max_rejects: int,
    progress: Silent,
) -> ScoredRows:
    """Score all rows by both models.

    Parameters
    ----------
    old, new : Model
        The models.
    sources : sequence of Source
        The rows.
    places : Places
        The bins of the columns.
    segments : sequence of str
        Columns that rows are grouped by.
    budget : float
        The largest share of the rows that alert.
    batch_size : int
        About how many rows are in memory at a time.
    max_rejects : int
        Maximum number of rows without a score.
    progress : Silent
        Receives the numbers of rows.

    Raises
    ------
    ValueError
        If a column is missing, or too many rows have no score.
    """
    known = {**old.known, **new.known}
    types = {source.path: source.types(known) for source in sources}
    for model in (old, new):
        model.check(types)
    for source, present in types.items():
        check_present("segment", segments, source, list(present))
    wanted = list(dict.fromkeys([*new.wanted, *old.wanted, *segments]))
    most = _most_alerts(sources, known, budget)
    highest = None if most is None else (Highest(most), Highest(most))
    levels = [Levels(name) for name in segments]
    kept: list[tuple[np.ndarray, ...]] = []
    sample: pa.Table | None = None
    n_rows, rejects, first = 0, 0, None
    progress.stage("rows", _sum(source.n_rows() for source in sources))
    batches = (batch for source in sources for batch in source.batches(wanted, known, batch_size))
    with contextlib.closing(ahead(batches)) as waiting:
        for batch in waiting:
            n_read = batch.table.num_rows + len(batch.rejects)
            scores, table, wrong = _scored_by_both(old, new, batch)
            rejects, first = rejects + len(wrong), first or next(iter(wrong), None)
            _check_number(rejects, first, max_rejects)
            mine = _may_alert(scores, highest)
            kept.append((*map(_narrow, scores), n_rows + mine, places.of(table.take(pa.array(mine)))))
            for of_column in levels:
                of_column.add(table.column(of_column.column))
            sample = table.slice(0, _TIMED) if sample is None and len(table) else sample
            n_rows += len(table)
            progress.advance(n_read)
    if sample is None:
        raise ValueError(f"there are no rows with scores to compare; {rejects:,} were rejected.")
    old_scores, new_scores, candidates, bins = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    return ScoredRows(old_scores, new_scores, levels, candidates, bins, rejects, sample)


def _scored_by_both(old: Model, new: Student, batch: Batch) -> tuple[list[np.ndarray], pa.Table, list[Reject]]:
    """The scores of the rows that have one of each model, these rows, and the others."""
    rejects = list(batch.rejects)
    of_new, wrong = new.scored(batch)
    batch, rejects = _without(batch, wrong), rejects + wrong
    of_old, wrong = old.scored(batch)
    if wrong:
        of_new = of_new[~np.isin(batch.positions, [reject.row for reject in wrong])]
        batch, rejects = _without(batch, wrong), rejects + wrong
    return [of_old, of_new], batch.table, rejects


def _may_alert(scores: list[np.ndarray], highest: tuple[Highest, Highest] | None) -> np.ndarray:
    """The rows of a batch that may be among the alerts of one of the models, judging by the rows so far."""
    if highest is None:
        return np.arange(len(scores[0]))
    may = np.zeros(len(scores[0]), bool)
    for of_model, values in zip(highest, scores, strict=True):
        of_model.add(values)
        may |= values >= of_model.least
    return np.flatnonzero(may)


def _without(batch: Batch, rejects: list[Reject]) -> Batch:
    if not rejects:
        return batch
    good = ~np.isin(batch.positions, [reject.row for reject in rejects])
    return batch._replace(table=batch.table.filter(pa.array(good)), positions=batch.positions[good])


def _narrow(scores: np.ndarray) -> np.ndarray:
    """The scores as float32, if it holds them exactly, as those of ONNX Runtime."""
    narrow = scores.astype(np.float32)
    return narrow if np.array_equal(narrow, scores) else scores


def _most_alerts(sources: Sequence[Source], known: Mapping[str, Mapping], budget: float) -> int | None:
    """The largest possible number of alerts; None if it is not known before all rows are read."""
    most = _sum(source.most_rows(known) for source in sources)
    return None if most is None else int(n_alerts(budget, most)) + 1


def _sum(numbers: Iterator[int | None]) -> int | None:
    found = list(numbers)
    known = [number for number in found if number is not None]
    return sum(known) if len(known) == len(found) else None


def _check_number(n: int, first: Reject | None, most: int) -> None:
    if n > most:
        raise ValueError(
            f"{first}. At least {n:,} rows cannot be scored, and {option('max_rejects')} is {most:,}. Raise it to "
            "leave them out, or correct the rows; `tabkd score --rejects` lists them."
        )
