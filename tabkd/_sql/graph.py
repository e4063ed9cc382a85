"""The graph of a student, computed from the scalars of its columns to its scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper, load_from_string, numpy_helper

from tabkd._sql.operators import OPERATORS, Context


def read_graph(content: bytes) -> GraphProto:
    """The graph of a model."""
    return load_from_string(content).graph


def computed(
    graph: GraphProto, entries: dict[str, np.ndarray], outputs: Sequence[str], context: Context
) -> list[np.ndarray]:
    """Outputs of a graph, each of shape (1, K) or (1, M, K).

    Parameters
    ----------
    graph : onnx.GraphProto
        The graph.
    entries : dict of str to ndarray
        Values inside the graph, or its inputs, that depend on the row.
    outputs : sequence of str
        The names of the outputs.
    context : Context
        What operators need.

    Raises
    ------
    NotImplementedError
        For operators, and uses of them, that are not implemented in SQL; the message names them.
    """
    nodes = _needed(graph, set(entries), outputs)
    if lacking := sorted({node.op_type for node in nodes} - OPERATORS.keys()):
        raise NotImplementedError(
            f"SQL cannot run the operators {', '.join(lacking)} of this student's graph. Distil into one of tabkd's "
            "own students, or score the ONNX file."
        )
    values = _constants(graph) | entries
    for entry in graph.input:  # of which only the number of rows is asked
        values.setdefault(entry.name, np.zeros((1, 1)))
    n_readers = Counter(name for node in nodes for name in node.input)
    for node in nodes:
        inputs = [values[name] for name in node.input if name]
        found = OPERATORS[node.op_type](inputs, _attributes(node), context)
        name = node.output[0]
        values[name] = context.named(found) if n_readers[name] > 1 else found
    return [values[name] for name in outputs]


def _needed(graph: GraphProto, entries: set[str], outputs: Sequence[str]) -> list[NodeProto]:
    """The nodes between entries and outputs."""
    kept, needed = [], set(outputs) - entries
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed |= set(node.input) - entries
    return kept[::-1]


def _constants(graph: GraphProto) -> dict[str, np.ndarray]:
    return {tensor.name: _in_doubles(numpy_helper.to_array(tensor)) for tensor in graph.initializer}


def _in_doubles(constant: np.ndarray) -> np.ndarray:
    return constant.astype(np.float64) if constant.dtype.kind in "fib" else constant


def _attributes(node: NodeProto) -> dict[str, Any]:
    given = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    return {
        name: _in_doubles(numpy_helper.to_array(value)) if isinstance(value, TensorProto) else value
        for name, value in given.items()
    }
