"""What the default student keeps of the default teacher, and what it costs to ship."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.problems import Problem
from tabkd import DistilledClassifier, DistilledRegressor, load
from tabkd.evaluation import evaluate


@dataclass(frozen=True)
class Result:
    """One line of the table."""

    table: str
    rows: int
    columns: int
    measure: str
    teacher: float
    student: float
    skill_kept: float
    kilobytes: float
    batch_ratio: float
    one_row_ratio: float
    seconds: float


def measure(problem: Problem, seed: int, model_dir: Path) -> Result:
    """Distil the default teacher into the default student on one split, export, load and score the test rows."""
    X_train, X_test, y_train, y_test = problem.split(seed)
    distilled = DistilledRegressor if problem.task == "regression" else DistilledClassifier
    start = time.perf_counter()
    model = distilled(random_state=seed).fit(X_train, y_train)
    seconds = time.perf_counter() - start
    path = model_dir / f"{problem.name}.onnx"
    model.to_onnx(path)
    report = evaluate(model, X_test, y_test, y_train=y_train, scorer=load(path))
    key = "r2" if problem.task == "regression" else "log_loss"
    assert report.speed is not None
    return Result(
        problem.name,
        *problem.X.shape,
        "R²" if problem.task == "regression" else "log-loss",
        report.metrics["teacher"][key],
        report.metrics["student"][key],
        report.skill_kept,
        path.stat().st_size / 1000,
        report.speed["ratio"],
        report.speed["ratio_one_row"],
        seconds,
    )


def run(problems: Iterable[Problem], seed: int, output: Path | None) -> None:
    """Print the table, a line as soon as it is measured; write it and the raw numbers into `output`."""
    lines = [
        "| table | rows × columns | measure | teacher | student | skill kept | ONNX file | 256 rows | one row | fit |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for problem in problems:
            result = measure(problem, seed, Path(folder))
            results.append(asdict(result))
            lines.append(_line(result))
            print(lines[-1], flush=True)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        (output / "skill.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (output / "skill.jsonl").write_text("".join(json.dumps(r) + "\n" for r in results), encoding="utf-8")


def _line(r: Result) -> str:
    return (
        f"| {r.table} | {r.rows:,} × {r.columns} | {r.measure} | {r.teacher:.4f} | {r.student:.4f} "
        f"| {r.skill_kept:.1%} | {r.kilobytes:.0f} KB | {r.batch_ratio:.0f} × | {r.one_row_ratio:.0f} × "
        f"| {r.seconds:.0f} s |"
    )
