"""AutoGluon: its own ensemble, the students of its `distill()`, and tabkd's students of that same ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import apart
from benchmarks.answers import Answer
from benchmarks.problems import Split

# All of its default models but its two networks, which need torch; and what tabkd's students of the ensemble need.
REQUIREMENTS = ("autogluon.tabular[lightgbm,catboost,xgboost]==1.6.3", f"{apart.ROOT}/tabkd[distil]")
#: What the worker calls its contestants.
ENSEMBLE, GBM, RF = "ensemble", "GBM", "RF"

_WORKER = Path(__file__).with_name("autogluon_worker.py")


def environment(folder: Path) -> Path:
    """The Python of a virtual environment that has AutoGluon, made where it is not there."""
    return apart.environment(folder, REQUIREMENTS, f"Python 3.10 to 3.13 and 2 GB in {folder}")


def distil(
    split: Split, python: Path, time_limit: int, preset: str | None = None, students: Sequence[str] = ()
) -> dict[str, Answer]:
    """Fit AutoGluon's ensemble on the training rows and distil it, by its own `distill()` and by tabkd.

    Parameters
    ----------
    split : Split
    python : Path
        What `environment` returns.
    time_limit : int
        Seconds for the ensemble, and as many again for the GBM student; AutoGluon may need a little more. The RF
        student takes what its 300 trees take.
    preset : str, optional
        AutoGluon's `presets`, such as "medium" and "best".
    students : sequence of str
        Names of students that tabkd distils the ensemble into.

    Returns
    -------
    dict of str to Answer
        Of `ENSEMBLE`, `GBM`, `RF` and each of `students`. The scores are as the models give them, which for AutoGluon's
        students need not be between 0 and 1. The bytes are of the folders of the models that predict, and of the ONNX
        file. The seconds are of fitting the ensemble, and for AutoGluon's students of distilling both as well.

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
    task = {"time_limit": time_limit, "preset": preset, "students": list(students), "root": str(apart.ROOT)}
    return apart.answers(split, python, _WORKER, task)
