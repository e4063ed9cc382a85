"""How much longer a nightly job takes if it gives the reasons for its alerts: one row in two hundred."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from benchmarks.runs import Runs, markdown
from tabkd import DistilledClassifier, load
from tabkd.batch import score_dataset
from tabkd.datasets import make_card_transactions
from tabkd.students import STUDENTS

_TABLE_ROWS, _ALERTS, _REASONS = 20_000, 0.005, 4


def run(output: Path | None, n_rows: int, quick: bool) -> str:
    """Measure what `output` does not hold yet, every student by both ways to choose alerts; return the table."""
    runs = Runs(output, "reasons-job")
    frame = make_card_transactions(1000 if quick else _TABLE_ROWS, random_state=0)
    X, y = frame.drop(columns="fraud"), frame["fraud"]
    for name in STUDENTS:
        keys = [{"student": name, "rows": n_rows, "alerts": kind} for kind in ("threshold", "top_fraction")]
        if all(runs.find(**key) for key in keys):
            continue
        model = DistilledClassifier(student=name, n_synthetic=1000 if quick else 60_000, random_state=0)
        model.fit(X[: len(X) // 2], y[: len(X) // 2])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "student.onnx"
            model.to_onnx(path, contributions=True)
            source = _repeated(X, n_rows, Path(folder) / "rows.parquet")
            threshold = float(np.quantile(load(path).predict_proba(X)[:, 1], 1 - _ALERTS))
            for key, cut in zip(keys, ({"threshold": threshold}, {"top_fraction": _ALERTS}), strict=True):
                runs.once(key, lambda path=path, source=source, cut=cut: _seconds(path, source, cut, 1 if quick else 5))
    return runs.write_table(_table(runs.find(rows=n_rows)))


def _repeated(X: pd.DataFrame, n_rows: int, path: Path) -> Path:
    """A file of the rows of a table, repeated to so many, with a number for each."""
    rows = X.take(np.arange(n_rows) % len(X)).assign(id=np.arange(n_rows))
    pa.parquet.write_table(pa.Table.from_pandas(rows, preserve_index=False), path)
    return path


def _seconds(model: Path, source: Path, cut: dict[str, float], repeats: int) -> dict[str, float]:
    """Seconds without and with reasons, medians of jobs that take turns after one of each that does not count."""
    taken: dict[int, list[float]] = {0: [], _REASONS: []}
    for _ in range(repeats + 1):
        for reasons, seconds in taken.items():
            start = time.perf_counter()
            done = score_dataset(
                model, [source], source.with_name("scores.parquet"), keep=["id"], reasons=reasons, **cut
            )
            seconds.append(time.perf_counter() - start)
    without, explained = (statistics.median(seconds[1:]) for seconds in taken.values())
    return {"written": done.written, "without": without, "with": explained}


def _table(records: Iterable[dict]) -> list[str]:
    header = ["student", "alerts by", "rows", "alerts", "seconds without reasons", "with", "ratio"]
    rows = [
        [
            f"`{r['student']}`",
            r["alerts"].replace("_", " "),
            f"{r['rows']:,}",
            f"{r['written']:,}",
            f"{r['without']:.2f}",
            f"{r['with']:.2f}",
            f"{r['with'] / r['without']:.2f}",
        ]
        for r in records
    ]
    return markdown(header, rows)
