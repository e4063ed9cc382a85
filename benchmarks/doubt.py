"""Whether fresh rows are as near to the teacher as a student's doubt states, and how wide the stated points are."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.frozen import FrozenEstimator

from benchmarks.problems import Problem, Split
from benchmarks.runs import Runs, markdown
from tabkd import DistilledClassifier, DistilledRegressor
from tabkd._doubt import LEVELS, banded, measured_doubt
from tabkd.teachers import DefaultTeacherClassifier, DefaultTeacherRegressor

# Ways to divide the test rows into measured and fresh ones: the guarantee is an average over measured rows.
_DIVISIONS = 500


def run(problems: Iterable[Problem], seeds: int, runs: Runs, students: Sequence[str], quick: bool) -> str:
    """Measure what `runs` does not hold yet; return the table in Markdown."""
    for problem in problems:
        for seed in range(seeds):
            key = {"table": problem.name, "seed": seed, "quick": quick}
            missing = [name for name in students if not runs.find(**key, student=name)]
            if missing:
                _measure(problem.split(seed), missing, key, runs)
    return runs.write_table(table(runs.find(quick=quick)))


def _measure(split: Split, names: list[str], key: dict[str, Any], runs: Runs) -> None:
    regression = split.task == "regression"
    teacher = (DefaultTeacherRegressor if regression else DefaultTeacherClassifier)(random_state=split.seed)
    teacher.fit(split.X_train, split.y_train)
    kind = DistilledRegressor if regression else DistilledClassifier
    for name in names:
        model = kind(
            FrozenEstimator(teacher),
            student=name,
            n_synthetic=2000 if key["quick"] else "auto",
            random_state=split.seed,
        ).fit(split.X_train, split.y_train)
        scores = [
            each.predict(split.X_test)[:, None] if regression else each.predict_proba(split.X_test)
            for each in (model, teacher)
        ]
        found = coverage(*scores, split.task, model._training_scores)
        print(runs.add(key | {"student": name} | found), file=sys.stderr, flush=True)


def coverage(
    student: np.ndarray, teacher: np.ndarray, task: str, training: np.ndarray, n_divisions: int = _DIVISIONS
) -> dict[str, Any]:
    """The shares of fresh rows within the stated points, over all rows and in the band where it is lowest.

    Half of the rows, whose scores are (n, K), are measured and the other half are fresh, in many ways. Rows of a band
    without a point do not count; their share is `silent`. The width is the median point of the fresh rows: in
    probability, or in standard deviations of the values.
    """
    rng, n = np.random.default_rng(0), len(student)
    differences = np.abs(student - teacher).max(axis=1)
    scale = 1.0 if task == "classification" else max(float(teacher.std()), 1e-300)
    within: dict[str, list[np.ndarray]] = {level: [] for level in LEVELS}
    rows: dict[str, list[np.ndarray]] = {level: [] for level in LEVELS}
    widths: dict[str, list[float]] = {level: [] for level in LEVELS}
    silent: dict[str, list[float]] = {level: [] for level in LEVELS}
    for _ in range(n_divisions):
        measured, fresh = np.split(rng.permutation(n), [n // 2])
        doubt = measured_doubt(student[measured], teacher[measured], task, training)
        assert doubt is not None  # there is one target
        bands, count = np.searchsorted(doubt["edges"], banded(student[fresh], task)), len(doubt["bands"])
        for level in LEVELS:
            points = np.array([band[level] for band in doubt["bands"]], dtype=np.float64)[bands]
            stated = ~np.isnan(points)
            held = differences[fresh] <= points
            within[level].append(np.bincount(bands[stated & held], minlength=count))
            rows[level].append(np.bincount(bands[stated], minlength=count))
            silent[level].append(1 - stated.mean())
            widths[level].append(float(np.median(points[stated])) / scale if stated.any() else np.nan)
    found: dict[str, Any] = {"rows": n - n // 2, "bands": count}
    for level in LEVELS:
        hits, all_rows = np.sum(within[level], axis=0), np.sum(rows[level], axis=0)
        shares = np.divide(hits, all_rows, out=np.full(count, np.nan), where=all_rows > 0)
        stated = all_rows > 0
        found |= {
            f"within_{level}": hits.sum() / all_rows.sum() if stated.any() else np.nan,
            f"lowest_{level}": float(shares[stated].min()) if stated.any() else np.nan,
            f"width_{level}": float(np.nanmedian(widths[level])) if stated.any() else np.nan,
            f"silent_{level}": float(np.mean(silent[level])),
        }
    return found


def table(records: Sequence[dict[str, Any]]) -> list[str]:
    """A row for each table and student, means over the seeds; then the least of all and the median width."""
    if not records:
        return ["There are no tables."]
    names = [f"{measure}_{level}" for level in LEVELS for measure in ("within", "lowest", "width", "silent")]
    frame = pd.DataFrame(records).astype(dict.fromkeys(names, np.float64))
    means = frame.groupby(["table", "student"], sort=False)[["rows", "bands", *names]].mean()
    rows = [
        [*map(str, key), f"{r['rows']:,.0f}", f"{r['bands']:.0f}", *(c for level in LEVELS for c in _cells(r, level))]
        for key, r in means.iterrows()
    ]
    for student, values in means.groupby(level="student", sort=False):
        middle = values.median()
        cells = [c for level in LEVELS for c in _cells(middle, level)]
        rows.append([f"**median of {len(values)}**", str(student), f"{middle['rows']:,.0f}", "", *cells])
    header = ["table", "student", "fresh rows", "bands"]
    for level in LEVELS:
        header += [f"within the {level[:-1]} % point", "lowest band", "median width", "no point"]
    return markdown(header, rows)


def _cells(values: pd.Series, level: str) -> list[str]:
    formats = {"within": ".1%", "lowest": ".1%", "width": ".2g", "silent": ".1%"}
    found = [(values[f"{measure}_{level}"], form) for measure, form in formats.items()]
    return ["–" if np.isnan(value) else format(value, form) for value, form in found]
