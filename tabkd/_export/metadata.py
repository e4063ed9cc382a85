"""The metadata of an exported model: one JSON under the key "tabkd", and a checksum behind it."""

from __future__ import annotations

import hashlib
import json
import math
from numbers import Integral
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tabkd._tables.column import Column
from tabkd._version import __version__
from tabkd.onnx._categories import are_whole
from tabkd.onnx._inputs import Front
from tabkd.scoring import _wire as wire
from tabkd.scoring._facts import FORMAT
from tabkd.teachers._teacher import teacher_name

if TYPE_CHECKING:
    from onnx import ModelProto

    from tabkd._distilled import DistilledClassifier, DistilledRegressor

_FACTS = "tabkd"


class Measured(Protocol):
    """What a file says of how well its student did: a `tabkd.evaluation.Report` has it."""

    @property
    def skill_kept(self) -> float:
        """The share of the teacher's skill that the student has."""

    @property
    def metric(self) -> str:
        """What skill was measured by."""


def input_type(column: Column, center: float) -> str:
    """The ONNX type of a column's input: the smallest that loses nothing.

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
    model: DistilledClassifier | DistilledRegressor, names: list[str], types: list[str], front: Front
) -> dict[str, Any]:
    """The metadata of a distilled estimator.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
    names, types : list of str
        The input of each column and its ONNX type; one name for all where they share a matrix.
    front : Front
        What the student reads.
    """
    schema = model.schema_
    facts = {
        "format": FORMAT,
        "tabkd": __version__,
        "task": model._task.name,
        "n_outputs": model._student.n_outputs_,
        "further_outputs": list(model._student.further_outputs()),
        "teacher": teacher_name(model.teacher_),
        "student": type(model.student_).__name__,
        "skill_kept": None,
        "skill_metric": None,
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
    return facts | {"reference": model.reference_} | model._task.facts()


def attach(proto: ModelProto, facts: dict[str, Any]) -> None:
    """Write the facts into the model, in place of those that it had.

    Parameters
    ----------
    proto : ModelProto
        Changed in place. A checksum that it had is of other facts: seal it again.
    facts : dict
        As :func:`describe`.
    """
    _set_entry(proto, _FACTS, json.dumps(facts, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def noted(proto: ModelProto, report: Measured) -> bytes:
    """The model with what was measured in its metadata, sealed; as bytes.

    The graph is not touched, so that what was proven of it still holds.

    Parameters
    ----------
    proto : ModelProto
        Changed in place; sealed or not.
    report : Measured
        Its `skill_kept` and the `metric` behind it are noted.
    """
    kept = report.skill_kept
    facts = json.loads(next(entry.value for entry in proto.metadata_props if entry.key == _FACTS))
    facts["skill_kept"] = float(kept) if kept is not None and math.isfinite(kept) else None
    facts["skill_metric"] = report.metric
    attach(proto, facts)
    return seal(proto)


def seal(proto: ModelProto) -> bytes:
    """Write the checksum of the model into it, by which `tabkd.load` finds damage; the model as bytes.

    The checksum proves the file whole, not who made it: anyone can compute it again for other bytes.

    Parameters
    ----------
    proto : ModelProto
        Changed in place. A checksum that it had is replaced.
    """
    # Metadata is the last field of a model: the checksum comes behind everything that it is taken of.
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


def _filled(front: Front) -> dict[str, list] | None:
    """By what missing numbers are filled, in the fewest digits, and which columns are told of."""
    if front.filled is None:
        return None
    fill, indicators = front.filled
    return {"fill": [float(str(value)) for value in fill], "indicators": [int(i) for i in indicators]}


def _table(column: Column, kind: str, row_of: np.ndarray) -> dict[str, list] | None:
    """Categories and rows where the graph has no LabelEncoder to read them from."""
    if kind != "DOUBLE" or are_whole(np.array(column.keys)):
        return None
    return {"categories": column.keys, "rows": [int(row) for row in row_of]}


def _column(column: Column, name: str, kind: str) -> dict[str, Any]:
    numeric = column.kind == "numeric"
    return {
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
