"""How long one row of 30 mixed columns takes, in the forms in which a service may have it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.runs import Runs, markdown
from tabkd import DistilledClassifier, ExportedStudent
from tabkd._pace import alternate
from tabkd.students import MLPStudent

_N_NUMBERS, _N_CATEGORIES = 20, 10
_N_ROWS, _N_TIMED = 20_000, 200
_QUANTILES = (("p50", 0.5), ("p99", 0.99))
# Two passes over the rows will do: what the student has learnt does not change its speed.
STUDENTS = {"MLP": MLPStudent(max_iter=2), "additive": "additive", "tree": "tree", "boosted trees": "boosted_trees"}


def run(output: Path | None, quick: bool) -> str:
    """Measure what `output` does not hold yet; return the table in Markdown.

    Parameters
    ----------
    output : Path or None
        Folder for one-row.jsonl and one-row.md.
    quick : bool
        Small students, and few runs.
    """
    runs = Runs(output, "one-row")
    X, y = mixed_rows(2_000 if quick else _N_ROWS)
    records = [
        runs.once({"quick": quick, "student": name}, lambda student=student: _times(student, X, y, quick))
        for name, student in STUDENTS.items()
    ]
    return runs.write_table(_table(records))


def mixed_rows(n_rows: int) -> tuple[pd.DataFrame, np.ndarray]:
    """20 numeric columns and 10 of six categories, one value in fifty missing, and two classes."""
    n_columns = _N_NUMBERS + _N_CATEGORIES
    numbers, y = make_classification(n_rows, n_columns, n_informative=15, n_redundant=0, random_state=0)
    missing = np.random.default_rng(0).random(numbers.shape) < 0.02
    frame = pd.DataFrame(numbers, columns=[f"x{i}" for i in range(n_columns)]).mask(missing)
    for name in frame.columns[_N_NUMBERS:]:
        frame[name] = pd.qcut(frame[name], 6, labels=list("abcdef"))
    return frame, y


def _times(student, X: pd.DataFrame, y: np.ndarray, quick: bool) -> dict:
    """Microseconds of one row, by what the row is."""
    teacher = HistGradientBoostingClassifier(max_iter=20, categorical_features="from_dtype", random_state=0)
    n_synthetic = 2_000 if quick else 40_000
    model = DistilledClassifier(teacher, student=student, n_synthetic=n_synthetic, random_state=0).fit(X, y)
    exported = ExportedStudent(model.to_onnx().SerializeToString())
    frames = [X[i : i + 1] for i in range(_N_TIMED)]
    # Missing values are None, as in JSON.
    rows = [
        {name: None if value != value else value for name, value in row.items()}
        for row in X[:_N_TIMED].to_dict("records")
    ]
    ways = {
        "dict": lambda i: exported.predict_proba_one(rows[i]),
        "frame": lambda i: exported.predict_proba(frames[i]),
    }
    times = alternate(ways, range(_N_TIMED), 0.2 if quick else 5.0, 100_000)
    return {
        f"{way} {q}": 1e6 * float(np.quantile(found, share)) for way, found in times.items() for q, share in _QUANTILES
    }


def _table(records: list[dict]) -> list[str]:
    header = ["student", "dict p50", "dict p99", "frame p50", "frame p99"]
    cells = [[r["student"], *(f"{r[name]:,.0f} µs" for name in header[1:])] for r in records]
    return [
        *markdown(header, cells),
        "",
        f"One row of {_N_NUMBERS} numeric and {_N_CATEGORIES} categorical columns, one value in fifty missing: a dict "
        "by `predict_proba_one`, and a pandas frame by `predict_proba`.",
    ]
