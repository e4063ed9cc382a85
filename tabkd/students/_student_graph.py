"""The part of `Student` that writes its graph: its tensors, its further outputs, and the columns that it reads."""

from __future__ import annotations

from collections.abc import Sequence
from keyword import iskeyword
from numbers import Integral
from typing import Any, NamedTuple, Protocol

import numpy as np

from tabkd._tables.schema import TableSchema
from tabkd.onnx._convertible import Convertible, Output
from tabkd.onnx._graph import Graph
from tabkd.onnx._heads import write_values
from tabkd.onnx._inputs import Front, Inputs

# A target this many standard deviations from zero is given in float64.
_WIDE = 32
# Names that further outputs cannot have: the other outputs, the input of a numeric table, and the field of the targets.
_TAKEN = ("label", "probabilities", "variable", "contributions", "X", "targets")


class Tensors(NamedTuple):
    """The result of `Student.write_onnx`: the tensors that it wrote, by name.

    A student with further outputs returns another named tuple. Its first field is `targets`; every other field is an
    output of the graph with that name, declared by `Student.further_outputs`.

    Attributes
    ----------
    targets : str
        The targets, float32 of shape (n, K), or float64 if `Student.is_wide`.

    Examples
    --------
    >>> from typing import NamedTuple
    >>> class WithUnits(NamedTuple):
    ...     targets: str
    ...     units: str
    >>> WithUnits("gemm", "clip")._fields
    ('targets', 'units')
    """

    targets: str


class Edges(NamedTuple):
    """Where predictions may change abruptly with a numeric column, so that the file is verified there.

    Attributes
    ----------
    position : int
        The column.
    center : float
        The number that is subtracted in float64 before the column becomes float32.
    edges : array of shape (m,)
        Thresholds or knots, in centred values.

    Examples
    --------
    >>> import numpy as np
    >>> from tabkd.students import Edges
    >>> Edges(position=2, center=0.0, edges=np.array([0.5, 1.5])).position
    2
    """

    position: int
    center: float
    edges: np.ndarray


class Encoder(Protocol):
    """The encoder with which a student reads a table, such as `TableEncoder` and `OrdinalTable`."""

    def front(self) -> Front:
        """The parts of the table that are read."""

    def edges(self) -> list[Edges]:
        """Where the encoded values may change abruptly."""


class StudentGraph(Convertible):
    """The side of a fitted `Student` that writes its graph."""

    schema_: TableSchema
    n_outputs_: int
    target_mean_: np.ndarray
    target_scale_: np.ndarray

    def write_onnx(self, graph: Graph, inputs: Inputs) -> Tensors:
        """Write what `predict_codes` computes into a graph.

        Parameters
        ----------
        graph : Graph
            Takes the nodes.
        inputs : Inputs
            The columns of the table.

        Returns
        -------
        Tensors
            Or a named tuple with further fields.
        """
        raise NotImplementedError(
            f"student {type(self).__name__} cannot be written as ONNX: it defines no write_onnx(graph, inputs)."
        )

    def write_values(self, graph: Graph, scores: str) -> str:
        """Write scores in standard deviations of the target as values of the target.

        It undoes ``(targets - target_mean_) / target_scale_``; probabilities are unchanged.

        Parameters
        ----------
        graph : Graph
            Takes the nodes.
        scores : str
            A tensor of shape (n, K), float32.

        Returns
        -------
        str
            The targets, float32 (n, K), or float64 if `is_wide`.
        """
        return write_values(graph, scores, self.target_scale_, self.target_mean_, self.is_wide)

    def further_outputs(self) -> dict[str, int | tuple[int, ...]]:
        """Declare the outputs that `write_onnx` returns in addition to the targets.

        `tabkd.ExportedStudent.output` reads them. Only the targets are compared with Python before a file is written.

        Returns
        -------
        dict of str to int or tuple of int
            The shape of a row of each, float32 of shape (n, width) or (n, k, width), by its name, which may be that of
            a column.
        """
        return {}

    def front(self) -> Front:
        """Describe what the student reads from the table.

        Returns
        -------
        tabkd.onnx.Front
            The front of `encoder_`.
        """
        return self._encoder().front()

    def edges(self) -> list[Edges]:
        """List where predictions may change abruptly: the file is verified on the float32 numbers around these values.

        Returns
        -------
        list of Edges
            The edges of `encoder_`.
        """
        return self._encoder().edges()

    @property
    def is_wide(self) -> bool:
        """Whether real targets are so far from zero that float32 could not distinguish them."""
        return is_far(self.target_mean_, self.target_scale_)

    def onnx_outputs(self) -> list[Output]:
        """List the outputs of the graph: the targets, named "variable", and further ones.

        Returns
        -------
        list of Output
            Their names, types and widths, in their order.
        """
        targets = Output("variable", "DOUBLE" if self.is_wide else "FLOAT", (self.n_outputs_,))
        return [targets, *self.further_onnx_outputs()]

    def onnx_tensors(self, graph: Graph, variables: Sequence[Any]) -> list[str]:
        """Write the graph of the student alone, without a head for classes.

        Parameters
        ----------
        graph : tabkd.onnx.Graph
            Takes the nodes.
        variables : sequence of skl2onnx Variable
            The inputs.

        Returns
        -------
        list of str
            The tensor of each output.
        """
        tensors = self.write_onnx(graph, Inputs(graph, variables, self.schema_))
        return [tensors.targets, *further_tensors(self, tensors)]

    def _encoder(self) -> Encoder:
        if not hasattr(self, "encoder_"):
            raise NotImplementedError(
                f"student {type(self).__name__} cannot be written as ONNX: it has no encoder_ to read the table with. "
                "Fit one in _fit_rows, such as TableEncoder, or define front() and edges()."
            )
        return self.encoder_

    def further_onnx_outputs(self) -> list[Output]:
        """List `further_outputs` as outputs of the graph.

        Returns
        -------
        list of Output
            Their names, types and widths, in their order.

        Raises
        ------
        ValueError
            If a name or a shape cannot be that of an output.
        """
        declared = self.further_outputs()
        outputs = []
        for name, width in declared.items():
            if not _names_a_field(name) or name in _TAKEN:
                raise ValueError(
                    f"further_outputs of {type(self).__name__} declares {name!r:.80}, but a name has to be a Python "
                    f"identifier, without _ in front, other than {', '.join(_TAKEN)}."
                )
            shape = width if isinstance(width, tuple) else (width,)
            if len(shape) not in (1, 2) or not all(isinstance(size, Integral) and size >= 1 for size in shape):
                raise ValueError(
                    f"further_outputs of {type(self).__name__} declares {width!r:.80} columns for {name!r}; give an "
                    "integer from 1, or a tuple of two."
                )
            outputs.append(Output(name, "FLOAT", tuple(int(size) for size in shape)))
        return outputs


def is_far(mean: np.ndarray, scale: np.ndarray) -> bool:
    """Whether values of this mean and standard deviation (K,) are so far from zero that they need float64."""
    return bool((np.abs(mean) > _WIDE * scale).any())


def further_tensors(student: StudentGraph, tensors: Tensors) -> list[str]:
    """The tensors of the further outputs of a student, in the order in which it declares them.

    Raises
    ------
    TypeError
        If the student returned other tensors than it declares.
    """
    given, declared = getattr(tensors, "_fields", ()), ("targets", *student.further_outputs())
    if sorted(given) != sorted(declared) or not all(isinstance(tensor, str) for tensor in tensors):
        raise TypeError(
            f"write_onnx of {type(student).__name__} returned {tensors!r:.80}, but a named tuple with the fields "
            f"{list(declared)} is expected, as further_outputs declares them, each the name of a tensor; return "
            "Tensors(targets), or your own named tuple."
        )
    return [getattr(tensors, name) for name in declared[1:]]


def _names_a_field(name: Any) -> bool:
    """Whether a named tuple can have a field of that name."""
    return isinstance(name, str) and name.isidentifier() and not iskeyword(name) and not name.startswith("_")
