"""Graphs: the tools by which a student writes its graph, and the error if ONNX Runtime does not reproduce it."""

from tabkd.onnx._graph import Graph
from tabkd.onnx._inputs import Front, Inputs
from tabkd.onnx._parity_error import ParityError

__all__ = ["Front", "Graph", "Inputs", "ParityError"]
