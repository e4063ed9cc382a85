"""What tabkd costs before it is used, and the memory that a distillation takes."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time


def import_seconds(repeats: int = 7) -> tuple[float, float]:
    """Median seconds of `import sklearn` alone and of `import tabkd`, in fresh processes that take turns."""
    times: dict[str, list[float]] = {"sklearn": [], "tabkd": []}
    for _ in range(repeats):
        for module, found in times.items():
            code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
            found.append(float(subprocess.check_output([sys.executable, "-c", code])))
    return statistics.median(times["sklearn"]), statistics.median(times["tabkd"])


def distil(n_rows: int, n_columns: int) -> None:
    """Distil the default teacher on a simulated table, and print the seconds and the peak memory of this process."""
    from sklearn.datasets import make_classification

    from tabkd import DistilledClassifier

    X, y = make_classification(
        n_rows, n_columns, n_informative=n_columns // 2, n_redundant=0, class_sep=0.5, random_state=0
    )
    start = time.perf_counter()
    DistilledClassifier(random_state=0).fit(X, y)
    seconds = time.perf_counter() - start
    # The kernel counts in kilobytes, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
    print(f"{n_rows:,} rows × {n_columns} columns: {seconds:.0f} s, peak {peak:.2f} GB")


def run(n_rows: int, n_columns: int) -> None:
    """Print the import times, and distil in a process of its own."""
    sklearn, tabkd = import_seconds()
    print(f"import sklearn {sklearn:.2f} s, import tabkd {tabkd:.2f} s: {tabkd - sklearn:+.2f} s", flush=True)
    subprocess.run(
        [sys.executable, "-c", f"from benchmarks.footprint import distil; distil({n_rows}, {n_columns})"], check=True
    )
