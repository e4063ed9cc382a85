"""How right, how exact and how fast the contributions of columns are.

The reference are Shapley values of the student itself, sampled from its predictions alone: by permutations of the
columns from background rows to a row, as `shap.explainers.Permutation` does. The tests compare it with shap.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from scipy.stats import rankdata
from sklearn.frozen import FrozenEstimator

from benchmarks.problems import Problem, Split, problems
from benchmarks.runs import Runs, markdown
from tabkd import DistilledClassifier, DistilledRegressor, ExportedStudent
from tabkd.students import STUDENTS, Student
from tabkd.teachers import DefaultTeacherClassifier, DefaultTeacherRegressor

# Permutations of the reference, the rows that are explained, and how many reasons users ask for.
_PERMUTATIONS, _ROWS, _TOP = 2048, 64, 4
_TIMED_ROWS, _SECONDS = 20_000, 3.0


def run(data_dir: Path | None, datasets: list[str] | None, max_rows: int, output: Path | None, quick: bool) -> str:
    """Measure what `output` does not hold yet, every student on every table; return the table in Markdown."""
    runs = Runs(output, "reasons")
    for problem in problems(data_dir, datasets, max_rows):
        _measure(problem, runs, quick)
    return runs.write_table(table(runs.find(quick=quick)))


def _measure(problem: Problem, runs: Runs, quick: bool) -> None:
    keys = [{"table": problem.name, "student": name, "quick": quick} for name in STUDENTS]
    if all(runs.find(**key) for key in keys):
        return
    split = problem.split(0)
    regression = split.task == "regression"
    teacher = (DefaultTeacherRegressor if regression else DefaultTeacherClassifier)(random_state=0)
    teacher.fit(split.X_train, split.y_train)
    for key in keys:
        found = runs.once(key, lambda key=key: measure(teacher, key["student"], split, quick))
        print(found, file=sys.stderr, flush=True)


def measure(teacher: object, name: str, split: Split, quick: bool) -> dict[str, float]:
    """The measures of one student of a teacher."""
    kind = DistilledRegressor if split.task == "regression" else DistilledClassifier
    model = kind(FrozenEstimator(teacher), student=name, n_synthetic=2000 if quick else "auto", random_state=0)
    model.fit(split.X_train, split.y_train)
    n_bytes = len(model.to_onnx().SerializeToString())
    content = model.to_onnx(contributions=True).SerializeToString()
    student, exported = model.student_, ExportedStudent(content)
    rows = split.X_test.iloc[: 8 if quick else _ROWS]
    reference = sampled(student, model.schema_.encode(rows), 64 if quick else _PERMUTATIONS)
    found = exported.contributions(rows).values.reshape(*rows.shape, -1).transpose(0, 2, 1)
    rank, top = agreement(found, reference)
    many = split.X_test.sample(100 if quick else _TIMED_ROWS, replace=True, random_state=0)
    predict = exported.predict if split.task == "regression" else exported.predict_proba
    return {
        "columns": rows.shape[1],
        "scores": found.shape[1],
        "spearman": rank,
        "top": top,
        "additivity": model.parity_["additivity"],
        "rows_per_second": rate(predict, many),
        "explained_per_second": rate(lambda X: exported.output(X, "contributions"), many),
        "n_bytes": n_bytes,
        "explained_bytes": len(content),
    }


def sampled(student: Student, codes: np.ndarray, n_permutations: int, seed: int = 0) -> np.ndarray:
    """Shapley values of a student's raw scores for rows, (n, M, d), from `n_permutations` walks of each.

    Each permutation is also walked backwards, and each pair of walks starts from one row of the background in turn.
    """
    rng = np.random.default_rng(seed)
    n, d = codes.shape
    background = student.background_[rng.permutation(len(student.background_))]
    out = np.zeros((n, len(student.base_values()), d))
    for k in range(n_permutations // 2):
        order, other = rng.permutation(d), background[k % len(background)]
        for way in (order, order[::-1]):
            taken = np.argsort(way)[None, :] < np.arange(d + 1)[:, None]
            rows = np.where(taken, codes[:, None], other).reshape(-1, d)
            scores = student.raw_scores(rows).reshape(n, d + 1, -1)
            out[:, :, way] += np.diff(scores, axis=1).transpose(0, 2, 1)
    return out / (n_permutations // 2 * 2)


def agreement(found: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """The mean rank correlation over the columns, and the share of the top columns in common; both are (n, M, d).

    The top columns are those that push a score up most. Columns that contribute nothing to any row are left out.
    """
    used = np.abs(reference).max(axis=(0, 1)) > 0
    a, b = (values[:, :, used].reshape(-1, used.sum()) for values in (found, reference))
    ranks = [rankdata(values, axis=1) for values in (a, b)]
    centred = [rank - rank.mean(axis=1, keepdims=True) for rank in ranks]
    size = np.sqrt((centred[0] ** 2).sum(axis=1) * (centred[1] ** 2).sum(axis=1))
    rank = np.divide((centred[0] * centred[1]).sum(axis=1), size, out=np.ones(len(a)), where=size > 0)
    n_top = min(_TOP, a.shape[1])
    tops = [np.argsort(-values, axis=1)[:, :n_top] for values in (a, b)]
    common = [len(np.intersect1d(*pair)) / n_top for pair in zip(*tops, strict=True)]
    return float(rank.mean()), float(np.mean(common))


def rate(score: Callable, X) -> float:
    """Rows per second: the best of some runs, over as many rows as take about a second."""
    start = time.perf_counter()
    score(X[:200])
    taken = time.perf_counter() - start
    X = X[: max(200, min(len(X), int(200 * _SECONDS / 3 / taken)))]
    times = []
    while sum(times) < _SECONDS and len(times) < 20:
        start = time.perf_counter()
        score(X)
        times.append(time.perf_counter() - start)
    return len(X) / min(times)


def table(records: Iterable[dict]) -> list[str]:
    """The lines of the report: each student on each table, and the lowest and the median of each student."""
    header = ["table", "student", "columns", "Spearman", "top four", "additivity"]
    header += ["scores/s", "contributions/s", "bytes", "bytes with contributions"]
    rows = []
    for r in records:
        scores = f" × {r['scores']}" if r["scores"] > 1 else ""
        quality = [f"{r['spearman']:.3f}", f"{r['top']:.1%}", f"{r['additivity']:.1e}"]
        speed = [f"{r['rows_per_second']:,.0f}", f"{r['explained_per_second']:,.0f}"]
        size = [f"{r['n_bytes'] / 1000:,.0f} KB", f"{r['explained_bytes'] / 1000:,.0f} KB"]
        rows.append([r["table"], f"`{r['student']}`", f"{r['columns']}{scores}", *quality, *speed, *size])
    for name in dict.fromkeys(r["student"] for r in records):
        mine = [r for r in records if r["student"] == name]
        for what, of in (("median", np.median), ("lowest", np.min)):
            ranks, tops = (of([r[measure] for r in mine]) for measure in ("spearman", "top"))
            rows.append([f"{what} of {len(mine)}", f"`{name}`", "", f"{ranks:.3f}", f"{tops:.1%}", "", "", "", "", ""])
    return markdown(header, rows)
