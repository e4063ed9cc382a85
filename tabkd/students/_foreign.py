"""A regressor of another library as a student: fitted on the table as the library needs it, converted by skl2onnx."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import shorten
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone

from tabkd._tables.column import Column
from tabkd._weights import fit_with, weight_params
from tabkd.onnx._graph import Graph
from tabkd.onnx._inputs import Front, Inputs
from tabkd.onnx._types import TensorType
from tabkd.students._registry import student_names
from tabkd.students._soft_rows import SoftRows, SoftStream
from tabkd.students._student import Student
from tabkd.students._student_graph import Edges, Tensors


class ForeignStudent(Student):
    """A student that hands the rows to a regressor of another library.

    Parameters
    ----------
    estimator : regressor
        A regressor that takes 2-D targets.

    Attributes
    ----------
    estimator_ : regressor
        The fitted regressor.
    """

    answers_any_row = False
    is_wide = False  # what skl2onnx converts computes in float32
    estimator_: Any = None

    def __init__(self, estimator: BaseEstimator | None = None) -> None:
        self.estimator = estimator

    def _fit_rows(self, real: SoftRows, synthetic: SoftStream) -> None:
        rows = SoftRows.concatenate([real, *synthetic])
        weights = rows.weights if np.ptp(rows.weights) else None
        # Most regressors expect a single target in shape (n,), and some warn of (n, 1).
        targets = rows.targets[:, 0] if rows.targets.shape[1] == 1 else rows.targets
        X = self.schema_.decode(rows.codes)
        self.estimator_ = fit_with(clone(self.estimator), X, targets, weight_params(self.estimator, weights))

    def predict_codes(self, codes: np.ndarray) -> np.ndarray:
        """Predict the targets, float64 (n, K), of codes (n, d)."""
        predicted = np.asarray(self.estimator_.predict(self.schema_.decode(codes)), dtype=np.float64)
        return predicted.reshape(len(codes), -1)

    def front(self) -> Front:
        """The numeric columns as they are, and for each categorical one the codes of its values."""
        numeric, categorical = (self.schema_.positions(kind) for kind in ("numeric", "categorical"))
        tables = [(int(i), np.arange(len(self.schema_.columns[i].categories) + 2)) for i in categorical]
        return Front(numeric, np.zeros(len(numeric)), tables)

    def edges(self) -> list[Edges]:
        """No edges are known."""
        return []

    def write_onnx(self, graph: Graph, inputs: Inputs) -> Tensors:
        """Write the predictions of the regressor with skl2onnx's converter.

        Raises
        ------
        NotImplementedError
            If skl2onnx has no converter.
        """
        missing = _without_converter(self.estimator_)
        if missing is not None:
            raise self.refusal(f"skl2onnx has no converter for {type(missing).__name__}")
        try:
            outputs = graph.convert(self.estimator_, self._variables(graph, inputs))
        except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
            # The converter's message may list each node of an ensemble.
            raise self.refusal(shorten(str(error), 300)) from error
        predicted = graph.cast(outputs[0], TensorType.FLOAT)
        return Tensors(predicted if self.n_outputs_ > 1 else graph.node("Flatten", [predicted], axis=1))

    def _variables(self, graph: Graph, inputs: Inputs) -> list:
        """The table in the form in which the regressor was fitted on it: one matrix, or a variable for each column."""
        if self.schema_.is_numeric:
            return inputs.variables
        front = self.front()
        values, rows = inputs.values(front.positions, front.centers), inputs.rows(front.tables)
        columns = {int(i): (_column(graph, values, k), "FLOAT") for k, i in enumerate(front.positions)}
        for k, (i, _) in enumerate(front.tables):
            levels = _levels(self.schema_.columns[i])
            kind = "STRING" if isinstance(levels, list) else "FLOAT"
            columns[i] = graph.node("Gather", [graph.constant(levels), _column(graph, rows, k)]), kind
        return [graph.variable(columns[i][0], 1, str(name), columns[i][1]) for i, name in enumerate(self.schema_.names)]

    def refusal(self, reason: str) -> NotImplementedError:
        """The error if the regressor cannot be converted, with the reason."""
        return NotImplementedError(
            f"student {type(self.estimator_).__name__} cannot be written as ONNX: {reason}. Use one of tabkd's "
            f"students ({student_names()}), or a regressor that skl2onnx supports."
        )


def _column(graph: Graph, table: str | None, k: int) -> str:
    """A column of a table, (n, 1). ONNX Runtime 1.21 makes a wrong Split of several Gathers that read one table."""
    return graph.node("ArrayFeatureExtractor", [str(table), graph.constant(np.array([k]))])


def as_student(estimator: Any) -> Student:
    """The estimator as a student: one of tabkd's is returned as it is, any other regressor in a `ForeignStudent`."""
    return estimator if isinstance(estimator, Student) else ForeignStudent(estimator)


def _levels(column: Column) -> list[str] | np.ndarray:
    """The values of the codes of a categorical column; an unseen category counts as a missing one."""
    if column.numeric_categories:
        return np.array([*column.keys, np.nan, np.nan], dtype=np.float32)
    return [*column.keys, *column.missing_spellings[:1] * 2]


def _without_converter(estimator: Any) -> Any:
    """The estimator, or the first step of a pipeline, that skl2onnx does not know; None if it knows all."""
    from skl2onnx._parse import sklearn_parsers_map
    from skl2onnx._supported_operators import sklearn_operator_name_map

    parts: Sequence = [step for _, step in estimator.steps] if hasattr(estimator, "steps") else [estimator]
    for part in parts:
        known = type(part) in sklearn_operator_name_map or type(part) in sklearn_parsers_map
        if not (known or hasattr(part, "onnx_converter") or part in ("passthrough", None)):
            return part
    return None
