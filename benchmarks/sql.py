"""Students as SQL: rows per second in DuckDB, from file to file, beside `tabkd score`."""

from __future__ import annotations

import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet
from sklearn.frozen import FrozenEstimator

from benchmarks.runs import Runs, markdown
from tabkd import DistilledClassifier, load
from tabkd.batch import score_dataset
from tabkd.datasets import make_card_transactions
from tabkd.students import STUDENTS

_ROWS, _REPEATS = 1_000_000, 3


def run(output: Path | None, quick: bool) -> str:
    """Measure the students that are not recorded in `output` yet; return the table."""
    runs = Runs(output, "sql")
    payments = make_card_transactions(2_000 if quick else 20_000, random_state=0)
    X, y = payments.drop(columns="fraud"), payments["fraud"]
    rows, repeats = (5_000, 1) if quick else (_ROWS, _REPEATS)
    teacher, records = None, []
    for student in ("tree",) if quick else STUDENTS:
        key = {"student": student, "rows": rows}
        if not runs.find(**key):
            n_synthetic = 1_000 if quick else "auto"
            model = DistilledClassifier(teacher, student=student, n_synthetic=n_synthetic, random_state=0).fit(X, y)
            teacher = FrozenEstimator(model.teacher_)
            runs.once(key, partial(measure, model, X, rows, repeats))
        records += runs.find(**key)
    return runs.write_table(_table(records))


def measure(model: DistilledClassifier, X, n_rows: int, repeats: int) -> dict:
    """Seconds, medians of jobs that take turns, and what the statement is like."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model.to_onnx(folder / "model.onnx")
        rows = pa.Table.from_pandas(X, preserve_index=False)
        repeated = pa.concat_tables([rows] * -(-n_rows // len(X))).slice(0, n_rows)
        pa.parquet.write_table(repeated, folder / "rows.parquet")
        start = time.perf_counter()
        statement = load(folder / "model.onnx").to_sql("duckdb")
        found = {"bytes": len(statement.encode()), "written in": time.perf_counter() - start}
        times = [(_in_duckdb(folder, statement), _planned(folder, statement), _scored(folder)) for _ in range(repeats)]
    names = ("duckdb", "planned", "score")
    return found | {name: statistics.median(each) for name, each in zip(names, zip(*times, strict=True), strict=True)}


def _connected(folder: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"CREATE VIEW data AS SELECT * FROM '{folder / 'rows.parquet'}'")
    return connection


def _in_duckdb(folder: Path, statement: str) -> float:
    with _connected(folder) as connection:
        start = time.perf_counter()
        connection.execute(f"COPY (\n{statement}) TO '{folder / 'duckdb.parquet'}' (FORMAT parquet)")
        return time.perf_counter() - start


def _planned(folder: Path, statement: str) -> float:
    """The part that is reading and planning the statement; it does not depend on the number of rows."""
    with _connected(folder) as connection:
        start = time.perf_counter()
        connection.execute(f"EXPLAIN {statement}").fetchall()
        return time.perf_counter() - start


def _scored(folder: Path) -> float:
    start = time.perf_counter()
    score_dataset(folder / "model.onnx", [str(folder / "rows.parquet")], str(folder / "scores.parquet"))
    return time.perf_counter() - start


def _table(records: list[dict]) -> list[str]:
    """The lines of the report."""
    rows = [
        [
            record["student"],
            f"{record['bytes'] / 1000:,.0f}",
            f"{record['written in']:.1f}",
            f"{record['planned']:.1f}",
            f"{record['rows'] / record['duckdb']:,.0f}",
            f"{record['rows'] / record['score']:,.0f}",
            f"{record['duckdb'] / record['score']:.1f}",
        ]
        for record in records
    ]
    header = [
        "student",
        "KB of SQL",
        "seconds to write and prove",
        "to plan",
        "rows/s in DuckDB",
        "`tabkd score`",
        "times",
    ]
    return markdown(header, rows)
