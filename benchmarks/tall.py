"""A table that need not fit in memory: labelled in Spark, learnt from Parquet by a process whose peak is measured."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import rel_entr
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss

from benchmarks.cost import peak_gigabytes
from benchmarks.runs import Runs, markdown
from tabkd import DistilledClassifier, LabelledParquet
from tabkd.datasets import make_card_transactions
from tabkd.spark import label
from tabkd.spark._session import session
from tabkd.teachers import DefaultTeacherClassifier

COLUMNS = 30
#: What the student learns from, by the name of the part.
LEARNT_FROM = {"files": "all rows, from Parquet", "sample": "a sample and synthetic rows"}
_TARGET = "fraud"
# Rows that are simulated at a time, each time in a file of their own; and those that the teacher is fitted on.
_FILE_ROWS, _SAMPLE_ROWS = 250_000, 100_000
# Rounds of each part of the teacher, which labels every row: fewer than by default.
_TREES = 100
_QUICK = {"file_rows": 2_000, "sample_rows": 1_000}


def run(output: Path | None, n_rows: int, quick: bool) -> str:
    """Measure a table of so many rows, unless `output` has it already; return the table of all that it has."""
    runs = Runs(output, "tall")
    if len(runs.find(rows=n_rows, quick=quick)) < len(LEARNT_FROM):
        measure(runs, {"rows": n_rows, "quick": quick})
    return runs.write_table(_table(runs.find(quick=quick)))


def measure(runs: Runs, key: dict) -> None:
    """Simulate and label a table, and learn from it in each of the ways."""
    with tempfile.TemporaryDirectory() as folder:
        simulate(Path(folder), key["rows"], **(_QUICK if key["quick"] else {}))
        label_seconds = _apart("labelled", folder)
        for part in LEARNT_FROM:
            runs.once({**key, "part": part}, lambda part=part: {**label_seconds, **_apart(part, folder)})


def simulate(folder: Path, n_rows: int, file_rows: int = _FILE_ROWS, sample_rows: int = _SAMPLE_ROWS) -> None:
    """Write payments to `rows/`, an even sample of them to `sample.parquet`, and others to `test.parquet`."""
    (folder / "rows").mkdir()
    sample, n_files = [], -(-n_rows // file_rows)
    for i in range(n_files):
        frame = payments(min(file_rows, n_rows - i * file_rows), seed=i)
        frame.to_parquet(folder / "rows" / f"{i:04}.parquet", index=False)
        sample.append(frame.sample(min(len(frame), -(-sample_rows // n_files)), random_state=i))
    pd.concat(sample, ignore_index=True).to_parquet(folder / "sample.parquet", index=False)
    payments(sample_rows, seed=n_files).to_parquet(folder / "test.parquet", index=False)


def payments(n_rows: int, seed: int) -> pd.DataFrame:
    """Simulated payments, of `COLUMNS` columns and the target: those of the dataset, then columns of noise."""
    frame = make_card_transactions(n_rows, random_state=seed)
    noise = np.random.default_rng(seed).normal(size=(n_rows, COLUMNS + 1 - frame.shape[1]))
    return frame.join(pd.DataFrame(noise).add_prefix("noise_"))


def labelled(folder: Path) -> dict[str, float]:
    """Fit the teacher on the sample, and let Spark label all rows."""
    X, y = _read(folder / "sample.parquet")
    teacher = DefaultTeacherClassifier(n_estimators=_TREES, random_state=0).fit(X, y)
    (folder / "teacher.pickle").write_bytes(pickle.dumps(teacher))
    rows = session().read.parquet(str(folder / "rows"))
    start = time.perf_counter()
    label(rows, teacher).write.parquet(str(folder / "labelled"))
    return {"label_seconds": time.perf_counter() - start}


def fitted(folder: Path, rows: LabelledParquet | None) -> dict[str, float]:
    """The seconds and the peak of a fit, and what the student has kept on further rows."""
    teacher = pickle.loads((folder / "teacher.pickle").read_bytes())
    X, y = _read(folder / "sample.parquet")
    model = DistilledClassifier(FrozenEstimator(teacher), random_state=0)
    start = time.perf_counter()
    model.fit(X, y, X_unlabeled=rows)
    seconds, peak = time.perf_counter() - start, peak_gigabytes()
    X, y = _read(folder / "test.parquet")
    asked, given = teacher.predict_proba(X), model.predict_proba(X)
    prior, of_teacher, of_student = (log_loss(y, P) for P in (np.full(len(y), y.mean()), asked, given))
    return {
        "seconds": seconds,
        "peak": peak,
        "kept": (prior - of_student) / (prior - of_teacher),
        "unexplained": rel_entr(asked, given).sum() / rel_entr(asked, asked.mean(axis=0)).sum(),
    }


def main(part: str, folder: str) -> None:
    """Print what a part measures, for the process that asked."""
    rows = LabelledParquet(Path(folder) / "labelled") if part == "files" else None
    print(json.dumps(labelled(Path(folder)) if part == "labelled" else fitted(Path(folder), rows)))


def _apart(part: str, folder: str) -> dict[str, float]:
    print(f"{part} …", file=sys.stderr, flush=True)
    code = f"from benchmarks import tall; tall.main({part!r}, {folder!r})"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _read(path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    frame = pd.read_parquet(path)
    return frame.drop(columns=_TARGET), frame[_TARGET].to_numpy()


def _table(records: list[dict]) -> list[str]:
    header = ["rows × columns", "as float64", "learnt from", "labels in Spark", "fit", "peak of the fit", "skill kept"]
    header += ["of the teacher's answers unexplained"]
    return markdown(header, [_cells(record) for record in sorted(records, key=lambda r: (r["rows"], r["part"]))])


def _cells(record: dict) -> list[str]:
    n_rows = record["rows"]
    size = [f"{n_rows:,} × {COLUMNS}", f"{n_rows * COLUMNS * 8 / 1e9:.2f} GB", LEARNT_FROM[record["part"]]]
    labels = f"{record['label_seconds']:.0f} s" if record["part"] == "files" else "–"
    return [
        *size,
        labels,
        f"{record['seconds']:.0f} s",
        f"{record['peak']:.2f} GB",
        f"{record['kept']:.1%}",
        f"{record['unexplained']:.2%}",
    ]
