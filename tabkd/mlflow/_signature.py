"""The signature of a student: what MLflow's servers and Spark read and return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tabkd.scoring import ExportedStudent

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

#: What the model returns, as in `mlflow.sklearn`.
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
        What the model returns.

    Raises
    ------
    ValueError
        For names of columns that MLflow takes for positions.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    optional, is_named = optional_names(exported), has_names(exported)
    inputs = [
        ColSpec(
            _mlflow_type(_type(column)),
            name=column["name"] if is_named else None,
            required=column["name"] not in optional,
        )
        for column in exported.metadata["columns"]
    ]
    outputs = [ColSpec(_mlflow_type(kind), name=name) for name, kind in _outputs(exported, predict_fn)]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def has_names(exported: ExportedStudent) -> bool:
    """Whether columns have names; otherwise they are matched by position, as in an array.

    Raises
    ------
    ValueError
        For names that MLflow takes for positions.
    """
    names = [column["name"] for column in exported.metadata["columns"]]
    if names == list(range(len(names))):
        return False
    if wrong := [name for name in names if not isinstance(name, str) or not name]:
        raise ValueError(
            f"The model has a column named {wrong[0]!r}, which MLflow takes for a position. Name the columns by text "
            "before the model is fitted, for example by `frame.columns = frame.columns.map(str)`."
        )
    return True


def optional_names(exported: ExportedStudent) -> list[str]:
    """The columns that had missing values at fit, so that rows may come without them."""
    if not has_names(exported):
        return []
    return [column["name"] for column in exported.metadata["columns"] if column["has_missing"]]


def score_names(exported: ExportedStudent, predict_fn: str) -> list[str] | None:
    """The names of the columns that `predict_fn` returns; None if it returns one value for each row."""
    facts = exported.metadata
    if predict_fn == "predict_proba":
        return [f"probability_{label}" for label in exported.classes_.tolist()]
    if facts["task"] == "classification" or facts["one_dimensional"]:
        return None
    return [f"prediction_{k}" for k in range(facts["n_outputs"])]


def _type(column: dict[str, Any]) -> str:
    """The MLflow type that takes the values of a column without changing them, or "any".

    In columns of type long and boolean, MLflow's server turns 3.5 into 3 and null into false without a warning, and
    Spark passes whole numbers as floats if one of them is missing. MLflow also refuses the pandas dtypes for categories
    and for integers with missing values.
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
