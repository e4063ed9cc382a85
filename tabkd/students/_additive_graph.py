"""The graph of an additive student: one product for the main effects, and a bilinear form for the pairs."""

from __future__ import annotations

import numpy as np

from tabkd.onnx._graph import Graph
from tabkd.onnx._inputs import Inputs
from tabkd.students._additive_terms import AdditiveTerms, Explanation
from tabkd.students._encoder import TableEncoder


def write_z(graph: Graph, inputs: Inputs, encoder: TableEncoder) -> str:
    """The features (n, z), which scores and contributions share: units of numbers, then ones at the rows of levels."""

    def write() -> str:
        parts = [part for part in encoder.write_features(graph, inputs) if part is not None]
        return graph.concat(parts, "features") if parts else graph.zeros(inputs.pieces[0].name, 0)

    return inputs.once((id(encoder), "features"), write)


def write_scores(graph: Graph, z: str, terms: AdditiveTerms) -> str:
    """The scores (n, M) of features, float32."""
    main = graph.gemm(z, terms.weights, terms.intercept)
    if not len(terms.left):
        return main
    terms = terms.contiguous()
    left, right = _taken(graph, z, terms.left), _taken(graph, z, terms.right)
    by_right = _interactions(graph, left, right, terms)
    return graph.node("Add", [main, _sums(graph, by_right, len(terms.intercept))])


def write_explanation(graph: Graph, z: str, explanation: Explanation) -> str:
    """The contributions of the columns: float32 of shape (n, d), or (n, M, d) if there are several scores."""
    terms, d = explanation.terms, explanation.n_columns
    n_scores = len(terms.intercept)
    share = _one_hot(graph, explanation.columns, d)
    spread = graph.node("Mul", [_reshaped(graph, share, [-1, 1, d]), graph.float32(terms.weights[:, :, None])])
    offset = graph.float32(-explanation.at_zero.reshape(-1))
    spread = _reshaped(graph, spread, [-1, n_scores * d])
    total = _by_score(graph, graph.node("Gemm", [z, spread, offset]), n_scores, d)
    if not len(terms.left):
        return total
    terms = terms.contiguous()
    sides = [
        graph.node("Sub", [_taken(graph, z, side), graph.float32(explanation.means[side])])
        for side in (terms.left, terms.right)
    ]
    for (one, other), form in ((sides, terms), (sides[::-1], terms.mirrored())):
        halves = graph.node("Mul", [_one_hot(graph, explanation.columns[form.right], d), graph.float32(0.5)])
        part = graph.node("MatMul", [_interactions(graph, one, other, form), halves])
        total = graph.node("Add", [total, part])
    return total


def _taken(graph: Graph, z: str, positions: np.ndarray) -> str:
    """Some features; a range of them is cut out."""
    if np.ptp(positions) + 1 > len(positions):
        return graph.columns(z, positions)
    bounds = (positions[0], positions[-1] + 1, 1)
    return graph.node("Slice", [z, *(graph.constant(np.array([bound], dtype=np.int64)) for bound in bounds)])


def _interactions(graph: Graph, left: str, right: str, terms: AdditiveTerms) -> str:
    """What each right feature adds by its products: (n, right), or (n, M, right)."""
    n_left, n_right, n_scores = terms.products.shape
    products = _products(graph, terms.products.transpose(0, 2, 1).reshape(n_left, -1))
    found = _by_score(graph, graph.node("MatMul", [left, products]), n_scores, n_right)
    return graph.node("Mul", [found, right if n_scores == 1 else _reshaped(graph, right, [-1, 1, n_right])])


def _products(graph: Graph, weights: np.ndarray) -> str:
    """A matrix of which most is zero: the other numbers and their positions, if that takes fewer bytes.

    A position takes two bytes in the file. ONNX Runtime makes the matrix when a session is created.
    """
    positions = np.flatnonzero(weights)
    if 6 * len(positions) > 4 * weights.size:
        return graph.float32(weights, "products")
    zeros = graph.node("ConstantOfShape", [graph.constant(np.array([weights.size]))])
    numbers = graph.float32(weights.ravel()[positions], "products")
    flat = graph.node("ScatterElements", [zeros, graph.constant(positions.astype(np.int64)), numbers], axis=0)
    return _reshaped(graph, flat, list(weights.shape))


def _sums(graph: Graph, by_right: str, n_scores: int) -> str:
    if n_scores == 1:
        return graph.reduce("ReduceSum", by_right)
    return graph.node("ReduceSum", [by_right, graph.constant(np.array([2]), "axes")], keepdims=0)


def _by_score(graph: Graph, name: str, n_scores: int, width: int) -> str:
    """A matrix (n, M * width) as it is for one score, or as (n, M, width)."""
    return name if n_scores == 1 else _reshaped(graph, name, [-1, n_scores, width])


def _reshaped(graph: Graph, name: str, shape: list[int]) -> str:
    return graph.node("Reshape", [name, graph.constant(np.array(shape))])


def _one_hot(graph: Graph, positions: np.ndarray, depth: int) -> str:
    """Ones at the positions (k,), as a constant (k, depth) that ONNX Runtime expands when a session is created."""
    onoff = graph.constant(np.array([0, 1], np.float32))
    return graph.node("OneHot", [graph.constant(positions.astype(np.int64)), graph.constant(np.array(depth)), onoff])
