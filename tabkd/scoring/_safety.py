"""Checks of a student's graph before ONNX Runtime sees it.

A checksum proves that a file is undamaged, but not who made it. So every graph is refused that reads other files, calls
other libraries, loops without end or needs more memory than any student.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from itertools import chain
from typing import Any

from tabkd.scoring import _wire as wire

# fmt: off
# Operators that the converters of tabkd write.
_OURS = {
    "Add", "ArgMax", "Cast", "Clip", "Concat", "ConstantOfShape", "Div", "Equal", "Exp", "Flatten", "Floor", "Gather",
    "Gemm", "Greater", "Identity", "IsNaN", "LabelEncoder", "MatMul", "Max", "Mul", "OneHot", "Pow", "Reciprocal",
    "ReduceMax", "ReduceSum", "Relu", "Reshape", "ScatterElements", "Shape", "Sigmoid", "Softmax", "Sub",
    "TreeEnsembleRegressor", "Where",
}
# Further operators that skl2onnx writes for scikit-learn regressors as students.
_FOREIGN = {
    "Abs", "And", "ArgMin", "ArrayFeatureExtractor", "Binarizer", "Ceil", "Cos", "Erf", "FeatureVectorizer",
    "GatherElements", "GreaterOrEqual", "Imputer", "Less", "LessOrEqual", "LinearRegressor", "Log", "LogSoftmax",
    "Mean", "Min", "Neg", "Normalizer", "Not", "OneHotEncoder", "Or", "ReduceL1", "ReduceL2", "ReduceMean",
    "ReduceMin", "ReduceProd", "ReduceSumSquare", "Round", "SVMRegressor", "Scaler", "Scan", "Sign", "Sin", "Slice",
    "Split", "Sqrt", "Squeeze", "Sum", "Tan", "Tanh", "TopK", "Transpose", "Unsqueeze", "Xor",
}
# Operators that may come between a constant and a shape: none of them multiplies.
_SHAPE_WAYS = {
    "ArrayFeatureExtractor", "Cast", "Concat", "Gather", "Identity", "ReduceProd", "Shape", "Slice", "Squeeze",
    "Unsqueeze",
}
# fmt: on
OPERATORS = _OURS | _FOREIGN
_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
# The inputs of these operators that are a shape or a count.
_SHAPES = {"ConstantOfShape": 0, "OneHot": 1, "Reshape": 1, "TopK": 1}
_MOST_VALUES, _MOST_TARGETS = 10_000_000, 100_000
# Field numbers in onnx.proto.
_MODEL_GRAPH, _MODEL_TRAINING, _MODEL_FUNCTION = 7, 20, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE = 1, 5, 15
_TENSOR_TYPE, _TENSOR_INT64, _TENSOR_RAW, _TENSOR_EXTERNAL, _TENSOR_LOCATION = 2, 7, 9, 13, 14
_NODE_ATTRIBUTE = 5
# The code of int64.
_INT64 = 7
_ATTRIBUTE_INT, _ATTRIBUTE_SPARSE = 3, (22, 23)
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH = (5, 10), (6, 11)
# Lists of numbers and of words in the nodes of trees: tens of thousands of entries, which are skipped at once.
_LISTED = re.compile(rb"(?:\x3d.{4}|\x40[\x80-\xff]{0,9}[\x00-\x7f]|\x4a\x04.{4}|\x4a\x0a.{10})+", re.DOTALL)
_DEEPEST = 4


def check_graph(content: bytes) -> None:
    """Refuse a model with parts that no student has.

    Parameters
    ----------
    content : bytes
        A model, as a Protocol Buffers message.

    Raises
    ------
    ValueError
        If it has data in other files, other operators than students have, more than one graph, or excessive shapes.
    """
    graphs = []
    for number, value in wire.fields(content):
        if number == _MODEL_GRAPH:
            graphs.append(value)
        elif number in (_MODEL_TRAINING, _MODEL_FUNCTION):
            raise ValueError("it has functions or training steps, which no student has")
    if len(graphs) != 1:  # which other readers would merge
        raise ValueError(f"it has {len(graphs)} graphs instead of one")
    _check(graphs[0], 0, {}, {})


def _check(graph: bytes, depth: int, constants: dict[str, bytes], makers: dict[str, wire.Node]) -> None:
    """Check a graph, or a subgraph, which can use the names of the graph around it."""
    if depth > _DEEPEST:
        raise ValueError("it has graphs within graphs, deeper than any student")
    constants, makers, nodes = dict(constants), dict(makers), []
    for number, value in wire.fields(graph):
        if number == _GRAPH_SPARSE:
            raise ValueError("it has sparse weights, which no student has")
        if number == _GRAPH_INITIALIZER:
            _check_tensor(value)
            constants[wire.text(value, wire.TENSOR_NAME)] = value
        elif number == _GRAPH_NODE:
            node = wire.node(value)
            if node.type not in OPERATORS or node.domain not in _DOMAINS:
                operator = f"{node.domain}.{node.type}".lstrip(".")
                raise ValueError(f"it has the operator {operator!r:.80}, which no student has")
            nodes.append(node)
            makers |= dict.fromkeys(node.outputs, node)
    for node in nodes:
        _check_shape(node, constants, makers)
        for inner in _graphs(node):
            _check(inner, depth + 1, constants, makers)


def _graphs(node: wire.Node) -> Iterator[bytes]:
    """The subgraphs in a node's attributes; its other attributes are checked here."""
    for number, attribute in wire.fields(node.content):
        if number != _NODE_ATTRIBUTE:
            continue
        for field, value in _rare_fields(attribute):
            if field in _ATTRIBUTE_TENSOR:
                _check_tensor(value)
            elif field in _ATTRIBUTE_GRAPH:
                yield value
            elif field in _ATTRIBUTE_SPARSE:
                raise ValueError("it has sparse weights, which no student has")
            elif field == _ATTRIBUTE_INT and value > _MOST_TARGETS and wire.text(attribute, 1) == "n_targets":
                raise ValueError(f"its trees have {value:,} targets")


def _rare_fields(attribute: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of an attribute without its lists of numbers."""
    position = 0
    while position < len(attribute):
        listed = _LISTED.match(attribute, position)
        if listed:
            position = listed.end()
            continue
        number, value, position = wire.field_at(attribute, position)
        yield number, value


def _check_tensor(tensor: bytes) -> None:
    for number, value in wire.fields(tensor):
        if number == _TENSOR_EXTERNAL or (number == _TENSOR_LOCATION and value):
            raise ValueError("its weights are in another file, but a student is one file")


def _check_shape(node: wire.Node, constants: dict[str, bytes], makers: dict[str, wire.Node]) -> None:
    """Refuse a shape that constants make large; a shape that depends on the rows is only as large as they are."""
    place = _SHAPES.get(node.type)
    if place is None or place >= len(node.inputs):
        return
    found, waiting, size = set(), [node.inputs[place]], 1
    while waiting:
        name = waiting.pop()
        if name in constants:
            size *= math.prod(max(abs(number), 1) for number in _whole_numbers(constants[name]))
        elif name in makers and name not in found:
            maker = makers[name]
            if maker.type not in _SHAPE_WAYS:
                raise ValueError(f"its operator {node.type} has a shape that {maker.type} computes")
            waiting += [] if maker.type == "Shape" else maker.inputs
        found.add(name)
    if size > _MOST_VALUES:
        raise ValueError(f"its operator {node.type} makes more values than any student's")


def _whole_numbers(tensor: bytes) -> list[int]:
    """The numbers of a constant that takes part in a shape."""
    fields = list(wire.fields(tensor))
    if (_TENSOR_TYPE, _INT64) not in fields:
        raise ValueError("a shape in it has no whole numbers")
    raw = b"".join(value for number, value in fields if number == _TENSOR_RAW)
    given = [value for number, value in fields if number == _TENSOR_INT64]
    listed = chain.from_iterable([value] if isinstance(value, int) else wire.varints(value) for value in given)
    return [*struct.unpack(f"<{len(raw) // 8}q", raw[: len(raw) // 8 * 8]), *map(wire.signed, listed)]
