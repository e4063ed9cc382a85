"""A change against another version: time, bytes and skill kept, measured in turns on this machine."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.runs import markdown

ROOT = Path(__file__).parents[1]
# From here on a difference is marked: times and bytes as a ratio, skill kept as a share.
_MOST_TIME, _MOST_BYTES, _LEAST_KEPT = 1.15, 1.05, -0.005


def run(against: str, repeats: int, quick: bool) -> tuple[str, bool]:
    """Measure the working tree and a revision; return the table, and whether nothing is clearly worse."""
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "tabkd"
        _git("worktree", "add", "--detach", str(other), against)
        try:
            found, sides = {"before": [], "now": []}, [("before", other), ("now", ROOT)]
            for seed in range(repeats):
                for name, root in sides[:: 1 if seed % 2 else -1]:
                    found[name].append(_measured(root, seed, quick))
                    print(f"seed {seed}, {name}", file=sys.stderr, flush=True)
        finally:
            _git("worktree", "remove", "--force", str(other))
    return table(found["before"], found["now"])


def table(before: list[dict[str, float]], now: list[dict[str, float]]) -> tuple[str, bool]:
    """The medians of both, and whether nothing is clearly worse."""
    rows, is_fine = [], True
    for what in (key for key in now[0] if key in before[0]):
        old, new = (statistics.median(numbers[what] for numbers in found) for found in (before, now))
        if what.endswith("skill kept"):
            cells, is_worse = [f"{old:.1%}", f"{new:.1%}", f"{new - old:+.1%}"], new - old < _LEAST_KEPT
        else:
            is_worse = new / old > (_MOST_BYTES if what.endswith("bytes") else _MOST_TIME)
            cells = [f"{old:.4g}", f"{new:.4g}", f"{new / old:.2f} ×"]
        is_fine &= not is_worse
        rows.append([what, *cells, "worse" if is_worse else ""])
    return "\n".join(markdown(["measure", "before", "now", "difference", ""], rows)), is_fine


def _measured(root: Path, seed: int, quick: bool) -> dict[str, float]:
    """What the tabkd in a folder does, in a process of its own."""
    worker = ROOT / "benchmarks" / "check_worker.py"
    command = [sys.executable, str(worker), str(seed), "quick" if quick else "whole"]
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_WAIT_POLICY": "passive"}
    return json.loads(subprocess.check_output(command, env=environment, cwd=root, text=True).splitlines()[-1])


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True)
