"""What tabkd costs before it is used, and the seconds and the memory that a distillation takes, by its parts."""

from __future__ import annotations

import json
import resource
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial, wraps
from itertools import product
from pathlib import Path

import numpy as np
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator

from benchmarks.big_teacher import big_teacher
from benchmarks.runs import Runs, markdown
from tabkd import DistilledClassifier
from tabkd.augment import AUGMENTERS
from tabkd.students import MLPStudent

ROWS = (1_000, 10_000, 100_000, 1_000_000)
COLUMNS = (10, 30, 100, 300)
QUICK = ((1_000, 10), (2_000, 10))
MOST_MATRIX_GB = 4.0
MOST_SECONDS = 600

_DefaultAugmenter = AUGMENTERS[DistilledClassifier().augmenter]
# What the parts have taken in this process, which distils once.
_seconds: Counter[str] = Counter()


def run(output: Path | None, quick: bool, most_values: int) -> str:
    """Measure the tables that are not recorded in `output` yet, each in a process of its own; return the report."""
    runs = Runs(output, "cost")
    imports = runs.once({"part": "imports", "quick": quick}, partial(import_seconds, 1 if quick else 7))
    sizes = QUICK if quick else sorted(product(ROWS, COLUMNS), key=lambda size: size[0] * size[1])
    sizes = [size for size in sizes if size[0] * size[1] <= most_values]
    records = []
    for n_rows, n_columns in sizes:
        key = {"part": "distillation", "rows": n_rows, "columns": n_columns, "quick": quick}
        records.append(runs.once(key, partial(distil_apart, n_rows, n_columns, quick)))
        print(_line(records[-1]), file=sys.stderr, flush=True)
    return runs.write_table([_imports(imports), "", *_table(records), "", *_slopes(records)])


def import_seconds(repeats: int) -> dict[str, float]:
    """Median seconds of `import sklearn` alone and of `import tabkd`, in fresh processes that take turns."""
    times: dict[str, list[float]] = {"sklearn": [], "tabkd": []}
    for _ in range(repeats):
        for module, found in times.items():
            code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
            found.append(float(subprocess.check_output([sys.executable, "-c", code])))
    return {module: statistics.median(found) for module, found in times.items()}


def distil_apart(n_rows: int, n_columns: int, quick: bool) -> dict:
    """What `distil` returns, from a process of its own; why not, where it is too large or takes too long."""
    gigabytes = n_rows * n_columns * 8 / 1e9
    if gigabytes > MOST_MATRIX_GB:
        return {"skipped": f"a matrix of {gigabytes:.1f} GB"}
    code = f"from benchmarks import cost; cost.main({n_rows}, {n_columns}, {quick})"
    try:
        found = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, timeout=MOST_SECONDS, check=True)
    except subprocess.TimeoutExpired:
        return {"skipped": f"more than {MOST_SECONDS // 60} minutes"}
    except subprocess.CalledProcessError as error:
        if error.returncode != -signal.SIGKILL:
            raise
        return {"skipped": "killed, as for want of memory"}
    return json.loads(found.stdout.splitlines()[-1])


def main(n_rows: int, n_columns: int, quick: bool) -> None:
    """Print what `distil` returns, for the process that asked."""
    print(json.dumps(distil(n_rows, n_columns, quick)))


def distil(n_rows: int, n_columns: int, quick: bool) -> dict[str, float]:
    """Fit a teacher on a simulated table, distil it, and return the seconds of the parts and the peaks of memory.

    Returns
    -------
    dict
        Seconds: teacher_fit; augmenter_fit and draws, which are the synthesis; label_real and label_synthetic; compile,
        as JAX counts it; rest, the student and all else; whole, the wall time without the teacher's fit. Parts that
        run at the same time count in full, and rest is what is left of the whole. Gigabytes: matrix; peak_teacher,
        until the teacher is fitted; peak, until the end.
    """
    from sklearn.datasets import make_classification

    _count_compilation()
    X, y = make_classification(
        n_rows, n_columns, n_informative=n_columns // 2, n_redundant=0, class_sep=0.5, random_state=0
    )
    start = time.perf_counter()
    members = big_teacher(n_estimators=5 if quick else 500).estimators
    teacher = TimedTeacher(members, voting="soft").fit(X, y)
    teacher_fit, peak_teacher = time.perf_counter() - start, peak_gigabytes()
    student = MLPStudent(max_iter=1) if quick else "mlp"
    model = DistilledClassifier(FrozenEstimator(teacher), student=student, augmenter=TimedAugmenter(), random_state=0)
    start = time.perf_counter()
    model.fit(X, y)
    whole = time.perf_counter() - start
    parts = {name: _seconds[name] for name in ("augmenter_fit", "draws", "label_real", "label_synthetic", "compile")}
    rest = whole - sum(parts.values())
    memory = {"matrix": X.nbytes / 1e9, "peak_teacher": peak_teacher, "peak": peak_gigabytes()}
    return {"teacher_fit": teacher_fit, **parts, "rest": rest, "whole": whole, **memory}


def peak_gigabytes() -> float:
    """The most memory that this process has held."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says counts the process that started this one as well
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9


def _timed(part: Callable[[], str]):
    """Add the seconds of a method to what `part` names."""

    def decorate(method):
        @wraps(method)
        def timed(*args, **kwargs):
            name, start = part(), time.perf_counter()
            try:
                return method(*args, **kwargs)
            finally:
                _seconds[name] += time.perf_counter() - start

        return timed

    return decorate


class TimedAugmenter(_DefaultAugmenter):
    """The default augmenter; its seconds are counted."""

    fit_codes = _timed(lambda: "augmenter_fit")(_DefaultAugmenter.fit_codes)
    sample_codes = _timed(lambda: "draws")(_DefaultAugmenter.sample_codes)


class TimedTeacher(VotingClassifier):
    """The teacher; the seconds of its answers are counted, those on real rows apart: they come before any draw."""

    predict_proba = _timed(lambda: "label_synthetic" if _seconds["draws"] else "label_real")(
        VotingClassifier.predict_proba
    )


def _count_compilation() -> None:
    """Let JAX count the seconds in which it traces and compiles."""
    import jax

    def count(event: str, seconds: float, **_) -> None:
        if event.startswith("/jax/core/compile/"):
            _seconds["compile"] += seconds

    jax.monitoring.register_event_duration_secs_listener(count)


def _labelling(record: dict) -> float:
    return record["label_real"] + record["label_synthetic"]


def _synthesis(record: dict) -> float:
    return record["augmenter_fit"] + record["draws"]


def _ratio(record: dict) -> float:
    """Everything but the teacher's fit and its answers, over its answers."""
    return record["whole"] / _labelling(record) - 1


def _line(record: dict) -> str:
    size = f"{record['rows']:,} rows × {record['columns']} columns"
    if "skipped" in record:
        return f"{size}: {record['skipped']}"
    return f"{size}: {record['whole']:.0f} s beside the teacher's fit, peak {record['peak']:.2f} GB"


def _imports(record: dict) -> str:
    return f"`import tabkd` takes {record['tabkd']:.2f} s, `import sklearn` alone {record['sklearn']:.2f} s."


def _table(records: list[dict]) -> list[str]:
    header = ["rows × columns", "teacher's fit", "synthesis", "labels", "compilation", "student", "whole without fit"]
    header += ["all but labels / labels", "matrix", "peak of the fit", "peak"]
    return markdown(header, [_cells(record, len(header)) for record in records])


def _cells(record: dict, n: int) -> list[str]:
    size = f"{record['rows']:,} × {record['columns']}"
    if "skipped" in record:
        return [size, record["skipped"], *["–"] * (n - 2)]
    seconds = [record["teacher_fit"], _synthesis(record), _labelling(record), record["compile"], record["rest"]]
    memory = [record[name] for name in ("matrix", "peak_teacher", "peak")]
    return [
        size,
        *(f"{value:.1f} s" for value in [*seconds, record["whole"]]),
        f"{_ratio(record):.2f}",
        *(f"{value:.2f} GB" for value in memory),
    ]


def _slopes(records: list[dict]) -> list[str]:
    """How seconds grow with rows: the power, for each number of columns that was measured at two sizes or more."""
    parts = {"augmenter's fit": lambda r: r["augmenter_fit"], "synthesis": _synthesis, "whole": lambda r: r["whole"]}
    rows = []
    for n_columns in sorted({record["columns"] for record in records}):
        measured = [r for r in records if r["columns"] == n_columns and "skipped" not in r]
        if len(measured) > 1:
            powers = [_power(measured, part) for part in parts.values()]
            rows.append([str(n_columns), *(f"{power:.2f}" for power in powers)])
    header = ["columns", *(f"{name}: power of the rows" for name in parts)]
    return markdown(header, rows)


def _power(records: list[dict], seconds: Callable[[dict], float]) -> float:
    rows = np.log([record["rows"] for record in records])
    return float(np.polyfit(rows, np.log([seconds(record) for record in records]), 1)[0])
