"""How long a small job of `tabkd score` takes, beside the imports that it cannot do without."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks.runs import Runs, markdown
from tabkd import DistilledClassifier
from tabkd.datasets import make_card_transactions

_ROWS, _REPEATS = 1_000, 9
_COMMAND = "`tabkd score model.onnx rows.parquet --output out.parquet`"
_IMPORTS = '`python -c "import numpy, onnxruntime, pyarrow"`'
_PROGRAMS = {
    _COMMAND: ["from tabkd._cli import app; app()", "score", "model.onnx", "rows.parquet", "--output", "out.parquet"],
    _IMPORTS: ["import numpy, onnxruntime, pyarrow"],
}


def run(output: Path | None, quick: bool) -> str:
    """Measure the command and the imports, if that is not recorded in `output` yet; return the table."""
    runs = Runs(output, "start")
    found = runs.once({"rows": _ROWS, "quick": quick}, partial(measure, 1 if quick else _REPEATS))
    return runs.write_table(_table(found))


def measure(repeats: int) -> dict[str, float]:
    """Median seconds, by the clock and of the processors, of processes that take turns."""
    with tempfile.TemporaryDirectory() as folder:
        _write_job(Path(folder))
        # Bytecode is there after the first run, as where the package is installed.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"PYTHONPYCACHEPREFIX": str(Path(folder) / "bytecode")}
        once = partial(_seconds, folder=folder, environment=environment)
        for program in _PROGRAMS.values():
            once(program)
        times = [{name: once(program) for name, program in _PROGRAMS.items()} for _ in range(repeats)]
    return {
        f"{what} {name}": statistics.median(turn[name][k] for turn in times)
        for name in _PROGRAMS
        for k, what in enumerate(("clock", "processors"))
    }


def _write_job(folder: Path) -> None:
    """The default student of card payments, and rows of them."""
    payments = make_card_transactions(5_000, random_state=0)
    X, y = payments.drop(columns="fraud"), payments["fraud"]
    DistilledClassifier(n_synthetic=2_000, random_state=0).fit(X, y).to_onnx(folder / "model.onnx")
    X[:_ROWS].to_parquet(folder / "rows.parquet", index=False)


def _seconds(program: list[str], folder: str, environment: dict[str, str]) -> tuple[float, float]:
    """What a process takes by the clock and of the processors."""
    before, start = _processor_seconds(), time.perf_counter()
    subprocess.run([sys.executable, "-c", *program], cwd=folder, env=environment, capture_output=True, check=True)
    return time.perf_counter() - start, _processor_seconds() - before


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _table(found: dict) -> list[str]:
    """The lines of the report."""
    rows = [[name, *(f"{found[f'{what} {name}']:.2f}" for what in ("clock", "processors"))] for name in _PROGRAMS]
    ratios = [found[f"{what} {_COMMAND}"] / found[f"{what} {_IMPORTS}"] for what in ("clock", "processors")]
    rows.append(["ratio", *(f"{ratio:.1f}" for ratio in ratios)])
    return markdown([f"{_ROWS:,} rows", "seconds", "of the processors"], rows)
