"""A student of another library: converted by skl2onnx, inside our graph."""

from __future__ import annotations

from onnx import TensorProto

from tabkd.onnx.graph import Graph


def write_foreign(graph: Graph, scope, operator, container) -> str:
    """What the student predicts, float32 (n, K), by the converter that skl2onnx has for it.

    Raises
    ------
    NotImplementedError
        Where skl2onnx has none.
    """
    from skl2onnx._parse import _parse_sklearn
    from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator

    student = operator.raw_operator.student_
    try:
        outputs = _parse_sklearn(scope, student, list(operator.inputs))
    except (MissingConverter, MissingShapeCalculator, RuntimeError, NotImplementedError) as error:
        raise refusal(student, error) from error
    for variable in operator.inputs:
        variable.init_status(is_fed=True)
    predicted = graph.cast(outputs[0].full_name, TensorProto.FLOAT)
    return graph.node("Reshape", [predicted, graph.constant(_shape(operator.raw_operator))])


def _shape(model):
    import numpy as np

    n_outputs = len(model.classes_) if hasattr(model, "classes_") else getattr(model, "_n_targets", 1)
    return np.array([-1, n_outputs])


def refusal(student, error: Exception) -> NotImplementedError:
    """What to say when skl2onnx cannot convert a student."""
    return NotImplementedError(
        f"student {type(student).__name__} cannot be written as ONNX: {error}. Use one of tabkd's students ('mlp', 'tree', "
        "'boosted_trees'), or a regressor that skl2onnx supports."
    )
