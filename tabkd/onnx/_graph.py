"""Nodes and constants, written into the container that skl2onnx hands to a converter."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

#: The ONNX type of each NumPy type that a constant may have.
_TYPES = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.float64): TensorProto.DOUBLE,
    np.dtype(np.int64): TensorProto.INT64,
    np.dtype(np.bool_): TensorProto.BOOL,
}
# skl2onnx 1.20 writes no later version of the ai.onnx.ml operators than these.
_ML_VERSIONS = {"LabelEncoder": 2, "TreeEnsembleRegressor": 1}
_LOWEST_OPSET = 13


class Graph:
    """A thin pen for ONNX graphs.

    Parameters
    ----------
    scope : skl2onnx.common._topology.Scope
        Gives names that nothing else has.
    container : skl2onnx.common._container.ModelComponentContainer
        Takes the nodes.

    Raises
    ------
    ValueError
        Where the target opset is too old.
    """

    def __init__(self, scope, container):
        self._scope, self._container = scope, container
        self.opset = container.target_opset_any_domain("")
        if self.opset < _LOWEST_OPSET:
            raise ValueError(f"target_opset is {self.opset}, but tabkd needs {_LOWEST_OPSET} or later; leave it out.")

    def constant(self, values, hint: str = "c") -> str:
        """The name of a constant with these values: an array of numbers, or a list of strings."""
        name = self._scope.get_unique_variable_name(f"tabkd_{hint}", rename=False)
        if isinstance(values, list):
            self._container.add_initializer(name, TensorProto.STRING, [len(values)], values)
            return name
        values = np.asarray(values)
        self._container.add_initializer(name, _TYPES[values.dtype], list(values.shape), values.ravel().tolist())
        return name

    def node(self, op: str, inputs: list[str], output: str | None = None, hint: str | None = None, **attributes) -> str:
        """Add a node and return the name of its output."""
        output = output or self.name(hint or op.lower())
        version = _ML_VERSIONS.get(op)
        place = {"op_domain": "ai.onnx.ml", "op_version": version} if version else {}
        self._container.add_node(op, inputs, [output], name=output, **place, **attributes)
        return output

    def name(self, hint: str) -> str:
        """A name that nothing else in the graph has."""
        return self._scope.get_unique_variable_name(f"tabkd_{hint}", rename=False)

    def cast(self, name: str, to: int) -> str:
        """`name` as another type."""
        return self.node("Cast", [name], to=to)

    def numbers(self, name: str) -> str:
        """Numbers written as strings, as float64; NaN where ONNX Runtime's spellings of a missing value stand."""
        if self.opset >= 19:  # strings cannot be compared before
            for spelling in ("None", "<NA>", ""):
                same = self.node("Equal", [name, self.constant([spelling])])
                name = self.node("Where", [same, self.constant(["nan"]), name])
        return self.cast(name, TensorProto.DOUBLE)

    def gemm(self, name: str, weights: np.ndarray, bias: np.ndarray) -> str:
        """A matrix (n, m) times weights (m, k) plus a bias (k,), float32 (n, k)."""
        return self.node("Gemm", [name, self.float32(weights, "weights"), self.float32(bias, "bias")])

    def float32(self, values, hint: str = "c") -> str:
        """A constant, whatever its dtype, as float32."""
        return self.constant(np.asarray(values, dtype=np.float32), hint)

    def convert(self, estimator, variables: list) -> list[str]:
        """The outputs of an estimator of another library, written by the converter that skl2onnx has for it.

        Parameters
        ----------
        estimator : estimator
            Fitted.
        variables : list of skl2onnx Variable
            Its inputs.
        """
        from skl2onnx._parse import _parse_sklearn

        return [output.full_name for output in _parse_sklearn(self._scope, estimator, list(variables))]

    def double(self, name: str) -> str:
        """`name` as float64."""
        return self.cast(name, TensorProto.DOUBLE)

    def concat(self, names: list[str], hint: str = "concat", fixed: bool = False) -> str:
        """Columns side by side; `fixed` keeps a node even around a single input, so that its name stands."""
        if len(names) == 1 and not fixed:
            return names[0]
        return self.node("Concat", names, hint=hint, axis=1)

    def columns(self, name: str, positions) -> str:
        """Some columns of a matrix, shape (n, len(positions))."""
        return self.node("Gather", [name, self.constant(np.asarray(positions, dtype=np.int64))], axis=1)

    def reduce(self, op: str, name: str) -> str:
        """`ReduceSum` or `ReduceMax` over the columns, shape (n, 1)."""
        if op == "ReduceSum" or self.opset >= 18:
            return self.node(op, [name, self.constant(np.array([1]), "axes")], keepdims=1)
        return self.node(op, [name], axes=[1], keepdims=1)

    def zeros(self, like: str, width: int) -> str:
        """float32 zeros of shape (n, width), n as of `like`."""
        n = self.node("Gather", [self.node("Shape", [like]), self.constant(np.array([0]))], axis=0)
        shape = self.node("Concat", [n, self.constant(np.array([width]))], axis=0)
        return self.node("ConstantOfShape", [shape])
