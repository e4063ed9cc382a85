"""A student of another library: converted by skl2onnx, inside our graph."""

from __future__ import annotations

from onnx import TensorProto

from tabkd.onnx._graph import Graph


def write_foreign(graph: Graph, scope, operator) -> str:
    """What the student predicts, float32 (n, K), by the converter that skl2onnx has for it.

    Raises
    ------
    NotImplementedError
        Where skl2onnx has none.
    """
    from skl2onnx._parse import _parse_sklearn

    student = operator.raw_operator.student_
    missing = _without_converter(student)
    if missing is not None:
        raise refusal(student, f"skl2onnx has no converter for {type(missing).__name__}")
    try:
        outputs = _parse_sklearn(scope, student, list(operator.inputs))
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
        raise refusal(student, str(error)) from error
    predicted = graph.cast(outputs[0].full_name, TensorProto.FLOAT)
    width = len(getattr(operator.raw_operator, "classes_", ())) or 1
    if width > 1:
        return predicted
    return graph.node("Flatten", [predicted], axis=1)


def _without_converter(student):
    """The student, or the first step of it, that skl2onnx does not know; None if it knows all."""
    from skl2onnx._parse import sklearn_parsers_map
    from skl2onnx._supported_operators import sklearn_operator_name_map

    parts = [step for _, step in student.steps] if hasattr(student, "steps") else [student]
    for part in parts:
        known = type(part) in sklearn_operator_name_map or type(part) in sklearn_parsers_map
        if not (known or hasattr(part, "onnx_converter") or part in ("passthrough", None)):
            return part
    return None


def refusal(student, reason: str) -> NotImplementedError:
    """What to say when skl2onnx cannot convert a student."""
    return NotImplementedError(
        f"student {type(student).__name__} cannot be written as ONNX: {reason}. Use one of tabkd's students "
        "('mlp', 'tree', 'boosted_trees'), or a regressor that skl2onnx supports."
    )
