"""The contestant AutoGluon: the students of its `distill()` and its own ensemble, fitted by another interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.answers import Answer
from benchmarks.problems import Split
from tabkd.evaluation import _metrics as metrics

# All of its default models but its two networks, which need torch.
REQUIREMENT = "autogluon.tabular[lightgbm,catboost,xgboost]==1.6.3"
CONTESTANTS = ("AutoGluon GBM", "AutoGluon RF", "AutoGluon ensemble")

_WORKER = Path(__file__).with_name("autogluon_worker.py")
_TAIL = 4000


def environment(folder: Path) -> Path:
    """The Python of a virtual environment that has AutoGluon.

    Parameters
    ----------
    folder : Path
        Where it is, or is made.

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
    complete = folder / "requirement.txt"
    if complete.is_file() and complete.read_text(encoding="utf-8") == REQUIREMENT:
        return python
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", REQUIREMENT],
    ):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        if done.returncode:
            raise SystemExit(
                f"{done.stdout[-_TAIL:]}\n{' '.join(command)} failed with status {done.returncode}, see above. "
                f"{REQUIREMENT} needs Python 3.10 to 3.13 (this is {sys.version.split()[0]}), a package registry that "
                f"pip reaches, and 1.2 GB in {folder}; without AutoGluon the benchmark runs too."
            )
    complete.write_text(REQUIREMENT, encoding="utf-8")
    return python


def distil(split: Split, python: Path, time_limit: int) -> dict[str, Answer]:
    """Fit AutoGluon's ensemble on the training rows and distil it into its two students, with its own defaults.

    Parameters
    ----------
    split : Split
    python : Path
        What `environment` returns.
    time_limit : int
        Seconds for the ensemble, and as many again for the GBM student; AutoGluon may need a little more. The RF
        student takes what its 300 trees take.

    Returns
    -------
    dict of str to Answer
        Of each of `CONTESTANTS`. The scores are as AutoGluon gives them, which for a student need not be between 0
        and 1, and 0 for a class that it left out. The bytes are of the folders of the models that predict. The
        seconds are of fitting the ensemble, and for the students of distilling both as well.

    Raises
    ------
    RuntimeError
        If AutoGluon fails, or leaves out one of the students.

    Notes
    -----
    AutoGluon is measured as it is. Version 1.6.3 has two faults that concern its students: its synthetic rows have
    every category missing (`spunge_augment` looks for the text of categories that by then are integers), and the GBM
    student of more than two classes keeps one round (its early stopping reads LightGBM's scores (n, K) as (K, n)).
    """
    regression = split.task == "regression"
    kind = "regression" if regression else "binary" if len(split.classes) == 2 else "multiclass"
    # Codes, because text that looks like a number or a date would not survive AutoGluon as a class.
    y = np.asarray(split.y_train, np.float64) if regression else metrics.class_codes(split.y_train, split.classes)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        label = _label(split.X_train.columns)
        split.X_train.assign(**{label: y}).to_parquet(folder / "train.parquet", index=False)
        split.X_test.to_parquet(folder / "test.parquet", index=False)
        task = {"label": label, "problem_type": kind, "time_limit": time_limit, "seed": split.seed}
        (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
        # Isolated (-I), because beside the worker lies this very file, which would be imported for AutoGluon.
        command = [str(python), "-I", str(_WORKER), str(folder)]
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
                f"AutoGluon failed on {split.table} with status {done.returncode}:\n{done.stdout[-_TAIL:]}"
            )
        costs = json.loads((folder / "costs.json").read_text(encoding="utf-8"))
        with np.load(folder / "scores.npz", allow_pickle=False) as file:
            columns = file["classes"]
            return {
                name: Answer(_scores(file[key], columns, split), **costs[key])
                for name, key in zip(CONTESTANTS, ("GBM", "RF", "ensemble"), strict=True)
            }


def _label(columns) -> str:
    """A name that no column has."""
    label = "label"
    while label in columns:
        label += "_"
    return label


def _scores(scores: np.ndarray, columns: np.ndarray, split: Split) -> np.ndarray:
    """With a column for each class of the split, 0 where AutoGluon has none."""
    if split.task == "regression":
        return scores
    found = np.zeros((len(scores), len(split.classes)))
    found[:, columns] = scores
    return found
