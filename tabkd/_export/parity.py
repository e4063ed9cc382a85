"""The parity check: ONNX Runtime has to reproduce the scores of the student, or nothing is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tabkd._export.probes import frame_of, probe_codes
from tabkd.onnx import ParityError
from tabkd.scoring import ExportedStudent
from tabkd.scoring import _wire as wire
from tabkd.scoring._exported import _session
from tabkd.students._registry import student_names

if TYPE_CHECKING:
    from tabkd._distilled import DistilledClassifier, DistilledRegressor

#: Largest difference of a probability, or of a prediction in standard deviations of the target.
TOLERANCE = 1e-5
# Largest number of columns that an error shows.
_SHOWN = 40


def check_parity(model: DistilledClassifier | DistilledRegressor, content: bytes) -> dict[str, Any]:
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
        for regression.

    Raises
    ------
    ParityError
        If a difference is too large; the message has the row, both values and the remedy.
    """
    codes = probe_codes(model)
    frame = frame_of(model.schema_, codes)
    expected = model._scores(frame)
    # Differences of probabilities are absolute; those of values are in standard deviations of the target.
    scale = model._student.target_scale_
    exported, whole = ExportedStudent(content, n_jobs=1), _run_whole(model, content, frame)
    scores = whole[model._task.onnx_outputs(model._student)[-1].name].astype(np.float64)
    worst = 0.0
    for got in (scores, exported._scores(frame)):
        difference = np.nan_to_num(np.abs(got - expected) / scale, nan=np.inf, posinf=np.inf)
        worst = max(worst, float(difference.max()))
        if worst > TOLERANCE:
            row, output = np.unravel_index(np.argmax(difference), difference.shape)
            what = model._task.output_name(int(output))
            raise _error(model, frame, int(row), expected[row, output], got[row, output], what)
    if "label" in whole:
        _check_labels(model, frame, expected, whole["label"])
    return {"rows": len(codes), "max_difference": worst}


def _run_whole(
    model: DistilledClassifier | DistilledRegressor, content: bytes, frame: pd.DataFrame
) -> dict[str, np.ndarray]:
    """The outputs of the whole file, by name, from inputs that any user of ONNX Runtime would pass."""
    session = _session(content)
    columns = json.loads(wire.metadata(content)["tabkd"])["columns"]
    if columns[0]["input"] == "X" and len({c["input"] for c in columns}) == 1 and model.schema_.is_numeric:
        feeds = {"X": _numbers(frame.to_numpy(), columns[0]["type"])}
    else:
        feeds = {c["input"]: _feed(frame.iloc[:, i], c) for i, c in enumerate(columns)}
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def _feed(series: pd.Series, column: dict[str, Any]) -> np.ndarray:
    if column["type"] != "STRING":
        return _numbers(series.to_numpy(np.float64), column["type"])[:, None]
    values = series.to_numpy(object)
    # ONNX Runtime spells None "None"; where that is a category, a missing value has another spelling.
    if "None" not in column["missing"]:
        values = np.array([column["missing"][0] if v is None else v for v in values], dtype=object)
    return values[:, None]


def _numbers(values: np.ndarray, kind: str) -> np.ndarray:
    if kind == "DOUBLE":
        return np.ascontiguousarray(values)
    limit = float(np.finfo(np.float32).max)
    return np.ascontiguousarray(np.clip(values, -limit, limit).astype(np.float32))


def _check_labels(
    model: DistilledClassifier | DistilledRegressor, frame: pd.DataFrame, expected: np.ndarray, labels: np.ndarray
) -> None:
    """Refuse a label that differs from Python's, unless the two best classes are equally likely."""
    top = np.sort(expected, axis=1)[:, -2:]
    best = model.classes_[expected.argmax(axis=1)]
    wrong = (top[:, 1] - top[:, 0] > 2 * TOLERANCE) & (best.astype(str) != _as_classes(model, labels).astype(str))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise _error(model, frame, row, best[row], labels[row], "the label")


def _as_classes(model: DistilledClassifier | DistilledRegressor, labels: np.ndarray) -> np.ndarray:
    labels = np.asarray(labels)
    return labels.astype(model.classes_.dtype) if model.classes_.dtype.kind in "iufb" else labels


def _error(
    model: DistilledClassifier | DistilledRegressor, frame: pd.DataFrame, row: int, python: Any, onnx: Any, what: str
) -> ParityError:
    values = [f"{name}={value!r}" for name, value in frame.iloc[row].items()]
    if len(values) > _SHOWN:
        values = [*values[:_SHOWN], f"… {len(values) - _SHOWN} more columns"]
    return ParityError(
        f"ONNX Runtime does not reproduce the student {type(model.student_).__name__}, so nothing was "
        "written: "
        f"{what} is {python!s} in Python, but {onnx!s} in ONNX, where at most {TOLERANCE:g} is allowed "
        "(regression: "
        f"of the target's standard deviation), for the row {', '.join(values)}. Update onnxruntime and "
        "skl2onnx. "
        f"A student of another library may not be exact in float32: use one of tabkd's ({student_names()}); if it is "
        "one of these, please report it with this row."
    )
