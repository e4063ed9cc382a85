"""Compare two models on rows, in one pass."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tabkd._compare.alerts import Alerts
from tabkd._compare.by_level import by_level
from tabkd._compare.comparison import ScoreComparison
from tabkd._compare.models import Model, Student, as_old, as_student
from tabkd._compare.one_pass import ScoredRows, Source, read
from tabkd._compare.places import Places
from tabkd._compare.rows_in_memory import in_memory
from tabkd._compare.score_shift import differences, stability
from tabkd._compare.speed import speed
from tabkd._options import option
from tabkd._progress import Silent
from tabkd._review import BUDGETS, check_budgets
from tabkd.batch._databases import find_sources
from tabkd.batch._dialect import Dialect
from tabkd.batch._scoring_options import as_paths, check_least, check_segment
from tabkd.batch._sources import in_dialect
from tabkd.scoring import ExportedStudent


def compare(
    old: Any,
    new: ExportedStudent | str | os.PathLike,
    rows: Any,
    *,
    review: Iterable[float] | None = None,
    threshold: float | None = None,
    segment: Sequence[str] = (),
    query: str | None = None,
    batch_size: int = 65_536,
    max_rejects: int = 0,
    delimiter: str | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    encoding: str | None = None,
    timing: bool = True,
    progress: Silent | None = None,
) -> ScoreComparison:
    """Find what changes when a student replaces a model: which alerts come and go, where, and how far scores move.

    All rows are read once. Their scores are kept, 4 bytes for each row and model where float32 holds them exactly,
    and a byte for each column of the rows that may alert.

    Parameters
    ----------
    old : ExportedStudent, path-like, estimator or str
        The model that is replaced: an exported student or its path; a fitted estimator, which gets pandas frames, or
        arrays if the student was fitted on arrays; or "column:NAME" for a column of the rows with its scores.
    new : ExportedStudent or path-like
        The student that replaces it.
    rows : frame, Arrow table, array, or list of path-like
        The rows: in memory, or files, folders, globs, URLs or a database, as for `tabkd.batch.score_dataset`.
    review : iterable of float, optional
        Review budgets: the shares of rows with the highest scores that become alerts. By default 0.001, 0.005, 0.01 and
        0.05, unless a threshold is given.
    threshold : float, optional
        The score from which the old model alerts: one more budget, as large as the share of the rows that reach it.
        The columns of all rows are then kept.
    segment : sequence of str
        Columns of the rows; alerts and scores are also compared for each of their 20 most frequent values.
    query : str, optional
        The query that selects the rows of a database.
    batch_size : int, default=65536
        Approximate number of rows in memory at a time.
    max_rejects : int, default=0
        Maximum number of rows that one of the models cannot score; they are left out of all numbers.
    delimiter, decimal, thousands, encoding : optional
        How a CSV is written; see `tabkd.batch.score_dataset`.
    timing : bool, default=True
        Whether to measure speed, which takes about two seconds.
    progress : tabkd._progress.Silent, optional
        Receives the numbers of rows.

    Returns
    -------
    ScoreComparison
        What was found; it shows itself in a console and in a notebook.

    Raises
    ------
    OSError, ValueError
        A model cannot be read, or has more than two classes or more than one target; the two predict different things;
        a column is missing, or more rows than `max_rejects` cannot be scored; a budget is not between 0 and 1, or no
        row reaches the threshold; `query` or options of a CSV are given for rows in memory.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from tabkd import DistilledClassifier, ExportedStudent, compare
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> teacher = RandomForestClassifier(20, random_state=0).fit(X, y)
    >>> model = DistilledClassifier(teacher, student="tree", n_synthetic=1000, random_state=0).fit(X, y)
    >>> student = ExportedStudent(model.to_onnx().SerializeToString())
    >>> found = compare(student, student, X, review=[0.1], timing=False)
    >>> found.review[0]["alerts"], found.review[0]["go"], found.psi
    (57.0, 0.0, 0.0)
    """
    budgets = () if review is None and threshold is not None else check_budgets(BUDGETS if review is None else review)
    check_least("batch_size", batch_size, 1)
    check_least("max_rejects", max_rejects, 0)
    check_segment(segment)
    new_model = as_student(new, "new")
    old_model = as_old(old, new_model)
    places = Places(new_model.exported)
    scored = read(
        old_model,
        new_model,
        _sources(rows, new_model, query, Dialect(delimiter, decimal, thousands, encoding)),
        places,
        segments=list(dict.fromkeys(segment)),
        budget=1.0 if threshold is not None else budgets[-1],
        batch_size=batch_size,
        max_rejects=max_rejects,
        progress=progress or Silent(),
    )
    if threshold is not None:
        budgets = tuple(sorted({*budgets, _share_from(threshold, scored.old)}))
    alerts = [Alerts(scored, budget) for budget in budgets]
    why = _another_scale(old_model, new_model, scored)
    moved = None if why else stability(scored)
    return ScoreComparison(
        task=new_model.task,
        old=old_model.name,
        new=new_model.name,
        n_rows=len(scored.old),
        n_rejected=scored.n_rejected,
        review=[of_budget.entry(places, scored.bins) for of_budget in alerts],
        psi=None if moved is None else moved.psi,
        distribution=None if moved is None else moved.distribution(),
        differences=None if why else differences(scored),
        segments={found.column: by_level(found, alerts, moved) for found in scored.levels},
        speed=speed(old_model, new_model, scored) if timing else None,
        reasons=dict.fromkeys(("psi", "distribution", "differences"), why) if why else {},
    )


def _sources(rows: Any, new: Student, query: str | None, dialect: Dialect) -> Sequence[Source]:
    given = in_memory(rows, new.wanted)
    if given is None:
        return in_dialect(find_sources(as_paths(rows, "rows"), query), dialect)
    if query is not None:
        raise ValueError(f"{option('query')} is for a database, and rows is a table in memory; leave it out.")
    return in_dialect([given], dialect)


def _share_from(threshold: float, scores: np.ndarray) -> float:
    """The share of the rows whose scores reach a threshold."""
    # In float64, as `tabkd score --threshold` compares.
    n = int(np.count_nonzero(scores >= np.float64(threshold)))
    if not n:
        highest = f"the highest score of the old model is {scores.max():.6g}"
        raise ValueError(f"no row reaches {option('threshold', threshold)}; {highest}.")
    return n / len(scores)


def _another_scale(old: Model, new: Student, scored: ScoredRows) -> str | None:
    """Why the scores themselves are not compared, but only which rows have the highest ones."""
    if new.task != "classification" or (scored.old.min() >= 0 and scored.old.max() <= 1):
        return None
    return f"the scores of {old.name} are not probabilities, so only the order of the rows is compared"
