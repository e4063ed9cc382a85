"""From targets to probabilities and labels."""

from __future__ import annotations

import numpy as np

from tabkd.onnx.graph import Graph

_TINY = np.float32(np.finfo(np.float32).tiny)


def write_probabilities(
    graph: Graph, targets: str, temperature: float, on_simplex: bool, output: str
) -> None:
    """Targets (n, K) as probabilities: clipped, brought back from the temperature, and divided by their sum."""
    if on_simplex and temperature == 1:
        graph.node("Identity", [targets], output)
        return
    weights = targets if on_simplex else graph.node("Relu", [targets])
    if temperature != 1:
        # Divided by the largest first, so that no power can underflow in all classes.
        largest = graph.node("Max", [graph.reduce("ReduceMax", weights), graph.constant(_TINY)])
        weights = graph.node(
            "Pow", [graph.node("Div", [weights, largest]), graph.constant(np.float32(temperature))]
        )
    total = graph.reduce("ReduceSum", weights)
    share = graph.node("Div", [weights, graph.node("Max", [total, graph.constant(_TINY)])])
    if on_simplex:
        graph.node("Identity", [share], output)
        return
    # Where a regressor called every class impossible, all are as likely.
    possible = graph.node("Greater", [total, graph.constant(np.float32(0))])
    n_classes = graph.node("Gather", [graph.node("Shape", [targets]), graph.constant(np.array([1]))])
    uniform = graph.node("Reciprocal", [graph.cast(n_classes, 1)])
    graph.node("Where", [possible, share, uniform], output)


def write_labels(graph: Graph, probabilities: str, classes: np.ndarray, output: str) -> None:
    """The most probable class: int64 or string, (n,)."""
    best = graph.node("ArgMax", [probabilities], hint="best", axis=1, keepdims=0)
    if classes.dtype.kind not in "iufb":
        graph.node("Gather", [graph.constant([str(c) for c in classes], "classes"), best], output, axis=0)
    elif np.array_equal(classes, np.arange(len(classes))):
        graph.node("Identity", [best], output)
    else:
        graph.node("Gather", [graph.constant(classes.astype(np.int64), "classes"), best], output, axis=0)
