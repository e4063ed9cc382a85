"""A fitted teacher from its file, for `tabkd distill --teacher FILE`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabkd._cli.errors import CommandError
from tabkd._cli.teacher_files import LOADERS, read_teacher
from tabkd._cli.teacher_probe import probe
from tabkd._options import option

if TYPE_CHECKING:
    import pandas as pd

_PICKLES = (".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle")


def load_teacher(path: Path, task: str, trusted: Sequence[str] = (), X: pd.DataFrame | None = None) -> Any:
    """The fitted teacher of a file, which is used as it is.

    The file is read in another process first, since a damaged one can crash the libraries.

    Parameters
    ----------
    path : Path
    task : {"classification", "regression"}
    trusted : sequence of str
        Types in a skops file that the user trusts, in addition to those that skops trusts.
    X : DataFrame, optional
        The table that it will label, some of whose rows it predicts in that other process.

    Returns
    -------
    object
        With `predict_proba` and `classes_`, or `predict`; it takes the frame and picks its own columns by
        name.

    Raises
    ------
    CommandError
        The file is missing, corrupt, of another format or task, could run code, crashes its library, or takes too
        long.
    """
    _check_kind(path)
    probe(path, trusted, X)
    teacher = read_teacher(path, trusted)
    if task == "classification" and not hasattr(teacher, "predict_proba"):
        raise CommandError(
            f"the teacher {str(path)!r} gives no probabilities, but the task is classification. "
            "Use a classifier's file, or --task regression."
        )
    if task == "regression" and hasattr(teacher, "predict_proba"):
        raise CommandError(
            f"the teacher {str(path)!r} is a classifier, but the task is regression. "
            "Use a regressor's file, or --task classification."
        )
    return teacher


def _check_kind(path: Path) -> None:
    """Refuse a file of an unknown format, before a process is started for it."""
    suffix = path.suffix.lower()
    if suffix in _PICKLES:
        raise CommandError(
            f"{option('teacher', str(path))} is a pickle, and reading one can run any code, so tabkd never does. "
            "Save the model in a safe format: XGBoost's save_model('t.json'), LightGBM's "
            "booster_.save_model('t.txt'), skops.io.dump(model, 't.skops'), or ONNX."
        )
    if suffix not in LOADERS:
        raise CommandError(
            f"{option('teacher', str(path))} has the suffix {suffix!r}; a fitted teacher has {', '.join(LOADERS)}."
        )
    if not path.is_file():
        raise CommandError(f"the teacher {str(path)!r} does not exist; check the path.")
