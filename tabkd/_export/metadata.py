"""The metadata of an exported model: one JSON under the key "tabkd", followed by a checksum."""

from __future__ import annotations

import hashlib
import json
import math
from numbers import Integral
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tabkd._reasons import CONTRIBUTIONS
from tabkd._tables.column import Column
from tabkd._version import __version__
from tabkd.onnx._categories import are_whole
from tabkd.onnx._inputs import Front
from tabkd.scoring import _wire as wire
from tabkd.scoring._column_facts import shortened
from tabkd.scoring._facts import FORMAT
from tabkd.scoring._packed import packed
from tabkd.teachers._teacher import teacher_name

if TYPE_CHECKING:
    import pandas as pd
    from onnx import ModelProto


_FACTS = "tabkd"


class Measured(Protocol):
    """The quality of a student, as stored in its file: a `tabkd.evaluation.Report` has these properties."""

    @property
    def skill_kept(self) -> float:
        """The share of the teacher's skill that the student has."""

    @property
    def metric(self) -> str:
        """The metric by which skill was measured."""

    @property
    def doubt(self) -> dict[str, Any] | None:
        """How far student and teacher are apart on the test rows; see `tabkd._doubt.measured_doubt`."""


def input_type(column: Column, center: float) -> str:
    """The ONNX type of a column's input: the smallest type that loses no information.

    Examples
    --------
    >>> input_type(Column("amount", "numeric", float), 0.0)
    'FLOAT'
    >>> input_type(Column("id", "categorical", int, categories=(16777217,)), 0.0)
    'DOUBLE'
    """
    if column.kind == "numeric":
        return "DOUBLE" if center else "FLOAT"
    if not column.numeric_categories:
        return "STRING"
    keys = np.array(column.keys)
    return "FLOAT" if np.array_equal(keys, keys.astype(np.float32)) else "DOUBLE"


def describe(
    model: Any, names: list[str], types: list[str], front: Front, monotone: dict[str, list[int]] | None = None
) -> dict[str, Any]:
    """The metadata of a distilled estimator.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
        The fitted estimator.
    names, types : list of str
        The input of each column and its ONNX type; the same name for all columns of a matrix.
    front : Front
        The parts of the table that the student reads.
    monotone : dict, optional
        The columns whose constraints are proved, as `tabkd._export.proof` finds them.
    """
    schema = model.schema_
    facts = {
        "format": FORMAT,
        "tabkd": __version__,
        "task": model._task.name,
        "n_outputs": model._student.n_outputs_,
        "further_outputs": [*model._student.further_outputs(), *[CONTRIBUTIONS] * model._is_explained],
        "teacher": teacher_name(model.teacher_),
        "student": type(model.student_).__name__,
        "skill_kept": None,
        "skill_metric": None,
        "doubt": model.doubt_,
        "container": schema.container,
        "columns": [
            _column(column, name, kind) for column, name, kind in zip(schema.columns, names, types, strict=True)
        ],
        "values": {"columns": [int(i) for i in front.positions], "centers": [float(c) for c in front.centers]},
        "rows": {
            "columns": [int(i) for i, _ in front.tables],
            "tables": [_table(schema.columns[i], types[i], row_of) for i, row_of in front.tables],
        },
        "filled": _filled(front),
    }
    if model._is_explained:
        cost = model._student.values_per_explanation()
        facts[CONTRIBUTIONS] = {"baseline": model._base_values().tolist(), "values_per_row": cost}
    if monotone is not None:
        facts["monotone"] = monotone
    if rules := _rules(model._student.rules_frame()):
        facts["rules"] = rules
    return facts | {"reference": model.reference_} | model._task.facts()


def attach(proto: ModelProto, facts: dict[str, Any]) -> None:
    """Write the facts into the model and replace earlier ones.

    Parameters
    ----------
    proto : ModelProto
        Changed in place. An earlier checksum is then wrong: seal the model again.
    facts : dict
        The metadata from :func:`describe`.
    """
    _set_entry(proto, _FACTS, json.dumps(facts, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def noted(proto: ModelProto, report: Measured) -> bytes:
    """The model as bytes, with the measured quality in its metadata and a new checksum.

    The graph does not change, so it need not be verified again.

    Parameters
    ----------
    proto : ModelProto
        Changed in place; with or without a checksum.
    report : Measured
        Its `skill_kept` and the `metric` of that are stored, and its `doubt` if the model has none.
    """
    kept = report.skill_kept
    facts = json.loads(next(entry.value for entry in proto.metadata_props if entry.key == _FACTS))
    facts["skill_kept"] = float(kept) if kept is not None and math.isfinite(kept) else None
    facts["skill_metric"] = report.metric
    facts["doubt"] = facts["doubt"] or report.doubt
    attach(proto, facts)
    return seal(proto)


def seal(proto: ModelProto) -> bytes:
    """The model as bytes, with a checksum with which `tabkd.load` detects damage.

    The checksum proves that the file is undamaged, but not who made it: anyone can compute it for other bytes.

    Parameters
    ----------
    proto : ModelProto
        Changed in place. An earlier checksum is replaced.
    """
    # The metadata is the last field of a model, so that the checksum follows everything that it is computed from.
    _remove_entry(proto, wire.CHECKSUM)
    _set_entry(proto, wire.CHECKSUM, hashlib.sha256(proto.SerializeToString()).hexdigest())
    return proto.SerializeToString()


def _set_entry(proto: ModelProto, key: str, value: str) -> None:
    for entry in proto.metadata_props:
        if entry.key == key:
            entry.value = value
            return
    proto.metadata_props.add(key=key, value=value)


def _remove_entry(proto: ModelProto, key: str) -> None:
    for i in reversed(range(len(proto.metadata_props))):
        if proto.metadata_props[i].key == key:
            del proto.metadata_props[i]


def _rules(frame: pd.DataFrame | None) -> str | None:
    """The columns and rows of a student's rules, packed; None if it has none, or more than a file should hold."""
    if frame is None:
        return None
    values = [[_cell(value) for value in frame[name]] for name in frame]
    return packed({"columns": [str(name) for name in frame], "values": values})


def _cell(value: Any) -> str | int | float | None:
    """A text, a whole number, or a number with few digits for reading; None if it is not finite."""
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return None if value is None else str(value)


def _filled(front: Front) -> dict[str, list] | None:
    """The numbers that replace missing ones, in the fewest digits, and the columns with an indicator of them."""
    if front.filled is None:
        return None
    fill, indicators = front.filled
    return {"fill": [float(str(value)) for value in fill], "indicators": [int(i) for i in indicators]}


def _table(column: Column, kind: str, row_of: np.ndarray) -> dict[str, list] | None:
    """The categories and rows of a column, if the graph has no LabelEncoder with them."""
    if kind != "DOUBLE" or are_whole(np.array(column.keys)):
        return None
    return {"categories": column.keys, "rows": [int(row) for row in row_of]}


def _column(column: Column, name: str, kind: str) -> dict[str, Any]:
    numeric = column.kind == "numeric"
    facts = {
        "name": int(column.name) if isinstance(column.name, Integral) else str(column.name),
        "kind": column.kind,
        "dtype": "category" if str(column.dtype) == "category" else str(column.dtype),
        "input": name,
        "type": kind,
        "low": column.low if numeric and math.isfinite(column.low) else None,
        "high": column.high if numeric and math.isfinite(column.high) else None,
        "boolean": column.boolean,
        "has_missing": column.has_missing,
        "missing": None if numeric or column.numeric_categories else column.missing_spellings,
        "n_categories": len(column.categories),
    }
    return shortened(facts)
