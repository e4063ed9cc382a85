"""The jobs of a model, read from their summaries and sorted by time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

_REMEDY = "give files that `tabkd score --summary` wrote"


class Job(NamedTuple):
    """The summary of a job.

    Attributes
    ----------
    path : str
        The file of the summary.
    time : datetime
        When the job began.
    has_time : bool
        Whether the summary has the time; if not, it is the time of the file.
    model, digest : str
        The path of the model, and the SHA-256 of its file; empty if the summary does not have it.
    read, scored, rejected : int
        Numbers of rows.
    alerts : int or None
        The rows that were written as alerts; None if all rows were written.
    threshold : float or None
        The probability from which on rows were alerts.
    scores : float or None
        The stability index of the scores; None if no row was scored.
    columns : dict of str to float or None
        The stability index of each column.
    segments : dict of str to dict of str to float or None
        For each segment column, that of the scores of each level.
    warnings : list of str
        The warnings of the job.
    """

    path: str
    time: datetime
    has_time: bool
    model: str
    digest: str
    read: int
    scored: int
    rejected: int
    alerts: int | None
    threshold: float | None
    scores: float | None
    columns: dict[str, float | None]
    segments: dict[str, dict[str, float | None]]
    warnings: list[str]

    @property
    def worst(self) -> tuple[str, float] | None:
        """The column that moved most, and its index."""
        known = [(name, index) for name, index in self.columns.items() if index is not None]
        return max(known, key=lambda column: column[1], default=None)


def read_jobs(paths: Sequence[Path]) -> list[Job]:
    """The jobs of one model in order of time.

    Parameters
    ----------
    paths : sequence of Path
        Their summaries.

    Raises
    ------
    OSError
        If a file cannot be read.
    ValueError
        If there are fewer than two files, one is not a summary or is given twice, a job has no drift, or the models
        differ.
    """
    if len(paths) < 2:
        raise ValueError(f"there is one summary, {str(paths[0])!r}; drift over time needs two jobs or more.")
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            raise ValueError(f"{str(path)!r} is given twice; give each summary once.")
        seen.add(path.resolve())
    jobs = sorted(map(read_job, paths), key=lambda job: job.time)
    _check_one_model(jobs)
    return jobs


def read_job(path: Path) -> Job:
    """A job from its summary.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is not a summary, or has no drift.
    """
    facts = _facts(path)
    drift, is_alerts = facts["drift"], facts["threshold"] is not None
    columns = {str(name): part["stability_index"] for name, part in drift["columns"].items()}
    scores = drift["score_stability_index"]
    if scores is None and facts["scored"]:
        raise ValueError(
            f"{str(path)!r} has no drift of scores: its model has no training rows to compare with. Export the model "
            "again with this version of tabkd, and score the rows again."
        )
    return Job(
        path=str(path),
        time=_time(path, facts),
        has_time="time" in facts,
        model=str(facts["model"]),
        digest=str(facts.get("model_sha256", "")),
        read=facts["read"],
        scored=facts["scored"],
        rejected=facts["rejected"],
        alerts=facts["written"] if is_alerts else None,
        threshold=facts["threshold"],
        scores=scores,
        columns=columns,
        segments={
            str(column): {str(level["level"]): level["score_stability_index"] for level in levels}
            for column, levels in drift.get("segments", {}).items()
        },
        warnings=[str(warning) for warning in facts["warnings"]],
    )


def _facts(path: Path) -> Mapping[str, Any]:
    try:
        facts = json.loads(path.read_bytes())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{str(path)!r} is not JSON; {_REMEDY}.") from error
    if not isinstance(facts, dict):
        raise ValueError(f"{str(path)!r} is not a summary of a job; {_REMEDY}.")
    for name in ("model", "read", "scored", "rejected", "written", "threshold", "drift", "warnings"):
        if name not in facts:
            raise ValueError(f"{str(path)!r} is not a summary of a job: it has no {name!r}; {_REMEDY}.")
    drift = facts["drift"]
    if not isinstance(drift, dict) or not {"columns", "score_stability_index"} <= drift.keys() or not drift["columns"]:
        raise ValueError(f"{str(path)!r} has no drift: {_REMEDY}, with this version of tabkd.")
    return facts


def _time(path: Path, facts: Mapping[str, Any]) -> datetime:
    if "time" not in facts:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(microsecond=0)
    try:
        time = datetime.fromisoformat(facts["time"])
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{str(path)!r} is not a summary of a job: its time is {facts['time']!r}; {_REMEDY}."
        ) from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _check_one_model(jobs: Sequence[Job]) -> None:
    """Refuse jobs of several models: by the hash of the file or, if that is not known, by its path."""
    first = jobs[0]
    for job in jobs[1:]:
        if (job.digest != first.digest) if job.digest and first.digest else (job.model != first.model):
            raise ValueError(
                f"{job.path!r} is of another model ({_named(job)}) than {first.path!r} ({_named(first)}); each model "
                "has its own training rows, so give the summaries of one model."
            )


def _named(job: Job) -> str:
    return f"{job.model!r}, SHA-256 {job.digest[:8]}…" if job.digest else repr(job.model)
