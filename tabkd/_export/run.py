"""Run the file that would be written, and report what is wrong with a graph that cannot be scored."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd

from tabkd._threads import n_threads
from tabkd.onnx._convertible import Output
from tabkd.scoring import ExportedStudent
from tabkd.scoring import _wire as wire
from tabkd.scoring._column_facts import column_facts
from tabkd.scoring._graph import new_session
from tabkd.scoring._safety import OPERATORS
from tabkd.students import Student

# Rows at a time: contributions of one row take thousands of times a network's memory.
_SLICE = 64


def run(model: Any, content: bytes, frame: pd.DataFrame) -> tuple[ExportedStudent, dict[str, np.ndarray]]:
    """Load a model, and give all outputs of the file for the rows of a frame.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
    content : bytes
        The model as it would be written.
    frame : pandas.DataFrame
        Rows of its table.

    Returns
    -------
    ExportedStudent
        The loaded file.
    dict of str to array
        The outputs by name, from the whole graph in ONNX Runtime.

    Raises
    ------
    ValueError
        For operators that `tabkd.load` refuses, for outputs of another shape or type than declared, and for further
        outputs that read columns which the student's front does not name.
    """
    name = type(model.student_).__name__
    unknown = sorted({node.type for node in wire.nodes(content)} - OPERATORS)
    if unknown:
        raise ValueError(
            f"The graph of student {name} has the operators {unknown}, which tabkd.load refuses. It accepts these: "
            f"{', '.join(sorted(OPERATORS))}."
        )
    try:
        exported, whole = ExportedStudent(content), _run_whole(model, content, frame)
        for output in model._student.further_onnx_outputs():
            exported.output(frame[:1], output.name)
    except Exception as error:  # ONNX Runtime raises its own classes, which only derive from Exception
        reason = str(error.__cause__ or error).rstrip(". ")
        raise ValueError(
            f"The graph of student {name} cannot be scored: {reason}. It has to give the tensors "
            f"{_shapes(model._student)}."
        ) from error
    for output in model._student.further_onnx_outputs():
        if whole[output.name].shape != (len(frame), *output.shape):
            raise ValueError(
                f"The graph of student {name} gives {output.name!r} in shape {whole[output.name].shape} for "
                f"{len(frame)} rows, but further_outputs declares {_columns(output)}."
            )
    return exported, whole


def _shapes(student: Student) -> str:
    """The tensors that a student has to write, as an error shows them."""
    targets, *further = student.onnx_outputs()
    named = [targets._replace(name="targets"), *further]
    return ", ".join(f"{output.name}: {output.kind} (n, {', '.join(map(str, output.shape))})" for output in named)


def _columns(output: Output) -> str:
    """The shape of an output as an error shows it."""
    return f"{output.shape[0]} columns" if len(output.shape) == 1 else f"the shape {output.shape} of a row"


def _run_whole(model: Any, content: bytes, frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """The outputs of the whole file, by name, from inputs that any user of ONNX Runtime would pass."""
    session = new_session(content)
    columns = [column_facts(column, "a column") for column in json.loads(wire.metadata(content)["tabkd"])["columns"]]
    if columns[0]["input"] == "X" and len({c["input"] for c in columns}) == 1 and model.schema_.is_numeric:
        feeds = {"X": _numbers(frame.to_numpy(), columns[0]["type"])}
    else:
        feeds = {c["input"]: _feed(frame.iloc[:, i], c) for i, c in enumerate(columns)}
    names = [output.name for output in session.get_outputs()]

    def scored(start: int) -> list[np.ndarray]:
        return session.run(names, {name: values[start : start + _SLICE] for name, values in feeds.items()})

    with ThreadPoolExecutor(n_threads(None)) as threads:
        parts = list(threads.map(scored, range(0, max(1, len(frame)), _SLICE)))
    return {name: np.concatenate(found) for name, found in zip(names, zip(*parts, strict=True), strict=True)}


def _feed(series: pd.Series, column: dict[str, Any]) -> np.ndarray:
    if column["type"] != "STRING":
        return _numbers(series.to_numpy(np.float64), column["type"])[:, None]
    values = series.to_numpy(object)
    # ONNX Runtime spells None "None"; if that is a category, a missing value has another spelling.
    if "None" not in column["missing"]:
        values = np.array([column["missing"][0] if v is None else v for v in values], dtype=object)
    return values[:, None]


def _numbers(values: np.ndarray, kind: str) -> np.ndarray:
    if kind == "DOUBLE":
        return np.ascontiguousarray(values)
    limit = float(np.finfo(np.float32).max)
    return np.ascontiguousarray(np.clip(values, -limit, limit).astype(np.float32))
