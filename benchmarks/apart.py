"""Contestants that another interpreter fits, in a virtual environment of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.answers import Answer
from benchmarks.problems import Split
from tabkd.evaluation import _metrics as metrics

ROOT = Path(__file__).resolve().parent.parent
_TAIL = 4000


def environment(folder: Path, requirements: Sequence[str], needs: str) -> Path:
    """The Python of a virtual environment that has what is required.

    Parameters
    ----------
    folder : Path
        Where it is, or is made.
    requirements : sequence of str
        What pip installs there.
    needs : str
        What the installation takes, for the message of a failure.

    Returns
    -------
    Path

    Raises
    ------
    SystemExit
        If it cannot be made.
    """
    python = folder.absolute() / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    # Written last, so that an interrupted installation is taken up again.
    complete, wanted = folder / "requirements.txt", "\n".join(requirements)
    if complete.is_file() and complete.read_text(encoding="utf-8") == wanted:
        return python
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", *requirements],
    ):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        if done.returncode:
            raise SystemExit(
                f"{done.stdout[-_TAIL:]}\n{' '.join(command)} failed with status {done.returncode}, see above. It "
                f"needs {needs} (this is Python {sys.version.split()[0]}), and a package registry that pip reaches; "
                "the benchmark runs without as well."
            )
    complete.write_text(wanted, encoding="utf-8")
    return python


def answers(split: Split, python: Path, worker: Path, task: dict[str, Any]) -> dict[str, Answer]:
    """What the models of a worker answer to the test rows.

    Parameters
    ----------
    split : Split
    python : Path
        What `environment` returns.
    worker : Path
        A script that reads ``train.parquet``, ``test.parquet`` and ``task.json`` in a folder, its only argument, and
        writes ``scores.npz``, with the classes it knows, and ``costs.json`` there.
    task : dict
        Further settings for the worker; the name of the label, the task and the seed are added.

    Returns
    -------
    dict of str to Answer
        The scores are as the models give them, 0 for a class that a model left out.

    Raises
    ------
    RuntimeError
        If the worker fails.
    """
    regression = split.task == "regression"
    kind = "regression" if regression else "binary" if len(split.classes) == 2 else "multiclass"
    # Codes, because text that looks like a number or a date would not survive as a class.
    y = np.asarray(split.y_train, np.float64) if regression else metrics.class_codes(split.y_train, split.classes)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        label = _label(split.X_train.columns)
        split.X_train.assign(**{label: y}).to_parquet(folder / "train.parquet", index=False)
        split.X_test.to_parquet(folder / "test.parquet", index=False)
        told = {"label": label, "problem_type": kind, "seed": split.seed, **task}
        (folder / "task.json").write_text(json.dumps(told), encoding="utf-8")
        # Isolated (-I), because beside the worker lie files that would be imported for libraries of the same name.
        command = [str(python), "-I", str(worker), str(folder)]
        # While another program has their core, threads that spin would use up the time limit with nothing done.
        done = subprocess.run(
            command,
            env=os.environ | {"OMP_WAIT_POLICY": "passive"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        if done.returncode:
            raise RuntimeError(
                f"{worker.name} failed on {split.table} with status {done.returncode}:\n{done.stdout[-_TAIL:]}"
            )
        costs = json.loads((folder / "costs.json").read_text(encoding="utf-8"))
        with np.load(folder / "scores.npz", allow_pickle=False) as file:
            return {name: Answer(_scores(file[name], file["classes"], split), **costs[name]) for name in costs}


def _label(columns) -> str:
    """A name that no column has."""
    label = "label"
    while label in columns:
        label += "_"
    return label


def _scores(scores: np.ndarray, columns: np.ndarray, split: Split) -> np.ndarray:
    """With a column for each class of the split, 0 where a model has none."""
    if split.task == "regression":
        return scores
    found = np.zeros((len(scores), len(split.classes)))
    found[:, columns] = scores
    return found
