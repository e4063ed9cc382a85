"""The last nodes of a graph: from a student's targets to probabilities, labels and values."""

from __future__ import annotations

import numpy as np

from tabkd.onnx._graph import Graph
from tabkd.onnx._types import TensorType

_TINY = np.float32(np.finfo(np.float32).tiny)


def write_probabilities(graph: Graph, targets: str, temperature: float, on_simplex: bool) -> str:
    """Targets (n, K) as probabilities: clipped, raised to the power of the temperature, and divided by their sum."""
    if on_simplex and temperature == 1:
        return targets
    weights = targets if on_simplex else graph.node("Relu", [targets])
    if temperature != 1:
        # First divided by the largest, so that the power cannot underflow in all classes.
        largest = graph.node("Max", [graph.reduce("ReduceMax", weights), graph.constant(_TINY)])
        weights = graph.node("Pow", [graph.node("Div", [weights, largest]), graph.constant(np.float32(temperature))])
    total = graph.reduce("ReduceSum", weights)
    share = graph.node("Div", [weights, graph.node("Max", [total, graph.constant(_TINY)])])
    if on_simplex:
        return share
    # If a regressor gives no class a positive probability, all classes are equally likely.
    possible = graph.node("Greater", [total, graph.constant(np.float32(0))])
    n_classes = graph.node("Gather", [graph.node("Shape", [targets]), graph.constant(np.array([1]))])
    uniform = graph.node("Reciprocal", [graph.cast(n_classes, TensorType.FLOAT)])
    return graph.node("Where", [possible, share, uniform])


def write_labels(graph: Graph, probabilities: str, classes: np.ndarray) -> str:
    """The most probable class: int64 or string, (n,)."""
    best = graph.node("ArgMax", [probabilities], hint="best", axis=1, keepdims=0)
    if classes.dtype.kind not in "iufb":
        return graph.node("Gather", [graph.constant([str(c) for c in classes], "classes"), best], axis=0)
    if np.array_equal(classes, np.arange(len(classes))):
        return best
    return graph.node("Gather", [graph.constant(classes.astype(np.int64), "classes"), best], axis=0)


def write_values(graph: Graph, scores: str, scale: np.ndarray, mean: np.ndarray, wide: bool) -> str:
    """Scores (n, K) in standard deviations as values of the target: float32, or float64 if `wide`."""
    dtype = np.float64 if wide else np.float32
    if wide:
        scores = graph.cast(scores, TensorType.DOUBLE)
    if (scale != 1).any():
        scores = graph.node("Mul", [scores, graph.constant(scale.astype(dtype), "scale")])
    return graph.node("Add", [scores, graph.constant(mean.astype(dtype), "mean")]) if mean.any() else scores


def write_two_classes(graph: Graph, positive: str) -> str:
    """The probabilities (n, 2) from those of the second class (n, 1), by a product: a concatenation would be slower."""
    signs, base = graph.constant(np.array([[-1, 1]], np.float32)), graph.constant(np.array([1, 0], np.float32))
    return graph.node("Gemm", [positive, signs, base])
