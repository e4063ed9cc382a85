"""Many jobs together: tables for a terminal and a page."""

from __future__ import annotations

from collections.abc import Sequence

from tabkd._monitor.jobs import Job

#: Columns of the model, and levels of a segment column, that are shown.
MOST_COLUMNS, MOST_LEVELS = 8, 12


def worst_columns(jobs: Sequence[Job]) -> list[str]:
    """The columns with the largest index in any job, the largest first."""
    largest: dict[str, float] = {}
    for job in jobs:
        for name, index in job.columns.items():
            largest[name] = max(largest.get(name, 0.0), index or 0.0)
    return sorted(largest, key=lambda name: -largest[name])[:MOST_COLUMNS]


def segment_columns(jobs: Sequence[Job]) -> list[str]:
    """The columns that any job was scored by."""
    return list(dict.fromkeys(column for job in jobs for column in job.segments))


def levels(jobs: Sequence[Job], column: str) -> list[str]:
    """The levels of a segment column with the largest index in any job, the largest first."""
    largest: dict[str, float] = {}
    for job in jobs:
        for level, index in job.segments.get(column, {}).items():
            largest[level] = max(largest.get(level, 0.0), index or 0.0)
    return sorted(largest, key=lambda level: -largest[level])[:MOST_LEVELS]


def when(job: Job) -> str:
    """The time of a job, to the minute."""
    return f"{job.time:%Y-%m-%d %H:%M}"


def notes(jobs: Sequence[Job]) -> list[str]:
    """What a reader has to know about the jobs as a whole."""
    said = []
    if without := [job for job in jobs if not job.has_time]:
        said.append(
            f"{len(without):,} of {len(jobs):,} summaries do not say when their jobs ran; the time of the file is "
            "used instead."
        )
    if empty := sum(not job.scored for job in jobs):
        said.append(f"{empty:,} of {len(jobs):,} jobs scored no rows, and have no drift.")
    return said


def table(jobs: Sequence[Job]) -> tuple[list[str], list[list[str]]]:
    """A row for each job: headings and cells.

    Parameters
    ----------
    jobs : sequence of Job
        In order of time.
    """
    headings = ["time", "summary", "rows", "rejected", "alerts", "PSI of scores", "column that moved most", "warnings"]
    return headings, [
        [
            when(job),
            job.path,
            f"{job.scored:,}",
            f"{job.rejected:,}",
            _alerts(job),
            psi(job.scores),
            _worst(job),
            f"{len(job.warnings):,}",
        ]
        for job in jobs
    ]


def segment_table(jobs: Sequence[Job], column: str) -> tuple[list[str], list[list[str]]]:
    """The index of the scores of each level: headings, and a row for each job."""
    named = levels(jobs, column)
    return ["time", *named], [
        [when(job), *(psi(job.segments.get(column, {}).get(level)) for level in named)] for job in jobs
    ]


def psi(index: float | None) -> str:
    """A stability index as text."""
    return "–" if index is None else f"{index:.3f}"


def _alerts(job: Job) -> str:
    return "–" if job.alerts is None else f"{job.alerts:,} ({job.alerts / max(job.scored, 1):.2%})"


def _worst(job: Job) -> str:
    return "–" if job.worst is None else f"{job.worst[0]} {job.worst[1]:.3f}"
