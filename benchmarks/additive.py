"""The additive student beside the MLP and an EBM: skill kept, bytes, rows per second, and how it compares with the MLP.

The EBM (explainable boosting machine) of InterpretML is the usual additive model with pairs. It learns from the labels,
the students from the teacher. Its bytes are those of a joblib file, since it has no other.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from statistics import median
from typing import Any, NamedTuple

import pandas as pd
from sklearn.frozen import FrozenEstimator

from benchmarks.answers import measures
from benchmarks.fidelity import EBM, TEACHER, Contest
from benchmarks.problems import Problem, Split
from benchmarks.reasons import rate
from benchmarks.rivals import fitted_ebm
from benchmarks.runs import Runs, markdown
from tabkd import DistilledClassifier, DistilledRegressor, ExportedStudent
from tabkd.students import AdditiveStudent, MLPStudent, Student

MLP, ADDITIVE = "tabkd MLP", "tabkd additive"
STUDENTS: dict[str, type[Student]] = {MLP: MLPStudent, ADDITIVE: AdditiveStudent}
_TIMED_ROWS = 20_000
# Rows that the additive student and the MLP score at a time, and how often each does.
_CALLS = {1: 500, 1000: 50, 100_000: 5}


def run(problems: Iterable[Problem], seeds: int, runs: Runs, quick: bool) -> str:
    """Measure what `runs` does not have yet, and return the table in Markdown."""
    has_ebm = find_spec("interpret") is not None
    if not has_ebm:
        print("interpret is not installed, so there is no EBM: pip install interpret-core.", file=sys.stderr)
    contestants = [TEACHER, *STUDENTS, *[EBM] * has_ebm]
    for problem in problems:
        for seed in range(seeds):
            key = {"table": problem.name, "seed": seed, "quick": quick}
            missing = [name for name in contestants if not runs.find(**key, contestant=name)]
            if missing:
                models = Models(Contest(problem.split(seed), None), quick)
            for name in missing:
                record = key | {"contestant": name} | _measured(name, models)
                print(runs.add(record), file=sys.stderr, flush=True)
    return runs.write_table(table(runs.find(quick=quick)))


class Fitted(NamedTuple):
    """Probabilities or values by a model, its bytes, and the test rows as it takes them."""

    predict: Callable
    n_bytes: int | None
    X_test: pd.DataFrame


class Models:
    """The models of one contest, each fitted when it is first asked for."""

    def __init__(self, contest: Contest, quick: bool):
        self.contest, self.quick = contest, quick
        self._fitted: dict[str, Fitted] = {}

    def __getitem__(self, name: str) -> Fitted:
        if name not in self._fitted:
            self._fitted[name] = self._fit(name)
        return self._fitted[name]

    def _fit(self, name: str) -> Fitted:
        split, teacher = self.contest.split, self.contest.teacher
        if name == TEACHER:
            return Fitted(_predict(teacher, split), None, split.X_test)
        if name == EBM:
            return Fitted(*fitted_ebm(split))
        estimator = DistilledRegressor if split.task == "regression" else DistilledClassifier
        student, n_synthetic = STUDENTS[name](random_state=split.seed), 2000 if self.quick else "auto"
        model = estimator(FrozenEstimator(teacher), student=student, n_synthetic=n_synthetic, random_state=split.seed)
        content = model.fit(split.X_train, split.y_train).to_onnx().SerializeToString()
        return Fitted(_predict(ExportedStudent(content), split), len(content), split.X_test)


def _predict(model: Any, split: Split) -> Callable:
    return model.predict if split.task == "regression" else model.predict_proba


def _measured(name: str, models: Models) -> dict[str, Any]:
    fitted, contest = models[name], models.contest
    kept = measures(contest.split, fitted.predict(fitted.X_test), contest.teacher_scores)["kept"]
    many = fitted.X_test.sample(100 if models.quick else _TIMED_ROWS, replace=True, random_state=0)
    found = {"kept": kept, "n_bytes": fitted.n_bytes, "rows_per_second": rate(fitted.predict, many)}
    return found | (_beside(models) if name == ADDITIVE else {})


def _beside(models: Models) -> dict[str, float]:
    """How many times as fast as the MLP the additive student is, by rows at a time."""
    one, other = models[ADDITIVE], models[MLP]
    found = {}
    for n_rows, calls in _CALLS.items():
        X = one.X_test.sample(min(n_rows, 100) if models.quick else n_rows, replace=True, random_state=0)
        found[f"times_mlp_{n_rows}"] = speedup(one.predict, other.predict, X, 3 if models.quick else calls)
    return found


def speedup(score: Callable, other: Callable, X: pd.DataFrame, calls: int) -> float:
    """The time of `other` in that of `score`: medians of calls in turn, so that both meet the same disturbances."""
    seconds: dict[Callable, list[float]] = {score: [], other: []}
    for _ in range(calls):
        for call, taken in seconds.items():
            start = time.perf_counter()
            call(X)
            taken.append(time.perf_counter() - start)
    return median(seconds[other]) / median(seconds[score])


def table(records: list[dict]) -> list[str]:
    """A row for each table and contestant, medians over the seeds; then the median and the least over the tables."""
    if not records:
        return ["Nothing was measured."]
    frame = pd.DataFrame(records)
    numbers = frame.columns.difference(["table", "seed", "quick", "contestant"])
    medians = frame.groupby(["table", "contestant"], sort=False)[list(numbers)].median()
    rows = [[str(name), str(who), *_cells(who, values)] for (name, who), values in medians.iterrows()]
    for who, values in medians.groupby("contestant", sort=False):
        for title, found in (("median", values.median()), ("least", values.min())):
            rows.append([f"**{title} of {len(values)}**", str(who), *_cells(who, found)])
    times = "times as fast as the MLP at " + " / ".join(f"{n:,}" for n in _CALLS) + " rows"
    return markdown(["table", "contestant", "skill kept", "bytes", "rows/s", times], rows)


def _cells(who: str, values: pd.Series) -> list[str]:
    size = "" if pd.isna(values["n_bytes"]) else f"{values['n_bytes'] / 1000:,.1f} KB" + " (joblib)" * (who == EBM)
    times = " / ".join(f"{values[f'times_mlp_{n}']:.2f}" for n in _CALLS) if who == ADDITIVE else ""
    return [f"{values['kept']:.1%}", size, f"{values['rows_per_second']:,.0f}", times]
