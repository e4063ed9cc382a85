"""Students with and without the monotone constraints of their teacher: skill kept, and rows that go against them."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.base import is_classifier
from sklearn.frozen import FrozenEstimator

from benchmarks.answers import measures
from benchmarks.problems import Problem, Split
from benchmarks.runs import Runs, markdown
from tabkd import DistilledClassifier, DistilledRegressor
from tabkd._tables.schema import TableSchema
from tabkd.students import STUDENTS
from tabkd.teachers import DefaultTeacherClassifier, DefaultTeacherRegressor

# A teacher gets as many constraints, on numeric columns whose rank correlation with the target is at least so large.
_MOST_COLUMNS, _LEAST_CORRELATION = 6, 0.05
# Test rows that are moved along each constrained column, over as many quantiles of it.
_ROWS, _STEPS = 500, 25
# A change against a direction that counts: log-odds, or standard deviations of the target. Rounding makes 1e-12.
_TOLERANCE = 1e-9


def run(problems: Iterable[Problem], seeds: int, runs: Runs, students: list[str] | None = None) -> str:
    """Distil each table with and without constraints, and return the table of what was found."""
    for problem in problems:
        if problem.task == "classification" and len(np.unique(problem.y)) > 2:
            print(f"{problem.name} has more than two classes, which have no direction in common.", file=sys.stderr)
            continue
        for seed in range(seeds):
            key = {"table": problem.name, "seed": seed}
            names = [name for name in students or STUDENTS if len(runs.find(**key, student=name)) < 2]
            if names:
                _measure(problem.split(seed), names, key, runs)
    return runs.write_table(table(pd.DataFrame(runs.records)))


def _measure(split: Split, names: list[str], key: dict, runs: Runs) -> None:
    directions = natural_directions(split)
    if not directions:
        print(f"{split.table}: no numeric column has a direction.", file=sys.stderr)
        return
    classification = split.task == "classification"
    kind = DefaultTeacherClassifier if classification else DefaultTeacherRegressor
    teacher = FrozenEstimator(kind(monotonic_cst=directions, random_state=split.seed).fit(split.X_train, split.y_train))
    estimator = DistilledClassifier if classification else DistilledRegressor
    scores = _scores(teacher, split.X_test)
    for name in names:
        for constrained in (False, True):
            given = key | {"student": name, "constrained": constrained}
            if runs.find(**given):
                continue
            model = estimator(
                teacher, student=name, monotonic_cst="teacher" if constrained else None, random_state=split.seed
            )
            model.fit(split.X_train, split.y_train).to_onnx()  # which proves the constraints
            kept = measures(split, _scores(model, split.X_test), scores)["kept"]
            share, largest = breaks(model, split, directions)
            found = {"columns": len(directions), "kept": kept, "rows_with_a_break": share, "largest_break": largest}
            print(runs.add(given | found), file=sys.stderr, flush=True)


def natural_directions(split: Split) -> dict[str, int]:
    """The signs of the rank correlations with the target, for the numeric columns where it is largest."""
    y = split.y_train if split.task == "regression" else split.y_train == split.classes[-1]
    found = {}
    for column in TableSchema.of(split.X_train).columns:
        if column.kind == "numeric":
            values = split.X_train[column.name].to_numpy(dtype=np.float64, na_value=np.nan)
            correlation = spearmanr(values, y, nan_policy="omit").statistic if np.ptp(values[~np.isnan(values)]) else 0
            if abs(correlation) >= _LEAST_CORRELATION:
                found[column.name] = float(correlation)
    strongest = sorted(found, key=lambda name: -abs(found[name]))[:_MOST_COLUMNS]
    return {name: int(np.sign(found[name])) for name in strongest}


def breaks(model, split: Split, directions: dict[str, int]) -> tuple[float, float]:
    """The share of test rows that go against a constraint when one column is moved, and by how much at most."""
    schema = model.schema_
    codes = schema.encode(split.X_test.iloc[:: -(-len(split.X_test) // _ROWS)])
    worst = np.zeros(len(codes))
    for name, direction in directions.items():
        i = schema.names.index(name)
        grid = np.unique(np.nanquantile(codes[:, i], np.linspace(0, 1, _STEPS)))
        moved = np.repeat(codes, len(grid), axis=0)
        moved[:, i] = np.tile(grid, len(codes))
        predicted = _on_a_scale(model, model._scores_of_codes(moved)).reshape(len(codes), len(grid))
        if len(grid) > 1:
            worst = np.maximum(worst, (-direction * np.diff(predicted, axis=1)).max(axis=1))
    return float((worst > _TOLERANCE).mean()), max(0.0, float(worst.max()))


def _on_a_scale(model, scores: np.ndarray) -> np.ndarray:
    """The log-odds of the second class, or values in standard deviations of the target."""
    if is_classifier(model):
        return np.diff(np.log(np.clip(scores, 1e-12, 1)), axis=1)[:, 0]
    return scores[:, 0] / model._student.target_scale_[0]


def _scores(model, X) -> np.ndarray:
    return model.predict_proba(X) if is_classifier(model) else model.predict(X)


def table(frame: pd.DataFrame) -> list[str]:
    """A row for each table and student, means over the seeds; then the medians over the tables for each student."""
    if frame.empty:
        return ["No table has two classes or one target, and a numeric column with a direction."]
    numbers = ["kept", "rows_with_a_break", "largest_break"]
    means = frame.groupby(["student", "table", "constrained"], sort=False)[numbers].mean().unstack("constrained")
    columns = frame.groupby(["student", "table"], sort=False)["columns"].mean()
    rows = []
    for (student, name), values in means.iterrows():
        rows.append([str(name), str(student), f"{columns[(student, name)]:.0f}", *_cells(values)])
    for student, values in means.groupby(level="student", sort=False):
        median = values.median()
        lost = (values["kept"][False] - values["kept"][True]).median()
        rows.append([f"**median of {len(values)}**", str(student), "", *_cells(median, lost)])
    header = ["table", "student", "constraints", "kept, free", "kept, constrained", "lost"]
    header += ["rows with a break, free", "constrained", "largest break, free", "constrained"]
    return markdown(header, rows)


def _cells(values: pd.Series, lost: float | None = None) -> list[str]:
    free, bound = values["kept"][False], values["kept"][True]
    shares = [f"{values['rows_with_a_break'][flag]:.1%}" for flag in (False, True)]
    largest = [f"{values['largest_break'][flag]:.2g}" for flag in (False, True)]
    return [f"{free:.1%}", f"{bound:.1%}", f"{free - bound if lost is None else lost:+.2%}", *shares, *largest]
