"""A distilled estimator as an ONNX file."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from os import PathLike
from typing import TYPE_CHECKING, Any, Self

from sklearn.utils.validation import check_is_fitted

from tabkd._reasons import CONTRIBUTIONS
from tabkd._signed import Signed
from tabkd.onnx import Graph, Inputs
from tabkd.onnx._convertible import Convertible, Output
from tabkd.students._registry import check_contributions
from tabkd.students._student_graph import further_tensors

if TYPE_CHECKING:
    from onnx import ModelProto

    from tabkd._export.metadata import Measured


class InOnnx(Signed, Convertible):
    """The part of a distilled estimator that writes its student as a graph."""

    # Whether the graph gives contributions: only in the copy that `to_onnx` converts.
    _is_explained = False

    def to_onnx(
        self, path: str | PathLike | None = None, report: Measured | None = None, *, contributions: bool = False
    ) -> ModelProto:
        """Write the student as one ONNX model that takes the raw columns, and verify that it gives the same scores.

        Parameters
        ----------
        path : str or path-like, optional
            Where to write the file. It appears whole or not at all.
        report : tabkd.evaluation.Report, optional
            The report whose `skill_kept` is written into the model's metadata, and also its `doubt` unless
            `measure_doubt` was called.
        contributions : bool, default=False
            Whether the graph also has the output `contributions`, float32 of shape (n, d), or (n, M, d) for more than
            two classes or several targets, as computed by the method `contributions`. The baseline is in the metadata.
            `tabkd.load` scores as fast as without it. In ONNX Runtime, ask for the contributions of an MLP in slices of
            at most some hundred rows: a row takes the memory of about a thousand evaluations.

        Returns
        -------
        onnx.ModelProto
            The model, as in the file.

        Raises
        ------
        tabkd.onnx.ParityError
            If ONNX Runtime does not reproduce the student, or contributions do not add up to the scores; nothing is
            written then.
        tabkd.onnx.MonotoneError
            If a monotone constraint of the student is not proved; nothing is written then.
        NotImplementedError
            If the student cannot be converted, or has no contributions.
        TypeError
            If `contributions` is not a bool, or `report` is not a report.
        """
        from tabkd._export.build import export

        check_is_fitted(self)
        return export(self, path, report, contributions=contributions)

    def onnx_outputs(self) -> list[Output]:
        """List the outputs of the graph: those of the task, then further ones of the student.

        Returns
        -------
        list of Output
            Their names, types and widths, in their order.
        """
        check_is_fitted(self)
        further = self._student.further_onnx_outputs()
        if self._is_explained:
            further.append(self._contributions_output())
        return [*self._task.onnx_outputs(self._student), *further]

    def onnx_tensors(self, graph: Graph, variables: Sequence[Any]) -> list[str]:
        """Write the graph: the student's, and the nodes that turn its targets into probabilities and labels.

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
        inputs = Inputs(graph, variables, self.schema_)
        tensors = self._student.write_onnx(graph, inputs)
        further = further_tensors(self._student, tensors)
        if self._is_explained:
            further.append(self._write_contributions(graph, inputs))
        return [*self._task.onnx_tensors(graph, tensors.targets, self._student, self.temperature), *further]

    def _explained(self) -> Self:
        """The same model, whose graph also gives the contributions of the columns."""
        check_contributions(self._student)
        model = copy(self)
        model._is_explained = True
        return model

    def _contributions_output(self) -> Output:
        n_scores, d = len(self._base_values()), len(self.schema_.columns)
        return Output(CONTRIBUTIONS, "FLOAT", (d,) if n_scores == 1 else (n_scores, d))

    def _write_contributions(self, graph: Graph, inputs: Inputs) -> str:
        found, factor = self._student.write_contributions(graph, inputs), self._task.raw_factor(self.temperature)
        return found if factor == 1 else graph.node("Mul", [found, graph.float32(factor)])
