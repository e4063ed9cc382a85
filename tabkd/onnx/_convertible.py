"""Models that skl2onnx converts without registration: the methods that it looks for on unknown models.

skl2onnx calls `onnx_parser`, `onnx_shape_calculator` and `onnx_converter` of a model. But before that it refuses
options such as ``zipmap`` for classes that are not registered. So tabkd's classes register themselves as soon as
scikit-learn's tags are read while skl2onnx is loaded. Importing tabkd never imports skl2onnx.

Our classifiers return one tensor of probabilities. The option ``zipmap`` is accepted, but never adds a ZipMap.
"""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sklearn.utils import Tags

from tabkd.onnx._graph import Graph
from tabkd.onnx._types import tensor_types

if TYPE_CHECKING:
    from skl2onnx.common._container import ModelComponentContainer
    from skl2onnx.common._topology import Operator, Scope

_registered: set[type] = set()


class Output(NamedTuple):
    """An output of a graph.

    Attributes
    ----------
    name : str
        Its name.
    kind : {"FLOAT", "DOUBLE", "INT64", "STRING"}
        Its ONNX type.
    shape : tuple of int
        The shape of a row: () for a tensor of shape (n,), (width,) for a matrix.
    """

    name: str
    kind: str
    shape: tuple[int, ...]


class Convertible:
    """Base class of models that write their own graph: they declare their outputs, and write a tensor for each."""

    @abstractmethod
    def onnx_outputs(self) -> list[Output]:
        """List the outputs of the graph, in their order."""

    @abstractmethod
    def onnx_tensors(self, graph: Graph, variables: Sequence[Any]) -> list[str]:
        """Write the graph from the inputs to the outputs.

        Parameters
        ----------
        graph : Graph
            Takes the nodes.
        variables : sequence of skl2onnx Variable
            The inputs: the columns of the model's table.

        Returns
        -------
        list of str
            The tensor of each output.
        """

    def onnx_parser(self) -> Callable:
        """Give skl2onnx a function that names the outputs.

        Returns
        -------
        callable
            A parser of skl2onnx.
        """
        allow_options(type(self))

        def outputs(scope: Any = None, inputs: Any = None) -> list[tuple[str, Any]]:
            from skl2onnx.common.data_types import FloatTensorType

            return [(output.name, FloatTensorType()) for output in self.onnx_outputs()]

        return outputs

    def onnx_shape_calculator(self) -> Callable:
        """Give skl2onnx a function that sets the types of the outputs.

        Returns
        -------
        callable
            A shape calculator of skl2onnx.
        """
        return set_types

    def onnx_converter(self) -> Callable:
        """Give skl2onnx a function that writes the nodes.

        Returns
        -------
        callable
            A converter of skl2onnx.
        """
        return write_nodes

    def __sklearn_tags__(self) -> Tags:
        allow_options(type(self))
        return super().__sklearn_tags__()  # type: ignore[misc]


def allow_options(cls: type) -> None:
    """Make `cls` known to skl2onnx, if skl2onnx is loaded."""
    if cls in _registered:
        return
    register = getattr(sys.modules.get("skl2onnx"), "update_registered_converter", None)
    if register is None:  # not loaded, or not completely
        return
    from sklearn.base import ClassifierMixin

    options = {"zipmap": [True, False], "nocl": [True, False]} if issubclass(cls, ClassifierMixin) else None
    register(cls, f"Tabkd{cls.__name__}", set_types, write_nodes, parser=parse, options=options)
    _registered.add(cls)


def parse(scope: Scope, model: Convertible, inputs: list, custom_parsers: dict | None = None) -> Any:
    """Declare the operator of `model`: a parser for registered classes that adds no ZipMap."""
    from skl2onnx._parse import _parse_sklearn_simple_model

    return _parse_sklearn_simple_model(scope, model, inputs, custom_parsers=custom_parsers)


def set_types(operator: Operator) -> None:
    """Set the types and shapes of the outputs of an operator."""
    types = tensor_types()
    for declared, output in zip(operator.raw_operator.onnx_outputs(), operator.outputs, strict=True):
        output.type = types[declared.kind]([None, *declared.shape])


def write_nodes(scope: Scope, operator: Operator, container: ModelComponentContainer) -> None:
    """Write the nodes of one of tabkd's models.

    Raises
    ------
    ValueError
        If the inputs do not fit the table that the model was fitted on.
    NotImplementedError
        If skl2onnx cannot convert the student.
    """
    graph = Graph(scope, container)
    tensors = operator.raw_operator.onnx_tensors(graph, operator.inputs)
    for tensor, output in zip(tensors, operator.outputs, strict=True):
        graph.node("Identity", [tensor], output.full_name)
