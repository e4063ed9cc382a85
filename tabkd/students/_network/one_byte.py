"""Weights of one byte each: whole numbers from -127 to 127 times a step, one step for each unit of a layer.

Only the file is smaller. ONNX Runtime turns the weights back into float32 when it opens the file, so scoring is as fast
and as exact as before; Python predicts with the same weights. They are rounded after training, which therefore has no
rounding to compile.
"""

from __future__ import annotations

import numpy as np

from tabkd.onnx._graph import Graph
from tabkd.onnx._types import TensorType

_MOST = 127
# A step has this many bits, so that a whole number times a step is exact in float32.
_STEP_BITS = 16
# From this many weights on, saving three bytes each outweighs the nodes that convert them back.
_MANY = 150


def in_bytes(weights: np.ndarray) -> np.ndarray:
    """The nearest weights that take one byte each; weights that already do are unchanged.

    Parameters
    ----------
    weights : float32 array of shape (fan_in, fan_out)
        The weights of a layer.

    Returns
    -------
    float32 array of shape (fan_in, fan_out)
        Each of the same sign, or zero.
    """
    step = _steps(weights)
    return np.rint(weights / step) * step


def write_layer(graph: Graph, name: str, weights: np.ndarray, bias: np.ndarray) -> str:
    """Write a layer before its activation, (n, fan_out), for a tensor (n, fan_in)."""
    return graph.node("Gemm", [name, write_weights(graph, weights), graph.float32(bias, "bias")])


def write_weights(graph: Graph, weights: np.ndarray) -> str:
    """Write weights: those of `in_bytes` as bytes if there are many, and others as float32."""
    weights = weights.astype(np.float32)
    if weights.size < _MANY or (in_bytes(weights) != weights).any():
        return graph.float32(weights, "weights")
    step = _steps(weights)
    whole = graph.constant(np.rint(weights / step).astype(np.int8), "weights")
    return graph.node("Mul", [graph.cast(whole, TensorType.FLOAT), graph.constant(step, "step")])


def _steps(weights: np.ndarray) -> np.ndarray:
    """The step of each unit, float32 of shape (fan_out,): the largest weight is `_MOST` steps, or a little less."""
    largest = np.abs(weights).max(axis=0, initial=0) / _MOST
    fraction, exponent = np.frexp(np.where(largest > 0, largest, 1).astype(np.float32))
    return np.ldexp(np.ceil(np.ldexp(fraction, _STEP_BITS)), exponent - _STEP_BITS)
