"""The graph of an ONNX model as JSON: the nodes that lead from the rows to the outputs, and their constants."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from tabkd._javascript.packed import packed, packed_list
from tabkd._javascript.trees import trees

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

# fmt: off
#: The operators that operators.js has.
OPERATORS = {
    "Abs", "Add", "And", "ArgMax", "ArgMin", "ArrayFeatureExtractor", "Cast", "Ceil", "Clip", "Concat",
    "ConstantOfShape", "Div", "Equal", "Exp", "Flatten", "Floor", "Gather", "Gemm", "Greater", "GreaterOrEqual",
    "Identity", "Imputer", "IsNaN", "Less", "LessOrEqual", "LinearRegressor", "Log", "MatMul", "Max", "Min", "Mul",
    "Neg", "Not", "OneHot", "Or", "Pow", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin",
    "ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape", "Round", "Scaler", "ScatterElements", "Shape",
    "Sigmoid", "Sign", "Slice", "Softmax", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "Transpose",
    "TreeEnsembleRegressor", "Unsqueeze", "Where",
}
# fmt: on
# Number types of onnx.TensorProto that `Cast` makes, as operators.js calls them.
_CASTS = {1: "f4", 6: "i4", 7: "i4", 9: "b1", 11: "f8"}
# Attributes that operators.js does not read, with the only value that they may have.
_UNREAD = {"reduction": b"none", "allowzero": 0, "noop_with_empty_axes": 0, "start": 0, "end": None}


def graph_json(graph: GraphProto, entries: Collection[str], outputs: dict[str, str]) -> tuple[dict, dict[str, int]]:
    """A part of a graph.

    Parameters
    ----------
    graph : onnx.GraphProto
        The graph.
    entries : collection of str
        The values from rows, with which the part begins.
    outputs : dict of str to str
        The values with which it ends, by their names in the JSON.

    Returns
    -------
    part : dict
        The JSON, in which a value is represented by its position in the list of all values.
    places : dict of str to int
        The numbers of the entries that the part uses.

    Raises
    ------
    NotImplementedError
        For operators, attributes and types that operators.js does not have; the message names them.
    """
    nodes = _needed(graph, entries, set(outputs.values()))
    if lacking := sorted({node.op_type for node in nodes} - OPERATORS):
        raise NotImplementedError(
            f"JavaScript cannot run the operators {', '.join(lacking)} of this student's graph. Distil into one of "
            "tabkd's own students, or score the ONNX file with onnxruntime-web."
        )
    constants = _constants(graph, {name for node in nodes for name in node.input} | set(outputs.values()))
    made = [name for node in nodes for name in node.output]
    used = [name for name in entries if any(name in node.input for node in nodes) or name in outputs.values()]
    places = {name: place for place, name in enumerate([*constants, *used, *made])}
    part = {
        "constants": list(constants.values()),
        "nodes": [
            [
                node.op_type,
                [places[name] if name else None for name in node.input],
                places[node.output[0]],
                _attributes(node),
            ]
            for node in nodes
        ],
        "outputs": {called: places[name] for called, name in outputs.items()},
    }
    return part, {name: places[name] for name in used}


def _needed(graph: GraphProto, entries: Collection[str], outputs: set[str]) -> list[NodeProto]:
    """The nodes between entries and outputs."""
    kept, needed = [], set(outputs) - set(entries)
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed |= set(node.input) - set(entries)
    return kept[::-1]


def _constants(graph: GraphProto, needed: set[str]) -> dict[str, dict]:
    from onnx import numpy_helper

    return {tensor.name: packed(numpy_helper.to_array(tensor)) for tensor in graph.initializer if tensor.name in needed}


def _attributes(node: NodeProto) -> dict[str, Any]:
    from onnx import TensorProto, helper, numpy_helper

    given = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if (special := _SPECIAL.get(node.op_type)) is not None:
        return special(given)
    if odd := [name for name, plain in _UNREAD.items() if given.get(name, plain) != plain]:
        raise NotImplementedError(f"JavaScript cannot run {node.op_type} with the attribute {odd[0]}.")
    out = {}
    for name, value in given.items():
        if isinstance(value, TensorProto):
            value = packed(numpy_helper.to_array(value))
        elif isinstance(value, bytes):
            value = value.decode()
        out[name] = value if isinstance(value, (dict, str, int, float)) else list(value)
    return out


def _cast(given: dict[str, Any]) -> dict[str, Any]:
    from onnx import TensorProto

    if given["to"] not in _CASTS:
        kind = TensorProto.DataType.Name(given["to"])
        raise NotImplementedError(f"JavaScript has no values of the ONNX type {kind}, to which a Cast converts.")
    return {"to": _CASTS[given["to"]]}


def _zeros(given: dict[str, Any]) -> dict[str, Any]:
    from onnx import numpy_helper

    return {"value": packed(numpy_helper.to_array(given["value"]) if "value" in given else np.zeros(1, np.float32))}


def _imputer(given: dict[str, Any]) -> dict[str, Any]:
    if not np.isnan(given.get("replaced_value_float", 0.0)) or "imputed_value_floats" not in given:
        raise NotImplementedError("JavaScript cannot run Imputer for values other than NaN.")
    return {"fill": packed_list(np.array(given["imputed_value_floats"], np.float32))}


def _linear(given: dict[str, Any]) -> dict[str, Any]:
    if given.get("post_transform", b"NONE") != b"NONE":
        raise NotImplementedError("JavaScript cannot run LinearRegressor with a post_transform.")
    lists = {name: np.array(given[name], np.float32) for name in ("coefficients", "intercepts") if name in given}
    return {"targets": given.get("targets", 1)} | {name: packed_list(values) for name, values in lists.items()}


def _scaler(given: dict[str, Any]) -> dict[str, Any]:
    return {name: packed_list(np.array(given[name], np.float32)) for name in ("offset", "scale")}


_SPECIAL: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "Cast": _cast,
    "ConstantOfShape": _zeros,
    "Imputer": _imputer,
    "LinearRegressor": _linear,
    "Scaler": _scaler,
    "TreeEnsembleRegressor": trees,
}
