"""The signature of a student: what MLflow's servers and Spark read and return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tabkd.scoring import ExportedStudent

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

#: What the model answers with, as in `mlflow.sklearn`.
PREDICT_FNS = ("predict", "predict_proba")

_TEXT = frozenset({"object", "str", "string"})
_FLOATS = frozenset({"float64", "float32", "float16"})
_LABELS = {bool: "boolean", int: "long", float: "double", str: "string"}


def signature_of(exported: ExportedStudent, predict_fn: str) -> ModelSignature:
    """The columns that a student reads, and what `predict_fn` returns.

    Parameters
    ----------
    exported : ExportedStudent
        The student.
    predict_fn : {"predict", "predict_proba"}
        What the model answers with.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    named = not is_of_arrays(exported)
    inputs = [
        ColSpec(_mlflow_type(_type(column)), name=column["name"], required=not column["has_missing"])
        if named
        else ColSpec(_mlflow_type(_type(column)))
        for column in exported.metadata["columns"]
    ]
    outputs = [ColSpec(_mlflow_type(kind), name=name) for name, kind in _outputs(exported, predict_fn)]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def is_of_arrays(exported: ExportedStudent) -> bool:
    """Whether the student learnt from an array, so that its columns have positions and no names."""
    return exported.metadata["container"] == "numpy"


def score_names(exported: ExportedStudent, predict_fn: str) -> list[str] | None:
    """The names of the columns that `predict_fn` returns; None if it returns one value for each row."""
    facts = exported.metadata
    if predict_fn == "predict_proba":
        return [f"probability_{label}" for label in exported.classes_.tolist()]
    if facts["task"] == "classification" or facts["one_dimensional"]:
        return None
    return [f"prediction_{k}" for k in range(facts["n_outputs"])]


def _type(column: dict[str, Any]) -> str:
    """The type of MLflow that takes the values of a column without changing them, or "any".

    In columns of type long and boolean, MLflow's server turns 3.5 into 3 and null into false without a word, and Spark
    hands whole numbers over as floats as soon as one of them is missing. MLflow also refuses the dtypes of pandas for
    categories and for integers with missing values.
    """
    if column["type"] == "STRING":
        return "string" if column["dtype"] in _TEXT else "any"
    return "double" if column["kind"] == "numeric" and column["dtype"] in _FLOATS else "any"


def _outputs(exported: ExportedStudent, predict_fn: str) -> list[tuple[str | None, str]]:
    """The name and type of each column that `predict_fn` returns."""
    if names := score_names(exported, predict_fn):
        return [(name, "double") for name in names]
    if exported.metadata["task"] != "classification":
        return [(None, "double")]
    kinds = {type(label) for label in exported.classes_.tolist()}
    return [(None, _LABELS[kinds.pop()] if len(kinds) == 1 and kinds <= _LABELS.keys() else "any")]


def _mlflow_type(kind: str) -> Any:
    from mlflow.types import DataType
    from mlflow.types.schema import AnyType

    return AnyType() if kind == "any" else DataType[kind]
