"""Write the last nodes of a graph, which turn targets into probabilities and labels."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from tabkd.onnx._graph import Graph

# A target whose mean is more than this many standard deviations from zero is written in float64.
_WIDE = 32
_TINY = np.float32(np.finfo(np.float32).tiny)


def write_probabilities(graph: Graph, targets: str, temperature: float, on_simplex: bool, output: str) -> None:
    """Targets (n, K) as probabilities: clipped at zero, raised to the power `temperature`, and divided by their sum."""
    if on_simplex and temperature == 1:
        graph.node("Identity", [targets], output)
        return
    weights = targets if on_simplex else graph.node("Relu", [targets])
    if temperature != 1:
        # Divided by the largest first, so that the power cannot underflow in all classes.
        largest = graph.node("Max", [graph.reduce("ReduceMax", weights), graph.constant(_TINY)])
        weights = graph.node("Pow", [graph.node("Div", [weights, largest]), graph.constant(np.float32(temperature))])
    total = graph.reduce("ReduceSum", weights)
    share = graph.node("Div", [weights, graph.node("Max", [total, graph.constant(_TINY)])])
    if on_simplex:
        graph.node("Identity", [share], output)
        return
    # If a regressor gives every class a probability of zero or less, all classes are equally likely.
    possible = graph.node("Greater", [total, graph.constant(np.float32(0))])
    n_classes = graph.node("Gather", [graph.node("Shape", [targets]), graph.constant(np.array([1]))])
    uniform = graph.node("Reciprocal", [graph.cast(n_classes, 1)])
    graph.node("Where", [possible, share, uniform], output)


def is_wide(part) -> bool:
    """Whether real targets are so far from zero that float32 would lose their differences."""
    if getattr(part, "task_", None) != "regression":
        return False
    mean, scale = spread(part)
    return bool((np.abs(mean) > _WIDE * scale).any())


def spread(part) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the standard deviation of a student's targets."""
    if hasattr(part, "target_mean_"):
        return part.target_mean_, part.target_scale_
    values = part.decision_tree_.tree_.value[:, :, 0]
    scale = values.std(axis=0)
    return values[0], np.where(scale > 0, scale, np.inf)


def write_targets(graph: Graph, scores: str, scale: np.ndarray, mean: np.ndarray, wide: bool) -> str:
    """Standardised scores (n, K) as targets: float32, or float64 if `wide`."""
    dtype = np.float64 if wide else np.float32
    if wide:
        scores = graph.cast(scores, TensorProto.DOUBLE)
    if (scale != 1).any():
        scores = graph.node("Mul", [scores, graph.constant(scale.astype(dtype), "scale")])
    return graph.node("Add", [scores, graph.constant(mean.astype(dtype), "mean")]) if mean.any() else scores


def write_two_classes(graph: Graph, positive: str) -> str:
    """The probabilities (n, 2) from those of the second class (n, 1): a product is faster than a concatenation."""
    signs, base = graph.constant(np.array([[-1, 1]], np.float32)), graph.constant(np.array([1, 0], np.float32))
    return graph.node("Gemm", [positive, signs, base])


def write_labels(graph: Graph, probabilities: str, classes: np.ndarray, output: str) -> None:
    """The most probable classes, int64 or string of shape (n,)."""
    best = graph.node("ArgMax", [probabilities], hint="best", axis=1, keepdims=0)
    if classes.dtype.kind not in "iufb":
        graph.node("Gather", [graph.constant([str(c) for c in classes], "classes"), best], output, axis=0)
    elif np.array_equal(classes, np.arange(len(classes))):
        graph.node("Identity", [best], output)
    else:
        graph.node("Gather", [graph.constant(classes.astype(np.int64), "classes"), best], output, axis=0)
