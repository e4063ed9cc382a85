"""The drift of many jobs as a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tabkd._monitor.history import levels, notes, segment_columns, segment_table, when, worst_columns
from tabkd._monitor.history import table as job_table
from tabkd._monitor.jobs import Job
from tabkd._page.section import Document, Section, Verdict, percent, table
from tabkd._page.stability import MUCH, SOME, cell, moved
from tabkd._page.timeline import timeline

_PSI = "Dashed lines: some change from 0.1 on, much from 0.25 on."


def document(jobs: Sequence[Job]) -> Document:
    """The whole page.

    Parameters
    ----------
    jobs : sequence of Job
        Two or more, in order of time.
    """
    first, last = jobs[0], jobs[-1]
    n_rows = sum(job.scored for job in jobs)
    made = [_scores(jobs), _columns(jobs), *(_segment(jobs, column) for column in segment_columns(jobs))]
    return Document(
        title=f"Drift of {Path(last.model).name}",
        subtitle=f"{len(jobs):,} jobs from {when(first)} to {when(last)}, {n_rows:,} rows",
        verdict=_verdict(jobs),
        cards=_cards(jobs),
        sections=[*made, _jobs(jobs), *_warnings(jobs)],
    )


def _verdict(jobs: Sequence[Job]) -> Verdict:
    """How far the scores of the last job are from those of training, and what it warned of."""
    last = jobs[-1]
    said = [f"The last job warned: {warning}." for warning in last.warnings] + notes(jobs)
    if last.scores is None:
        return Verdict("care", "The last job scored no rows.", said)
    kind = "bad" if last.scores > MUCH else "care" if last.scores > SOME or last.warnings else "good"
    return Verdict(kind, f"Scores of the last job: {moved(last.scores)}.", said)


def _cards(jobs: Sequence[Job]) -> list[tuple[str, str, str]]:
    """The last job compared with the one before it."""
    before, last = jobs[-2:]
    cards = [
        ("PSI of scores", cell(last.scores)[0], f"before: {cell(before.scores)[0]}"),
        ("rows of the last job", f"{last.scored:,}", f"before: {before.scored:,}"),
    ]
    if last.worst is not None:
        cards.insert(1, ("column that moved most", f"{last.worst[1]:.3f}", last.worst[0]))
    if last.alerts is not None:
        cards.append(("alerts", f"{last.alerts:,}", f"{percent(_rate(last))} of the rows"))
    return cards


def _scores(jobs: Sequence[Job]) -> Section:
    """The index of the scores, the alerts and the volume over time."""
    figures = [("Stability index of scores", _psi_over_time(jobs, lambda job: job.scores), _PSI)]
    if any(job.alerts is not None for job in jobs):
        alerts = _over_time(jobs, lambda job: None if job.alerts is None else float(job.alerts), "alerts")
        rates = _over_time(jobs, lambda job: None if (rate := _rate(job)) is None else 100 * rate, "% of the rows")
        figures += [("Alerts", alerts, ""), ("Share of alerts", rates, "")]
    figures.append(("Volume", _over_time(jobs, lambda job: float(job.scored), "scored rows"), ""))
    if any(job.rejected for job in jobs):
        figures.append(("Rejected rows", _over_time(jobs, lambda job: float(job.rejected), "rows"), ""))
    return Section("Scores and volumes", "Each dot is a job, compared with the training rows of the model.", figures)


def _columns(jobs: Sequence[Job]) -> Section:
    """The columns that moved most: a chart for each, and a table."""
    names = worst_columns(jobs)
    figures = [(name, _psi_over_time(jobs, partial(_column, name=name)), "") for name in names]
    rows = [[when(job), *(cell(_column(job, name)) for name in names)] for job in jobs]
    text = f"The {len(names)} columns with the largest stability index in any job. {_PSI}"
    return Section("Columns that moved most", text, figures, [table(["time", *names], rows)])


def _segment(jobs: Sequence[Job], column: str) -> Section:
    """The index of the scores by the levels of a segment column."""
    names = levels(jobs, column)
    # Without limits, from which many levels are far at any time.
    of = [partial(_level, column=column, level=name) for name in names]
    figures = [(name, _over_time(jobs, level, "stability index"), "") for name, level in zip(names, of, strict=True)]
    text = (
        "Stability index of the scores of each level, against all training rows: a level may differ from them from the "
        "start, so look for changes over time."
    )
    return Section(f"By {column}", text, figures, [table(*segment_table(jobs, column))])


def _jobs(jobs: Sequence[Job]) -> Section:
    """A row for each job."""
    headings, rows = job_table(jobs)
    return Section("Jobs", tables=[table(headings, rows)])


def _warnings(jobs: Sequence[Job]) -> list[Section]:
    """What the jobs warned of, the last one first."""
    rows = [[when(job), (warning, "text")] for job in reversed(jobs) for warning in job.warnings]
    return [Section("Warnings", tables=[table(["time", "warning"], rows)])] if rows else []


def _column(job: Job, name: str) -> float | None:
    return job.columns.get(name)


def _level(job: Job, column: str, level: str) -> float | None:
    return job.segments.get(column, {}).get(level)


def _rate(job: Job) -> float | None:
    return None if job.alerts is None or not job.scored else job.alerts / job.scored


def _over_time(jobs: Sequence[Job], of: Callable[[Job], float | None], label: str, **options: Any) -> Any:
    return timeline([job.time for job in jobs], [of(job) for job in jobs], label, **options)


def _psi_over_time(jobs: Sequence[Job], of: Callable[[Job], float | None]) -> Any:
    return _over_time(jobs, of, "stability index", limits=(SOME, MUCH), least=0.3)
