"""Graphs: the tools with which a student writes its graph, and the errors if it cannot be verified or proved."""

from tabkd.onnx._graph import Graph
from tabkd.onnx._inputs import Front, Inputs
from tabkd.onnx._monotone_error import MonotoneError
from tabkd.onnx._parity_error import ParityError

__all__ = ["Front", "Graph", "Inputs", "MonotoneError", "ParityError"]
