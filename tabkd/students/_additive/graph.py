"""The graph of an additive student: units of all columns, and one bilinear form of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tabkd.onnx._graph import Graph
from tabkd.onnx._inputs import Inputs
from tabkd.onnx._types import TensorType
from tabkd.students._additive.terms import STEP, AdditiveTerms, Explanation
from tabkd.students._additive.units import AdditiveUnits
from tabkd.students._encoding.graph import write_ramps

# From this many numbers on, saving two bytes each outweighs the nodes that convert them back.
_MANY = 150


def write_units(graph: Graph, inputs: Inputs, units: AdditiveUnits) -> str:
    """The units (n, q)."""
    filled, rows = units.encoder.write_inputs(graph, inputs)
    parts = [filled] if filled is not None else []
    if rows is not None:
        parts.append(graph.cast(rows, TensorType.FLOAT))
        if units.effects.any():
            parts.append(graph.node("Gather", [graph.float32(units.effects, "effects"), rows], axis=0))
    values = graph.concat(parts) if parts else graph.zeros(inputs.pieces[0].name, 1)
    return write_ramps(graph, values, units.n_inputs, units.column, units.scale, units.bias)


def write_score(
    graph: Graph, u: str, units: AdditiveUnits, terms: AdditiveTerms, factors: ArrayLike, offset: float = 0.0
) -> str:
    """The only score of units times factors (K,), plus an offset: float32 (n, K)."""
    factors = np.asarray(factors, dtype=np.float64)
    weights = graph.node("Mul", [_numbers(graph, terms.weights, "weights"), graph.float32(factors[None])])
    found = graph.node("Gemm", [u, weights, graph.float32(terms.intercept * factors + offset)])
    if not len(terms.left):
        return found
    pairs = _by_right(graph, _cut(graph, u, units.left), _cut(graph, u, units.right), terms)
    return graph.node("Gemm", [pairs, graph.float32(np.tile(factors, (len(terms.right), 1))), found])


def write_scores(graph: Graph, u: str, units: AdditiveUnits, terms: AdditiveTerms) -> str:
    """Several scores (n, M) of units."""
    mains = graph.node("Gemm", [u, _numbers(graph, terms.weights, "weights"), graph.float32(terms.intercept)])
    if not len(terms.left):
        return mains
    # Each product is computed once for all scores.
    first, second = np.nonzero(terms.products.any(axis=2))
    start, stop = min(units.left[0], units.right[0]), max(units.left[1], units.right[1])
    own = _cut(graph, u, (start, stop))
    sides = [
        graph.node("MatMul", [own, _one_hot(graph, side - start, stop - start, axis=0)])
        for side in (terms.left[first], terms.right[second])
    ]
    cells = _numbers(graph, terms.products[first, second], "products")
    return graph.node("Gemm", [graph.node("Mul", sides), cells, mains])


def write_explanation(graph: Graph, u: str, units: AdditiveUnits, explanation: Explanation) -> str:
    """The contributions of the columns: float32 of shape (n, d), or (n, M, d) if there are several scores."""
    terms, d = explanation.terms, explanation.n_columns
    n_scores = len(terms.intercept)
    share = _one_hot(graph, explanation.columns, d)
    spread = graph.node("Mul", [graph.reshape(share, [-1, 1, d]), graph.float32(terms.weights[:, :, None])])
    offset = graph.float32(-explanation.at_zero.reshape(-1))
    spread = graph.reshape(spread, [-1, n_scores * d])
    total = _by_score(graph, graph.node("Gemm", [u, spread, offset]), n_scores, d)
    if not len(terms.left):
        return total
    means = explanation.means
    sides = [
        graph.node("Sub", [_cut(graph, u, side), graph.float32(means[slice(*side)])])
        for side in (units.left, units.right)
    ]
    for (one, other), form in ((sides, terms), (sides[::-1], terms.mirrored())):
        halves = graph.node("Mul", [_one_hot(graph, explanation.columns[form.right], d), graph.float32(0.5)])
        part = graph.node("MatMul", [_by_right(graph, one, other, form), halves])
        total = graph.node("Add", [total, part])
    return total


def _cut(graph: Graph, u: str, bounds: tuple[int, int]) -> str:
    """A range of the units: ONNX Runtime cuts it out of a matrix many times faster than it gathers columns."""
    return graph.node("Slice", [u, *(graph.constant(np.array([bound])) for bound in (*bounds, 1))])


def _by_right(graph: Graph, left: str, right: str, terms: AdditiveTerms) -> str:
    """What each right unit adds by its products: (n, right), or (n, M, right)."""
    n_left, n_right, n_scores = terms.products.shape
    products = _sparse(graph, terms.products.transpose(0, 2, 1).reshape(n_left, -1))
    found = _by_score(graph, graph.node("MatMul", [left, products]), n_scores, n_right)
    return graph.node("Mul", [found, right if n_scores == 1 else graph.reshape(right, [-1, 1, n_right])])


def _sparse(graph: Graph, weights: np.ndarray) -> str:
    """A mostly zero matrix: the other numbers and their positions, if that takes fewer bytes.

    A position takes two bytes in the file. ONNX Runtime makes the matrix when a session is created.
    """
    positions = np.flatnonzero(weights)
    if 6 * len(positions) > 4 * weights.size:
        return _numbers(graph, weights, "products")
    zeros = graph.node("ConstantOfShape", [graph.constant(np.array([weights.size]))])
    numbers = _numbers(graph, weights.ravel()[positions], "products")
    flat = graph.node("ScatterElements", [zeros, graph.constant(positions.astype(np.int64)), numbers], axis=0)
    return graph.reshape(flat, list(weights.shape))


def _numbers(graph: Graph, values: np.ndarray, hint: str) -> str:
    """A constant: many multiples of `STEP` as whole numbers above the least one, which take about two bytes each.

    float32 holds these exactly. ONNX Runtime turns them back when a session is created.
    """
    steps = values / STEP
    if values.size < _MANY or np.ptp(steps) >= 2**21 or (steps != np.rint(steps)).any():
        return graph.float32(values, hint)
    least = steps.min()
    whole = graph.cast(graph.constant((steps - least).astype(np.int64), hint), TensorType.FLOAT)
    scaled = graph.node("Mul", [whole, graph.constant(np.float32(STEP))])
    return graph.node("Add", [scaled, graph.constant(np.float32(least * STEP))])


def _by_score(graph: Graph, name: str, n_scores: int, width: int) -> str:
    """A matrix (n, M * width) as it is for one score, or as (n, M, width)."""
    return name if n_scores == 1 else graph.reshape(name, [-1, n_scores, width])


def _one_hot(graph: Graph, positions: np.ndarray, depth: int, axis: int = -1) -> str:
    """Ones at the positions (k,), as a constant (k, depth) that ONNX Runtime expands when a session is created.

    With axis 0 it has the shape (depth, k).
    """
    onoff = graph.constant(np.array([0, 1], np.float32))
    return graph.node(
        "OneHot", [graph.constant(positions.astype(np.int64)), graph.constant(np.array(depth)), onoff], axis=axis
    )
