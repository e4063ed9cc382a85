"""The contributions of `tabkd.students._network.walks` in a graph."""

from __future__ import annotations

import numpy as np

from tabkd.onnx._graph import Graph
from tabkd.onnx._inputs import Inputs
from tabkd.onnx._types import TensorType
from tabkd.students._encoding.stored_rows import StoredRows
from tabkd.students._network.walks import Explainer


def write_contributions(graph: Graph, inputs: Inputs, explainer: Explainer) -> str:
    """Write what `Explainer.explain` computes: float32 of shape (n, d), or (n, M, d) for several scores."""
    network = explainer.network
    n_scores, d, p = network.n_scores, network.n_columns, len(network.players)
    row = [d] if n_scores == 1 else [n_scores, d]
    if p == 0:
        return graph.reshape(graph.zeros(inputs.pieces[0].name, n_scores * d), [-1, *row])
    sums = network.write_sums(graph, inputs)
    first = graph.float32(network.layers[0][1], "bias")
    total = graph.node("ReduceSum", [sums, graph.constant(np.array([1]), "axes")], keepdims=1)
    own = network.write_behind(graph, graph.node("Add", [total, first]))
    own = graph.reshape(own, [-1, n_scores, *[1] * (len(row) - 1)])
    found = graph.node("Mul", [own, graph.float32(_of_columns(explainer, explainer.readout.ends), "ends")])
    bias = _of_columns(explainer, explainer.readout.bias).reshape(row)
    found = graph.node("Add", [found, graph.float32(bias, "bias")])
    if p > 1:
        found = graph.node("Add", [_write_steps(graph, explainer, sums, total, first), found])
    return found


def _write_steps(graph: Graph, explainer: Explainer, sums: str, total: str, first: str) -> str:
    """The part of the contributions that the steps between the two rows decide: (n, d) or (n, M, d)."""
    network, (q, p) = explainer.network, explainer.walks.ranks.shape
    units, n_scores = explainer.walks.stored.shape[2], network.n_scores
    ranks = graph.constant(explainer.walks.ranks, "ranks")
    steps = graph.constant(np.arange(1, p)[:, None])
    taken = graph.node("Greater", [steps, graph.reshape(ranks, [-1, 1, p])])
    taken = graph.cast(taken, TensorType.FLOAT)
    others = graph.node("Sub", [graph.float32(1.0), taken])
    stored = network.write_sums(graph, StoredRows(graph, explainer.walked))
    flat = graph.reshape(taken, [-1, p])
    moved = graph.node("MatMul", [flat, sums])

    def constant(mask: str) -> str:
        return graph.node("Add", [graph.reshape(graph.node("MatMul", [mask, stored]), [-1, units]), first])

    forwards = graph.node("Add", [moved, constant(others)])
    backwards = graph.node("Add", [graph.node("Sub", [total, moved]), constant(taken)])
    ways = [network.write_behind(graph, way) for way in (forwards, backwards)]
    changes, n_steps = graph.node("Sub", ways), q * (p - 1)
    if n_scores == 1:
        changes = graph.reshape(changes, [-1, n_steps])
    else:
        changes = graph.reshape(changes, [-1, n_steps, n_scores])
        changes = graph.node("Transpose", [changes], perm=[0, 2, 1])
    return graph.node("MatMul", [changes, _write_differences(graph, explainer, ranks)])


def _write_differences(graph: Graph, explainer: Explainer, ranks: str) -> str:
    """`Readout.differences` for all columns of the table, zero for those that are not read."""
    network, (q, p) = explainer.network, explainer.walks.ranks.shape
    if explainer.weighs:
        return graph.float32(_of_columns(explainer, explainer.readout.differences), "differences")
    # The weights of plain walks follow from the ranks, which take less space.
    depth, onoff = graph.constant(np.array(p + 1)), graph.float32([0.0, 1 / (2 * q)])

    def hot(when: str) -> str:
        return graph.node("OneHot", [when, depth, onoff], axis=1)

    after = graph.node("Add", [ranks, graph.constant(np.array(1))])
    between = graph.columns(graph.node("Sub", [hot(after), hot(ranks)]), np.arange(1, p))
    found = graph.reshape(between, [-1, p])
    if p == network.n_columns:
        return found
    place = np.full(network.n_columns, p)
    place[network.players] = np.arange(p)
    return graph.columns(graph.concat([found, graph.zeros(found, 1)]), place)


def _of_columns(explainer: Explainer, values: np.ndarray) -> np.ndarray:
    """Values of players (..., p) as those of all columns (..., d); zero for columns that are not read."""
    found = np.zeros((*values.shape[:-1], explainer.network.n_columns))
    found[..., explainer.network.players] = values
    return found
