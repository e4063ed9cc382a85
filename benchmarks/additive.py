"""The additive student beside the MLP and an EBM: skill kept, bytes and rows per second.

The EBM (explainable boosting machine) of InterpretML is the usual additive model with pairs. It learns from the labels,
the students from the teacher. Its bytes are those of a joblib file, since it has no other.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from importlib.util import find_spec
from io import BytesIO
from typing import Any

import joblib
import pandas as pd
from sklearn.frozen import FrozenEstimator

from benchmarks.answers import measures
from benchmarks.fidelity import TEACHER, Contest, plain
from benchmarks.problems import Problem, Split
from benchmarks.reasons import rate
from benchmarks.runs import Runs, markdown
from tabkd import DistilledClassifier, DistilledRegressor, ExportedStudent
from tabkd._tables.schema import TableSchema
from tabkd.students import AdditiveStudent, MLPStudent, Student

STUDENTS: dict[str, Callable[[], Student]] = {
    "tabkd MLP": MLPStudent,
    "tabkd additive, no pairs": partial(AdditiveStudent, n_pairs=0),
    "tabkd additive": AdditiveStudent,
}
EBM = "EBM on labels"
_TIMED_ROWS = 20_000


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
            contest = Contest(problem.split(seed), None) if missing else None
            for name in missing:
                record = key | {"contestant": name} | _measured(name, contest, quick)
                print(runs.add(record), file=sys.stderr, flush=True)
    return runs.write_table(table(runs.find(quick=quick)))


def _measured(name: str, contest: Contest, quick: bool) -> dict[str, Any]:
    split = contest.split
    model, n_bytes, X_test = _fitted(name, contest, quick)
    predict = model.predict if split.task == "regression" else model.predict_proba
    kept = measures(split, predict(X_test), contest.teacher_scores)["kept"]
    many = X_test.sample(100 if quick else _TIMED_ROWS, replace=True, random_state=0)
    return {"kept": kept, "n_bytes": n_bytes, "rows_per_second": rate(predict, many)}


def _fitted(name: str, contest: Contest, quick: bool) -> tuple[Any, int | None, pd.DataFrame]:
    """A model, its bytes, and the test rows as it takes them."""
    split = contest.split
    if name == TEACHER:
        return contest.teacher, None, split.X_test
    if name == EBM:
        return fitted_ebm(split)
    estimator = DistilledRegressor if split.task == "regression" else DistilledClassifier
    student, n_synthetic = STUDENTS[name]().set_params(random_state=split.seed), 2000 if quick else "auto"
    teacher = FrozenEstimator(contest.teacher)
    model = estimator(teacher, student=student, n_synthetic=n_synthetic, random_state=split.seed)
    content = model.fit(split.X_train, split.y_train).to_onnx().SerializeToString()
    return ExportedStudent(content), len(content), split.X_test


def fitted_ebm(split: Split) -> tuple[Any, int, pd.DataFrame]:
    """An EBM with its defaults, the bytes of its joblib file, and the test rows as it takes them."""
    from interpret.glassbox import ExplainableBoostingClassifier, ExplainableBoostingRegressor

    columns = TableSchema.of(split.X_train)
    numeric, nominal = ([c.name for c in columns.columns if c.kind == kind] for kind in ("numeric", "categorical"))
    X_train, X_test = (plain(X, numeric, nominal, columns) for X in (split.X_train, split.X_test))
    kind = ExplainableBoostingRegressor if split.task == "regression" else ExplainableBoostingClassifier
    types = ["continuous"] * len(numeric) + ["nominal"] * len(nominal)
    model = kind(feature_types=types, random_state=split.seed).fit(X_train, split.y_train)
    file = BytesIO()
    joblib.dump(model, file)
    return model, file.tell(), X_test


def table(records: list[dict]) -> list[str]:
    """A row for each table and contestant, medians over the seeds; then the median and the least over the tables."""
    if not records:
        return ["Nothing was measured."]
    frame = pd.DataFrame(records)
    numbers = ["kept", "n_bytes", "rows_per_second"]
    medians = frame.groupby(["table", "contestant"], sort=False)[numbers].median()
    rows = [[str(name), str(who), *_cells(who, values)] for (name, who), values in medians.iterrows()]
    for who, values in medians.groupby("contestant", sort=False):
        for title, found in (("median", values.median()), ("least", values.min())):
            rows.append([f"**{title} of {len(values)}**", str(who), *_cells(who, found)])
    return markdown(["table", "contestant", "skill kept", "bytes", "rows/s"], rows)


def _cells(who: str, values: pd.Series) -> list[str]:
    size = "" if pd.isna(values["n_bytes"]) else f"{values['n_bytes'] / 1000:,.1f} KB" + " (joblib)" * (who == EBM)
    return [f"{values['kept']:.1%}", size, f"{values['rows_per_second']:,.0f}"]
