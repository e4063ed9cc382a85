"""The parity gate: ONNX Runtime has to score as the student does, or nothing is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tabkd._export.probes import frame_of, probe_codes
from tabkd.onnx._parity_error import ParityError

#: The most that a probability, or a prediction in standard deviations of the target, may differ.
TOLERANCE = 1e-5
# Columns of a row that an error shows.
_SHOWN = 40


def check_parity(model, content: bytes) -> dict[str, Any]:
    """Compare a distilled estimator with its ONNX model on rows of every kind.

    Both ways are compared that lead through the file: the whole graph in ONNX Runtime, and `tabkd.load`.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
    content : bytes
        The model as it would be written.

    Returns
    -------
    dict
        rows: how many were compared; max_difference: the largest, in standard deviations for regression.

    Raises
    ------
    ParityError
        With the row, both values and the remedy.
    """
    codes = probe_codes(model)
    frame = frame_of(model._schema, codes)
    expected = _expected(model, frame)
    scale = _scale(model, expected)
    exported, (whole, labels) = _scorer(model, content), _run_whole(model, content, frame)
    worst = 0.0
    for got in (whole, exported._scores(frame)):
        difference = np.nan_to_num(np.abs(got - expected) / scale, nan=np.inf, posinf=np.inf)
        worst = max(worst, float(difference.max()))
        if worst > TOLERANCE:
            row, output = np.unravel_index(np.argmax(difference), difference.shape)
            raise _error(model, frame, int(row), expected[row, output], got[row, output], int(output))
    if labels is not None:
        _check_labels(model, frame, expected, labels)
    return {"rows": len(codes), "max_difference": worst}


def _expected(model, frame: pd.DataFrame) -> np.ndarray:
    said = model.predict_proba(frame) if hasattr(model, "classes_") else model.predict(frame)
    return np.asarray(said, dtype=np.float64).reshape(len(frame), -1)


def _scale(model, expected: np.ndarray) -> np.ndarray:
    """What a difference is measured in: 1, or the target's standard deviation."""
    if hasattr(model, "classes_"):
        return np.ones(expected.shape[1])
    scale = getattr(model.student_, "target_scale_", None)
    if scale is None:
        scale = expected.std(axis=0)
    return np.where(np.asarray(scale) > 0, scale, 1.0)


def _scorer(model, content: bytes):
    from tabkd.scoring._exported import ExportedStudent

    return ExportedStudent(content, n_jobs=1)


def _run_whole(model, content: bytes, frame: pd.DataFrame):
    """Scores (n, K) and labels of the file as it is, fed as any user of ONNX Runtime would."""
    import json

    from tabkd.scoring import _wire as wire
    from tabkd.scoring._exported import _session

    session = _session(content)
    columns = json.loads(wire.metadata(content)["tabkd"])["columns"]
    if columns[0]["input"] == "X" and len({c["input"] for c in columns}) == 1 and model._schema.is_numeric:
        feeds = {"X": _numbers(frame.to_numpy(), columns[0]["type"])}
    else:
        feeds = {c["input"]: _feed(frame.iloc[:, i], c) for i, c in enumerate(columns)}
    scores = session.run(None, feeds)
    if hasattr(model, "classes_"):
        return scores[1].astype(np.float64), scores[0]
    return scores[0].astype(np.float64), None


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


def _check_labels(model, frame, expected: np.ndarray, labels) -> None:
    """Refuse a label other than Python's, unless the two best classes are a draw."""
    top = np.sort(expected, axis=1)[:, -2:]
    best = model.classes_[expected.argmax(axis=1)]
    wrong = (top[:, 1] - top[:, 0] > 2 * TOLERANCE) & (best.astype(str) != _as_classes(model, labels).astype(str))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise _error(model, frame, row, best[row], labels[row], None)


def _as_classes(model, labels) -> np.ndarray:
    labels = np.asarray(labels)
    return labels.astype(model.classes_.dtype) if model.classes_.dtype.kind in "iufb" else labels


def _error(model, frame: pd.DataFrame, row: int, python, onnx, output: int | None) -> ParityError:
    values = [f"{name}={value!r}" for name, value in frame.iloc[row].items()]
    if len(values) > _SHOWN:
        values = [*values[:_SHOWN], f"… {len(values) - _SHOWN} more columns"]
    what = "the label"
    if output is not None:
        what = f"the probability of {model.classes_[output]!r}" if hasattr(model, "classes_") else f"output {output}"
    return ParityError(
        f"ONNX Runtime does not reproduce the student {type(model.student_).__name__}, so nothing was "
        "written: "
        f"{what} is {python!s} in Python, but {onnx!s} in ONNX, where at most {TOLERANCE:g} is allowed "
        "(regression: "
        f"of the target's standard deviation), for the row {', '.join(values)}. Update onnxruntime and "
        "skl2onnx. "
        "A student of another library may not be exact in float32: use one of tabkd's ('mlp', 'tree', "
        "'boosted_trees'); if it is one of these, please report it with this row."
    )
