"""Batch scoring: rows per second and memory of whole jobs, beside a bare session, the teacher, and reading alone."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from benchmarks.big_teacher import big_teacher
from benchmarks.cost import peak_gigabytes
from benchmarks.problems import Problem, problems
from benchmarks.runs import Runs, markdown
from tabkd import DistilledClassifier
from tabkd._cli.table_codes import TableCodes
from tabkd.datasets import make_card_transactions
from tabkd.teachers._default import DefaultTeacherClassifier

_BATCH_ROWS = 65_536
_GROUP_ROWS = 100_000
_REPEATS = 3
_TEACHER_ROWS = 300_000
_TEACHERS = ("the default teacher", "500 + 500 trees")


@dataclass(frozen=True)
class Job:
    """A table repeated to so many rows, in a file of so many formats."""

    table: str
    rows: int
    suffix: str

    def __str__(self):
        return f"{self.table}, {self.rows:,} rows, {'CSV' if self.suffix == '.csv' else 'Parquet'}"


def jobs(quick: bool) -> list[Job]:
    """What is scored: numbers in Parquet at two sizes, numbers in CSV, and a mixed table."""
    if quick:
        return [Job("fraud", 20_000, ".parquet"), Job("fraud", 20_000, ".csv")]
    numbers, mixed = "fraud_handbook_sim", "vehicle_claim_fraud"
    parquet = [Job(numbers, 1_000_000, ".parquet"), Job(numbers, 20_000_000, ".parquet")]
    return [*parquet, Job(numbers, 2_000_000, ".csv"), Job(mixed, 2_000_000, ".parquet")]


def run(data_dir: Path | None, output: Path | None, quick: bool) -> str:
    """Measure the jobs that are not recorded in `output` yet; return the report."""
    runs = Runs(output, "score")
    tables = {problem.name: problem for problem in _problems(data_dir, quick)}
    records = []
    for table in tables:
        wanted = [job for job in jobs(quick) if job.table == table]
        missing = [job for job in wanted if not runs.find(job=str(job))]
        if missing:
            with tempfile.TemporaryDirectory() as folder:
                bench = _Bench(tables[table], Path(folder), quick)
                for job in missing:
                    runs.once({"job": str(job)}, partial(bench.measure, job, 1 if quick else _REPEATS))
        records += [runs.find(job=str(job))[0] for job in wanted]
    return runs.write_table(_table(records))


def _problems(data_dir: Path | None, quick: bool) -> list[Problem]:
    names = {job.table for job in jobs(quick)}
    if quick:
        frame = make_card_transactions(5_000, random_state=0)
        return [Problem("fraud", "classification", frame.drop(columns="fraud"), frame["fraud"].to_numpy())]
    if data_dir is None:
        raise SystemExit(f"--data-dir DIR must have the tables {', '.join(sorted(names))}; or --quick.")
    return list(problems(data_dir, sorted(names), 100_000))


class _Bench:
    """A teacher and its student, and files of their table."""

    def __init__(self, problem: Problem, folder: Path, quick: bool):
        self._folder, self._X = folder, problem.X
        split = problem.split(0)
        default = DefaultTeacherClassifier(random_state=0)
        large = make_pipeline(TableCodes(), big_teacher(n_estimators=20 if quick else 500))
        self._teachers = {
            name: teacher.fit(split.X_train, split.y_train)
            for name, teacher in zip(_TEACHERS, (default, large), strict=True)
        }
        model = DistilledClassifier(FrozenEstimator(default), random_state=0).fit(split.X_train, split.y_train)
        self._model = folder / "student.onnx"
        model.to_onnx(self._model)

    def measure(self, job: Job, repeats: int) -> dict:
        """Seconds, medians of runs that take turns, each in a process of its own; and the peak of memory."""
        source = self._folder / f"rows{job.rows}{job.suffix}"
        self._write(source, job.rows)
        found: dict[str, list[dict]] = {"job": [], "session": [], "reading": []}
        for _ in range(repeats):
            found["job"].append(_apart("score_job", self._model, source))
            found["session"].append(_apart("bare_session", self._model, source))
            found["reading"].append(_apart("read", self._model, source))
        medians = {name: statistics.median(r["seconds"] / r["rows"] for r in each) for name, each in found.items()}
        record = {"rows": job.rows, "peak": max(r["peak"] for r in found["job"]), "rows_per_second": 1 / medians["job"]}
        record |= {"of_session": medians["session"] / medians["job"]}
        for name, teacher in self._teachers.items():
            seconds = statistics.median(self._teacher_seconds(teacher, source) for _ in range(repeats))
            record[f"times {name}"] = seconds / medians["job"]
        source.unlink()
        return record | {"times_reading": medians["job"] / medians["reading"]}

    def _write(self, path: Path, n_rows: int) -> None:
        some = pa.Table.from_pandas(self._X, preserve_index=False)
        repeated = pa.concat_tables([some] * -(-_GROUP_ROWS // some.num_rows)).combine_chunks()
        if path.suffix == ".csv":
            writer = pa.csv.CSVWriter(str(path), _plain(repeated).schema)
        else:
            writer = pa.parquet.ParquetWriter(str(path), repeated.schema)
        with writer:
            for start in range(0, n_rows, _GROUP_ROWS):
                part = repeated.slice(0, min(_GROUP_ROWS, n_rows - start))
                writer.write_table(_plain(part) if path.suffix == ".csv" else part)

    def _teacher_seconds(self, teacher, source: Path) -> float:
        """Of a row, in the loop that a user would write: read a batch, predict, write."""
        start, n_rows = time.perf_counter(), 0
        out = self._folder / "teacher.parquet"
        schema = pa.schema([("probability", pa.float64())])
        with pa.parquet.ParquetWriter(str(out), schema) as writer:
            for batch in _batches(source):
                frame = batch.to_pandas().astype(self._X.dtypes)
                writer.write_table(pa.table([teacher.predict_proba(frame)[:, 1]], schema))
                n_rows += len(frame)
                if n_rows >= _TEACHER_ROWS:
                    break
        return (time.perf_counter() - start) / n_rows


def _apart(part: str, model: Path, source: Path) -> dict:
    code = f"from benchmarks import score; score.{part}({str(model)!r}, {str(source)!r})"
    return json.loads(subprocess.check_output([sys.executable, "-c", code]).splitlines()[-1])


def score_job(model: str, source: str) -> None:
    """Score a file into a Parquet file, and print the rows, the seconds and the peak of memory."""
    from tabkd.batch import score_dataset

    start = time.perf_counter()
    done = score_dataset(model, [source], str(Path(source).with_name("scores.parquet")))
    _tell(done.scored, time.perf_counter() - start)


def bare_session(model: str, source: str) -> None:
    """Run the model in a session with default options on inputs that are in memory already."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    batch = next(iter(_batches(Path(source)))).to_pandas()
    feeds = {}
    for entry in session.get_inputs():
        part = batch if entry.name == "X" else batch[[entry.name]]
        if entry.type == "tensor(string)":
            text = part.astype(object)
            feeds[entry.name] = text.where(text.notna(), "nan").astype(str).to_numpy(object)
        else:
            feeds[entry.name] = part.to_numpy(np.float64 if entry.type == "tensor(double)" else np.float32)
    names = [session.get_outputs()[-1].name]
    session.run(names, feeds)
    start, n_rows = time.perf_counter(), 0
    while time.perf_counter() - start < 2:
        session.run(names, feeds)
        n_rows += len(batch)
    _tell(n_rows, time.perf_counter() - start)


def read(model: str, source: str) -> None:
    """Read the file by pyarrow alone."""
    start = time.perf_counter()
    n_rows = sum(len(batch) for batch in _batches(Path(source)))
    _tell(n_rows, time.perf_counter() - start)


def _batches(source: Path):
    if source.suffix == ".csv":
        options = pa.csv.ReadOptions(block_size=8 << 20)
        return pa.csv.open_csv(str(source), options)
    return pa.parquet.ParquetFile(str(source)).iter_batches(_BATCH_ROWS)


def _tell(n_rows: int, seconds: float) -> None:
    print(json.dumps({"rows": n_rows, "seconds": seconds, "peak": peak_gigabytes()}))


def _plain(table: pa.Table) -> pa.Table:
    """A table without dictionaries, as CSV has it."""
    kinds = [f.type.value_type if pa.types.is_dictionary(f.type) else f.type for f in table.schema]
    return table.cast(pa.schema(list(zip(table.schema.names, kinds, strict=True))))


def _table(records: list[dict]) -> list[str]:
    header = [
        "job",
        "rows per second",
        "of a bare session's",
        *(f"× {name}'s" for name in _TEACHERS),
        "× the time of reading",
        "peak memory",
    ]
    rows = [
        [
            record["job"],
            f"{record['rows_per_second']:,.0f}",
            f"{record['of_session']:.0%}",
            *(f"{record[f'times {name}']:.1f}" for name in _TEACHERS),
            f"{record['times_reading']:.1f}",
            f"{1000 * record['peak']:,.0f} MB",
        ]
        for record in records
    ]
    return markdown(header, rows)
