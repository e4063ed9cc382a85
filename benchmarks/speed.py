"""How fast students score, against their teacher, its ONNX and compiled forms, and the reading of memory.

One process, one float32 matrix in and probabilities out, each library by its own Python interface. Contestants take
turns: each rests until the threads that others left spinning are asleep, warms up, then is timed.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.datasets import make_classification

from benchmarks import one_row
from benchmarks.big_teacher import big_teacher
from benchmarks.contestant import TRIAL_ROWS, Contestant, Material
from benchmarks.runs import Runs
from benchmarks.speed_contestants import contestants
from benchmarks.speed_tables import plot, table
from tabkd._pace import Predictor, turn

# Threads of ONNX Runtime, of OpenMP and of BLAS spin for less than this many seconds before they sleep.
_REST = 0.04
# A contestant that takes longer than this over the largest batch is measured on fewer rows.
_LONGEST_RUN = 3.0
# Different inputs at a batch size, so that no branch is learnt by heart.
_MOST_INPUTS, _MOST_INPUT_ROWS = 500, 100_000


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes
    ----------
    n_estimators : int
        Trees of each half of the teacher.
    n_train, n_synthetic : int
    batch_rows : tuple of int
        Ascending.
    turns : int
        The most of each contestant at a batch size.
    turns_to_choose : int
        The most of each variant.
    seconds : float
        For a batch size, once each contestant has had three turns.
    """

    n_estimators: int
    n_train: int
    n_synthetic: int
    batch_rows: tuple[int, ...]
    turns: int
    turns_to_choose: int
    seconds: float


FULL = Plan(500, 100_000, 40_000, (1, 1_024, 10_000, 1_000_000), turns=40, turns_to_choose=3, seconds=60)
QUICK = Plan(20, 3_000, 1_000, (1, 2_000), turns=1, turns_to_choose=1, seconds=1)


def run(output: Path | None, quick: bool) -> str:
    """Measure what `output` does not hold yet; return the tables in Markdown.

    Parameters
    ----------
    output : Path or None
        Folder for speed.jsonl, speed.md, speed.png, what `one_row` writes, and the compiled teachers.
    quick : bool
        Small models on few rows, to see that everything works.
    """
    plan, runs = (QUICK if quick else FULL), Runs(output, "speed")
    if any(not runs.find(quick=quick, batch_rows=n) for n in plan.batch_rows):
        with _folder(output) as folder:
            _measure(runs, plan, quick, folder)
    records = runs.find(quick=quick)
    if output is not None:
        plot(records, output / "speed.png")
    return runs.write_table(table(records, plan.batch_rows)) + "\n" + one_row.run(output, quick)


def _measure(runs: Runs, plan: Plan, quick: bool, folder: Path) -> None:
    n_rows = max(plan.batch_rows)
    X, y = _simulate(plan.n_train + n_rows)
    teacher = big_teacher(n_estimators=plan.n_estimators).fit(X[n_rows:], y[n_rows:])
    material = Material(teacher, X[n_rows:], y[n_rows:], folder, plan.n_synthetic)
    found, absent = contestants(material)
    X = X[:n_rows]
    for batch_rows in plan.batch_rows:
        key = {"quick": quick, "batch_rows": batch_rows}
        if runs.find(**key):
            continue
        rates = {r["contestant"]: r["rows_per_second"] for r in runs.find(quick=quick) if "rows_per_second" in r}
        able = {name: contestant for name, contestant in found.items() if contestant.takes(batch_rows)}
        for name, result in _speeds(able, X, batch_rows, rates, plan).items():
            runs.add({**key, "contestant": name, "n_bytes": found[name].n_bytes, **result})
        for name, reason in absent.items():
            runs.add({**key, "contestant": name, "error": reason})


def _simulate(n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """30 numeric columns, float32, and two classes."""
    X, y = make_classification(n_rows, 30, n_informative=15, n_redundant=0, class_sep=0.5, random_state=0)
    return X.astype(np.float32), y


@contextmanager
def _folder(output: Path | None) -> Iterator[Path]:
    """Where models are kept."""
    if output is None:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
        return
    folder = output / "speed"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n")
    yield folder


def _speeds(contestants: Mapping[str, Contestant], X, batch_rows: int, rates: Mapping[str, float], plan: Plan) -> dict:
    """Rows per second and latency of each contestant at a batch size."""
    inputs, predictors, facts = _batches(X, batch_rows), {}, {}
    trial = [rows[:TRIAL_ROWS] for rows in inputs]
    for name, contestant in contestants.items():
        threads = _fastest(contestant.variants, trial, plan.turns_to_choose)
        rows = _affordable(batch_rows, rates.get(name))
        predictors[name] = _head(contestant.variants[threads], rows, batch_rows)
        facts[name] = {"threads": threads, "rows": rows}
    times = _in_turns(predictors, inputs, plan.turns, plan.seconds)
    return {
        name: {
            **facts[name],
            "n_runs": len(found),
            "rows_per_second": facts[name]["rows"] / float(np.median(found)),
            "p50_us": 1e6 * float(np.quantile(found, 0.5)),
            "p99_us": 1e6 * float(np.quantile(found, 0.99)),
        }
        for name, found in times.items()
    }


def _batches(X, batch_rows: int) -> list[np.ndarray]:
    """Different batches, one after the other from the top of the matrix."""
    n = max(1, min(_MOST_INPUTS, _MOST_INPUT_ROWS // batch_rows, len(X) // batch_rows))
    return [X[i * batch_rows : (i + 1) * batch_rows] for i in range(n)]


def _fastest(variants: Mapping[str, Predictor], inputs: list, turns: int) -> str:
    if len(variants) == 1:
        return next(iter(variants))
    times = _in_turns(variants, inputs, turns)
    return min(times, key=lambda name: np.median(times[name]))


def _affordable(batch_rows: int, rate: float | None) -> int:
    """The rows of a batch that are scored in a few seconds at a known rate, in steps of ten thousand."""
    if rate is None or rate * _LONGEST_RUN >= batch_rows:
        return batch_rows
    return min(batch_rows, max(1, round(rate * _LONGEST_RUN / 10_000)) * 10_000)


def _head(predict: Predictor, n_rows: int, batch_rows: int) -> Predictor:
    """A predictor of the first rows of a batch."""
    return predict if n_rows == batch_rows else lambda X: predict(X[:n_rows])


def _in_turns(
    predictors: Mapping[str, Predictor], inputs: list, turns: int, seconds: float = np.inf
) -> dict[str, list[float]]:
    """Seconds of each run of each predictor, in turns; each begins with a rest and a warm-up."""
    times: dict[str, list[float]] = {name: [] for name in predictors}
    end = time.perf_counter() + seconds
    for k in range(turns):
        if k >= 3 and time.perf_counter() > end:
            break
        for name, predict in predictors.items():
            time.sleep(_REST)
            times[name] += turn(predict, inputs, len(times[name]))
    return times
