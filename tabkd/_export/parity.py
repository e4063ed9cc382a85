"""The parity check: ONNX Runtime has to reproduce the scores of the student, or nothing is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tabkd._export.additivity import check_additivity
from tabkd._export.probes import frame_of, probe_codes, row_text
from tabkd._export.run import run
from tabkd._options import option
from tabkd.onnx import ParityError
from tabkd.students import STUDENTS, Student
from tabkd.students._foreign import ForeignStudent
from tabkd.students._registry import student_names

#: Largest difference of a probability, or of a prediction in standard deviations of the target.
TOLERANCE = 1e-5


def check_parity(model: Any, content: bytes) -> dict[str, Any]:
    """Compare a distilled estimator with its ONNX model on rows of every kind.

    Both ways to score with the file are compared: the whole graph in ONNX Runtime, and `tabkd.load`.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
        The fitted estimator.
    content : bytes
        The model as it would be written.

    Returns
    -------
    dict
        rows: the number of compared rows; max_difference: the largest difference, in standard deviations of the target
        for regression; with contributions additivity: the largest error of a row's sum, in standard deviations of the
        score.

    Raises
    ------
    ParityError
        If a difference is too large; the message has the row, both values and the remedy.
    ValueError
        If the graph cannot be scored at all.
    """
    codes = probe_codes(model)
    frame = frame_of(model.schema_, codes)
    expected = model._scores(frame)
    exported, whole = run(model, content, frame)
    scores = whole[model._task.onnx_outputs(model._student)[-1].name].astype(np.float64)
    worst = 0.0
    for got in (scores, exported._scores(frame)):
        distances = model._task.distances(got, expected, model._student)
        difference = np.nan_to_num(distances, nan=np.inf, posinf=np.inf)
        worst = max(worst, float(difference.max()))
        if worst > TOLERANCE:
            row, output = np.unravel_index(np.argmax(difference), difference.shape)
            what = model._task.output_name(int(output))
            raise _error(model, frame, int(row), expected[row, output], got[row, output], what)
    if "label" in whole:
        _check_labels(model, frame, expected, whole["label"])
    proven = {"rows": len(codes), "max_difference": worst}
    if model._is_explained:
        proven["additivity"] = check_additivity(model, codes, frame, exported, whole)
    return proven


def _check_labels(model: Any, frame: pd.DataFrame, expected: np.ndarray, labels: np.ndarray) -> None:
    """Refuse a label that differs from Python's, unless the two best classes are equally likely."""
    top = np.sort(expected, axis=1)[:, -2:]
    best = model.classes_[expected.argmax(axis=1)]
    wrong = (top[:, 1] - top[:, 0] > 2 * TOLERANCE) & (best.astype(str) != _as_classes(model, labels).astype(str))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise _error(model, frame, row, best[row], labels[row], "the label")


def _as_classes(model: Any, labels: np.ndarray) -> np.ndarray:
    labels = np.asarray(labels)
    return labels.astype(model.classes_.dtype) if model.classes_.dtype.kind in "iufb" else labels


def _error(model: Any, frame: pd.DataFrame, row: int, python: Any, onnx: Any, what: str) -> ParityError:
    return ParityError(
        f"ONNX Runtime does not reproduce the student {type(model.student_).__name__}, so nothing was "
        f"written: {what} is {python!s} in Python, but {onnx!s} in ONNX, where at most {TOLERANCE:g} is allowed "
        f"(regression: of the target's standard deviation), for the row {row_text(model.schema_, frame, row)}. "
        f"{_remedy(model)}"
    )


def _remedy(model: Any) -> str:
    """What to do about a student whose graph gives other scores."""
    student: Student = model._student
    if isinstance(student, ForeignStudent):
        remedy = (
            "Update onnxruntime and skl2onnx. A student of another library may not be exact in float32: use one of "
            f"tabkd's ({student_names()})."
        )
    elif type(student) in STUDENTS.values():
        remedy = "Update onnxruntime and skl2onnx; if that does not help, please report it with this row."
    else:
        remedy = (
            "predict_codes and write_onnx have to compute the same, in float32. If the targets are far from zero, use "
            "write_values; if far or missing values cannot be exact, set answers_any_row = False. See "
            "tabkd.students.Student."
        )
    if model.temperature == 1:
        return remedy
    return (
        f"{option('temperature')} is {model.temperature!r}: the student learns probabilities to the power of "
        "1 / temperature, and the file turns them back. Below 1, float32 cannot hold the small ones; far above 1, "
        f"small errors become large. Fit it again with a temperature closer to 1. If that does not help: {remedy}"
    )
