"""`to_onnx`: build the model, verify it, write it."""

from __future__ import annotations

import re
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from tabkd._export.metadata import Measured, attach, describe, input_type, noted, seal
from tabkd._export.parity import check_parity
from tabkd._export.proof import proved_monotone
from tabkd._files import atomic_write_bytes
from tabkd._options import option
from tabkd._tables.schema import TableSchema
from tabkd._version import __version__
from tabkd.onnx._inputs import FILLED, ROWS, VALUES
from tabkd.onnx._types import tensor_types
from tabkd.students._foreign import ForeignStudent

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto


#: Understood by ONNX Runtime 1.14 (2023) and later.
_OPSET = {"": 18, "ai.onnx.ml": 3}


def export(
    model: Any,
    path: str | PathLike[str] | None = None,
    report: Measured | None = None,
    contributions: bool = False,
) -> ModelProto:
    """The student of a distilled estimator as one ONNX model, verified and, if a path is given, written.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
        The fitted estimator, whose attribute `parity_` is set.
    path : str or path-like, optional
        The file to write, which appears whole or not at all.
    report : Report, optional
        Its `skill_kept`, the `metric` of that and its `doubt` are stored in the metadata.
    contributions : bool, default=False
        Whether the graph has the output `contributions`.

    Returns
    -------
    onnx.ModelProto
        The model, as it was written.

    Raises
    ------
    ParityError
        If ONNX Runtime does not reproduce the student; nothing is written then.
    MonotoneError
        If a monotone constraint of the student is not proved; nothing is written then.
    OSError
        If the file cannot be written.
    NotImplementedError
        If skl2onnx cannot convert a student of another library, or a student has no contributions.
    TypeError
        If `path` is not a path, `contributions` not a bool, or `report` not a report.
    """
    if path is not None and not isinstance(path, (str, PathLike)):
        raise TypeError(f"{option('path')} is {path!r:.80}; expected the path of the file to write, or None.")
    if not isinstance(contributions, (bool, np.bool_)):
        raise TypeError(f"{option('contributions')} is {contributions!r:.80}; expected True or False.")
    if report is not None and not hasattr(report, "skill_kept"):
        raise TypeError(
            f"{option('report')} is {report!r:.80}; expected the result of tabkd.evaluation.evaluate. Ask for "
            "contributions by name: to_onnx(path, contributions=True)."
        )
    explained = model._explained() if contributions else model
    proto = build(explained)
    content = seal(proto) if report is None else noted(proto, report)
    model.parity_ = check_parity(explained, content)
    if path is not None:
        atomic_write_bytes(path, content)
    return proto


def build(model: Any) -> ModelProto:
    """The ONNX model, without a checksum and not yet verified."""
    from skl2onnx import convert_sklearn

    schema, front = model.schema_, model._student.front()
    centers = dict(zip(front.positions, front.centers, strict=True))
    types = [input_type(column, centers.get(i, 0.0)) for i, column in enumerate(schema.columns)]
    if schema.is_numeric:
        types = ["DOUBLE" if "DOUBLE" in types else "FLOAT"] * len(types)
        initial = [("X", _tensor_type(types[0], len(types)))]
        names = ["X"] * len(types)
    else:
        names = input_names(schema)
        initial = [(name, _tensor_type(kind, 1)) for name, kind in zip(names, types, strict=True)]
    try:
        proto = convert_sklearn(model, "tabkd", initial_types=initial, target_opset=_OPSET)
    except (RuntimeError, TypeError, ValueError) as error:  # NotImplementedError, a RuntimeError, has its reason
        if isinstance(error, NotImplementedError) or not isinstance(model._student, ForeignStudent):
            raise
        raise model._student.refusal(f"skl2onnx fails, {error}") from error
    if not schema.is_numeric:
        names = _rename_inputs(proto.graph, names, [output.name for output in model.onnx_outputs()])
    _tidy(proto)
    _merge_equal(proto.graph)
    facts = describe(model, names, types, front, proved_monotone(model))
    for part in (VALUES, ROWS, FILLED):
        if facts[part] is not None:
            facts[part]["name"] = _named(proto.graph, part)
    attach(proto, facts)
    return proto


def input_names(schema: TableSchema) -> list[str]:
    """A unique name for the input of each column: the user's name of the column, or x0, x1, … for arrays."""
    names: list[str] = []
    for i, name in enumerate(schema.titles):
        wanted = name or f"x{i}"
        while wanted in names:
            wanted += "_"
        names.append(wanted)
    return names


def _tensor_type(kind: str, width: int) -> Any:
    return tensor_types()[kind]([None, width])


def _rename_inputs(graph: GraphProto, names: list[str], outputs: list[str]) -> list[str]:
    """Rename the inputs from skl2onnx's identifiers to the names of their columns, without using a name twice."""
    given = [entry.name for entry in graph.input]
    taken = {name for node in graph.node for name in node.output}
    taken |= {tensor.name for tensor in graph.initializer} | set(outputs)
    wanted = []
    for name in names:
        while name in taken:
            name += "_"
        taken.add(name)
        wanted.append(name)
    renamed = dict(zip(given, wanted, strict=True))
    for entry in graph.input:
        entry.name = renamed[entry.name]
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    return wanted


def _named(graph: GraphProto, part: str) -> str | None:
    """The name of the values, the rows or the filled values in the graph; None if there are none."""
    outputs = (node.output[0] for node in graph.node)
    return next((name for name in outputs if re.fullmatch(rf"tabkd_{part}\d*", name)), None)


def _tidy(proto: ModelProto) -> None:
    """Remove what only takes up space: names of nodes, doc strings, and the shapes of intermediate values."""
    proto.producer_name, proto.producer_version, proto.domain = "tabkd", __version__, ""
    proto.doc_string = ""
    del proto.graph.value_info[:]
    # skl2onnx lists the domains in the order of a set, which differs from process to process.
    proto.opset_import.sort(key=lambda opset: opset.domain)
    for node in proto.graph.node:
        node.name = node.doc_string = ""
    _pack(proto.graph)


def _merge_equal(graph: GraphProto) -> None:
    """Keep one of several equal constants or nodes: scores and further outputs encode a table in the same way."""
    from onnx import TensorProto

    first: dict[tuple, list[str]] = {}
    renamed: dict[str, str] = {}
    outputs = {output.name for output in graph.output}
    for tensor in list(graph.initializer):
        nameless = TensorProto()
        nameless.CopyFrom(tensor)
        nameless.ClearField("name")
        (kept,) = first.setdefault((nameless.SerializeToString(deterministic=True),), [tensor.name])
        if kept != tensor.name:
            renamed[tensor.name] = kept
            graph.initializer.remove(tensor)
    for node in list(graph.node):
        node.input[:] = [renamed.get(name, name) for name in node.input]
        attributes = sorted(attribute.SerializeToString(deterministic=True) for attribute in node.attribute)
        key = (node.op_type, node.domain, len(node.output), *node.input, "", *attributes)
        if outputs.isdisjoint(node.output) and key in first:
            renamed |= dict(zip(node.output, first[key], strict=True))
            graph.node.remove(node)
        else:
            first.setdefault(key, list(node.output))


def _pack(graph: GraphProto) -> None:
    """Store the numbers of initializers as bytes, without a tag for each number."""
    from onnx import TensorProto, numpy_helper

    for tensor in graph.initializer:
        if tensor.data_type in (TensorProto.FLOAT, TensorProto.INT8) and not tensor.raw_data:
            tensor.CopyFrom(numpy_helper.from_array(np.array(numpy_helper.to_array(tensor)), tensor.name))
