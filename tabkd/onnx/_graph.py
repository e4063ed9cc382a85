"""Write nodes and constants to the container that skl2onnx passes to a converter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from tabkd.onnx._types import TensorType, tensor_types

#: The ONNX type of each NumPy type that a constant may have.
_TYPES = {
    np.dtype(np.float32): TensorType.FLOAT,
    np.dtype(np.float64): TensorType.DOUBLE,
    np.dtype(np.int8): TensorType.INT8,
    np.dtype(np.int64): TensorType.INT64,
    np.dtype(np.bool_): TensorType.BOOL,
}
# The latest versions of the ai.onnx.ml operators that skl2onnx 1.20 writes.
_ML_VERSIONS = {"ArrayFeatureExtractor": 1, "LabelEncoder": 2, "TreeEnsembleRegressor": 1}
_LOWEST_OPSET = 13


class Graph:
    """A writer of ONNX graphs.

    Parameters
    ----------
    scope : skl2onnx.common._topology.Scope
        Generates unique names.
    container : skl2onnx.common._container.ModelComponentContainer
        Collects the nodes.

    Raises
    ------
    ValueError
        If the target opset is too old.

    Examples
    --------
    In `write_onnx` of a student, a linear model of the units of its encoder:

    >>> def write_onnx(self, graph, inputs):
    ...     units = self.encoder_.write_onnx(graph, inputs)
    ...     return Tensors(graph.gemm(units, self.coef_, self.intercept_))
    """

    def __init__(self, scope: Any, container: Any) -> None:
        self._scope, self._container = scope, container
        self.opset = container.target_opset_any_domain("")
        if self.opset < _LOWEST_OPSET:
            raise ValueError(f"target_opset is {self.opset}, but tabkd needs {_LOWEST_OPSET} or later; leave it out.")

    def constant(self, values: ArrayLike | list[str], hint: str = "c") -> str:
        """Add a constant.

        Parameters
        ----------
        values : array_like, or list of str
            Numbers of float32, float64, int8, int64 or bool; or strings.
        hint : str, default="c"
            Part of its name.

        Returns
        -------
        str
            The name of the tensor.
        """
        name = self._scope.get_unique_variable_name(f"tabkd_{hint}", rename=False)
        if isinstance(values, list):
            self._container.add_initializer(name, TensorType.STRING, [len(values)], values)
            return name
        values = np.asarray(values)
        self._container.add_initializer(name, _TYPES[values.dtype], list(values.shape), values.ravel().tolist())
        return name

    def node(
        self, op: str, inputs: list[str], output: str | None = None, hint: str | None = None, **attributes: Any
    ) -> str:
        """Add a node with one output.

        Parameters
        ----------
        op : str
            The operator, as in ``"Gemm"``.
        inputs : list of str
            The tensors that it takes.
        output : str, optional
            The name of its output; a unique one by default.
        hint : str, optional
            Part of a unique name; the operator by default.
        **attributes : object
            The attributes of the operator.

        Returns
        -------
        str
            The name of the tensor.
        """
        output = output or self.name(hint or op.lower())
        version = _ML_VERSIONS.get(op)
        place = {"op_domain": "ai.onnx.ml", "op_version": version} if version else {}
        self._container.add_node(op, inputs, [output], name=output, **place, **attributes)
        return output

    def name(self, hint: str) -> str:
        """Make a name that is unique in the graph.

        Parameters
        ----------
        hint : str
            Part of the name.

        Returns
        -------
        str
            The name.
        """
        return self._scope.get_unique_variable_name(f"tabkd_{hint}", rename=False)

    def cast(self, name: str, to: int) -> str:
        """Cast a tensor to another type.

        Parameters
        ----------
        name : str
            The tensor.
        to : int
            A `TensorType`, or another number of `onnx.TensorProto`.

        Returns
        -------
        str
            The name of the tensor.
        """
        return self.node("Cast", [name], to=to)

    def numbers(self, name: str) -> str:
        """Read strings as float64; ONNX Runtime's spellings of a missing value become NaN.

        Parameters
        ----------
        name : str
            A tensor of strings.

        Returns
        -------
        str
            The name of the tensor.
        """
        if self.opset >= 19:  # strings cannot be compared before
            for spelling in ("None", "<NA>", ""):
                same = self.node("Equal", [name, self.constant([spelling])])
                name = self.node("Where", [same, self.constant(["nan"]), name])
        return self.cast(name, TensorType.DOUBLE)

    def gemm(self, name: str, weights: np.ndarray, bias: np.ndarray) -> str:
        """Multiply a matrix by weights and add a bias, in float32.

        Parameters
        ----------
        name : str
            A tensor of shape (n, m).
        weights : array of shape (m, k)
            The factors.
        bias : array of shape (k,)
            The summands.

        Returns
        -------
        str
            The name of the tensor, of shape (n, k).
        """
        return self.node("Gemm", [name, self.float32(weights, "weights"), self.float32(bias, "bias")])

    def float32(self, values: ArrayLike, hint: str = "c") -> str:
        """Add a constant as float32.

        Parameters
        ----------
        values : array_like
            Numbers of any dtype.
        hint : str, default="c"
            Part of its name.

        Returns
        -------
        str
            The name of the tensor.
        """
        return self.constant(np.asarray(values, dtype=np.float32), hint)

    def convert(self, estimator: BaseEstimator, variables: list) -> list[str]:
        """Write an estimator of another library with its skl2onnx converter.

        Parameters
        ----------
        estimator : estimator
            Fitted.
        variables : list of skl2onnx Variable
            Its inputs: those of `Inputs`, or what `variable` makes of a tensor.

        Returns
        -------
        list of str
            The tensors of its outputs.

        Examples
        --------
        In `write_onnx` of a student, a regressor of scikit-learn on the units of its encoder:

        >>> def write_onnx(self, graph, inputs):
        ...     units = graph.variable(self.encoder_.write_onnx(graph, inputs), self.encoder_.n_features_out_)
        ...     return Tensors(graph.convert(self.regressor_, [units])[0])
        """
        from skl2onnx._parse import _parse_sklearn

        return [output.full_name for output in _parse_sklearn(self._scope, estimator, list(variables))]

    def variable(self, name: str, width: int, column: str = "tabkd_variable", kind: str = "FLOAT") -> Any:
        """Make a matrix an input for `convert`.

        Parameters
        ----------
        name : str
            A tensor of shape (n, width).
        width : int
            The number of its columns.
        column : str, optional
            The name by which a converter may look for it, such as that of a column that a ColumnTransformer takes.
        kind : {"FLOAT", "INT64", "STRING"}, default="FLOAT"
            Its ONNX type.

        Returns
        -------
        skl2onnx Variable
            The tensor, as a converter of skl2onnx takes it.
        """
        variable = self._scope.declare_local_variable(column, tensor_types()[kind]([None, width]))
        variable.init_status(is_fed=True)
        self.node("Identity", [name], variable.full_name)
        return variable

    def double(self, name: str) -> str:
        """Cast a tensor to float64.

        Parameters
        ----------
        name : str
            The tensor.

        Returns
        -------
        str
            The name of the tensor.
        """
        return self.cast(name, TensorType.DOUBLE)

    def concat(self, names: list[str], hint: str = "concat", fixed: bool = False) -> str:
        """Concatenate columns.

        Parameters
        ----------
        names : list of str
            Tensors of n rows.
        hint : str, default="concat"
            Part of the name.
        fixed : bool, default=False
            Whether a single tensor gets a node, too, so that the name is always the same.

        Returns
        -------
        str
            The name of the tensor.
        """
        if len(names) == 1 and not fixed:
            return names[0]
        return self.node("Concat", names, hint=hint, axis=1)

    def columns(self, name: str, positions: ArrayLike) -> str:
        """Take some columns of a matrix.

        Parameters
        ----------
        name : str
            A tensor of shape (n, m).
        positions : array_like of int of shape (k,)
            Which columns.

        Returns
        -------
        str
            The name of the tensor, of shape (n, k).
        """
        return self.node("Gather", [name, self.constant(np.asarray(positions, dtype=np.int64))], axis=1)

    def reshape(self, name: str, shape: Sequence[int]) -> str:
        """Give a tensor another shape.

        Parameters
        ----------
        name : str
            The tensor.
        shape : sequence of int
            The sizes; -1 for one that follows from the others, such as the number of rows.

        Returns
        -------
        str
            The name of the tensor.
        """
        return self.node("Reshape", [name, self.constant(np.array(shape, dtype=np.int64))])

    def reduce(self, op: str, name: str) -> str:
        """Reduce the columns of a matrix to one.

        Parameters
        ----------
        op : {"ReduceSum", "ReduceMax"}
            The operator.
        name : str
            A tensor of shape (n, m).

        Returns
        -------
        str
            The name of the tensor, of shape (n, 1).
        """
        if op == "ReduceSum" or self.opset >= 18:
            return self.node(op, [name, self.constant(np.array([1]), "axes")], keepdims=1)
        return self.node(op, [name], axes=[1], keepdims=1)

    def zeros(self, like: str, width: int) -> str:
        """Make a matrix of zeros, in float32.

        Parameters
        ----------
        like : str
            A tensor of n rows.
        width : int
            The number of columns.

        Returns
        -------
        str
            The name of the tensor, of shape (n, width).
        """
        n = self.node("Gather", [self.node("Shape", [like]), self.constant(np.array([0]))], axis=0)
        shape = self.node("Concat", [n, self.constant(np.array([width]))], axis=0)
        return self.node("ConstantOfShape", [shape])
