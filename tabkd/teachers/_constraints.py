"""The monotone constraints that a teacher was fitted with, read from its parameters without importing its library."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import BaggingClassifier, BaggingRegressor, VotingClassifier, VotingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline

from tabkd._tables.schema import TableSchema
from tabkd.teachers._integer_classes import IntegerClasses

# The names of the parameter: in scikit-learn, then in XGBoost, LightGBM and CatBoost, then further ones in LightGBM.
_NAMES = ("monotonic_cst", "monotone_constraints", "monotone_constraint", "mc")
# Transformers whose columns rise with those that they are made from, one for one. Imputers keep each present value.
_ORDERLY = {
    *("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "QuantileTransformer", "PowerTransformer"),
    *("SimpleImputer", "KNNImputer", "IterativeImputer"),
}
# Functions that rise wherever they are defined, for targets that a FunctionTransformer transforms back.
_RISING = (np.exp, np.expm1, np.exp2, np.log, np.log1p, np.log2, np.log10, np.sqrt, np.cbrt, np.sinh, np.arcsinh)


class Seen(NamedTuple):
    """A column as a model sees it.

    Attributes
    ----------
    sources : frozenset of int
        The positions of the table's columns that it depends on.
    rises : bool
        Whether it has one source and rises with it.
    """

    sources: frozenset[int]
    rises: bool


def teacher_directions(teacher: Any, schema: TableSchema) -> np.ndarray:
    """The direction in which a fitted teacher of one score is constrained to go with each column of the table.

    It is found if the constrained column of the teacher is a column of the table, unchanged or rising with it: after
    pipelines and column transformers with scalers and imputers. If several models vote, all that read a column have to
    agree on it.

    Parameters
    ----------
    teacher : fitted estimator or object
        The teacher; of several classes, it has two.
    schema : TableSchema
        The columns of the table.

    Returns
    -------
    int8 array of shape (d,)
        1 for rising, -1 for falling, 0 for free, categorical or unknown.
    """
    found = _directions(teacher, [Seen(frozenset([i]), True) for i in range(len(schema.columns))], schema)
    found[schema.positions("categorical")] = 0
    return found


def _directions(model: Any, seen: list[Seen] | None, schema: TableSchema) -> np.ndarray:
    none = np.zeros(len(schema.columns), np.int8)
    members = _members(model, seen)
    if members:
        each = np.array([_directions(member.model, member.seen, schema) for member in members])
        return _agreed(each, np.array([member.reads(len(none)) for member in members]))
    if isinstance(model, Pipeline):
        for _, step in model.steps[:-1]:
            seen = _through(step, seen)
        return _directions(model.steps[-1][1], seen, schema)
    names = getattr(model, "table_columns", None)
    if names is not None:  # of a file, which picks its columns by name
        seen = [_of_name(name, schema) for name in names]
    own = None if seen is None else _own_directions(model, len(seen))
    if seen is None or own is None:
        return none
    for i in range(len(none)):
        met = [(column.rises, direction) for column, direction in zip(seen, own, strict=True) if i in column.sources]
        if met and all(pair == (True, met[0][1]) for pair in met):
            none[i] = met[0][1]
    return none


class Member(NamedTuple):
    """A model inside a wrapper, and the columns that it gets; None if they are not known."""

    model: Any
    seen: list[Seen] | None

    def reads(self, n: int) -> np.ndarray:
        """Which of the n columns of the table the model may depend on."""
        if self.seen is None:
            return np.ones(n, dtype=bool)
        return np.isin(np.arange(n), list(frozenset().union(*(column.sources for column in self.seen))))


def _members(model: Any, seen: list[Seen] | None) -> list[Member]:
    """The models of a wrapper whose answers rise with those of each of them; none for any other model."""
    if isinstance(model, (BaggingClassifier, BaggingRegressor)):
        drawn = zip(model.estimators_, model.estimators_features_, strict=True)
        return [Member(part, None if seen is None else [seen[i] for i in columns]) for part, columns in drawn]
    return [Member(part, seen) for part in _parts(model)]


def _parts(model: Any) -> list[Any]:
    """The models of a wrapper that gives each of them all columns."""
    if isinstance(model, FrozenEstimator):
        return [model.estimator]
    if isinstance(model, (IntegerClasses, FixedThresholdClassifier, TunedThresholdClassifierCV)):
        return [model.estimator_]
    if isinstance(model, (VotingClassifier, VotingRegressor)):
        return list(model.estimators_) if model.weights is None or min(model.weights) >= 0 else []
    if isinstance(model, CalibratedClassifierCV):
        return [part.estimator for part in model.calibrated_classifiers_] if _all_rise(model) else []
    if isinstance(model, TransformedTargetRegressor):
        return [model.regressor_] if _turns_back_rising(model.transformer_) else []
    for name in ("best_estimator_", "student_"):  # of a search; of a distilled model that teaches another
        if hasattr(model, name):
            return [getattr(model, name)]
    return []


def _agreed(each: np.ndarray, reads: np.ndarray) -> np.ndarray:
    """The direction of each column on which all models that read it agree, 0 if they do not; both (m, d)."""
    low, high = (extreme(each, axis=0, where=reads, initial=first) for extreme, first in ((np.min, 1), (np.max, -1)))
    return np.where(reads.any(axis=0) & (low == high), low, 0).astype(np.int8)


def _turns_back_rising(transformer: Any) -> bool:
    """Whether the inverse of a fitted transformer of the target rises with its input."""
    if isinstance(transformer, Pipeline):
        return all(_turns_back_rising(step) for _, step in transformer.steps)
    kind = type(transformer).__name__
    if kind == "FunctionTransformer":
        return transformer.inverse_func is None or transformer.inverse_func in _RISING
    return transformer in (None, "passthrough") or kind in _ORDERLY


def _all_rise(model: CalibratedClassifierCV) -> bool:
    """Whether each calibrated probability rises with the score: a sigmoid may fall, and a temperature never does."""
    slopes = [getattr(curve, "a_", -1.0) for part in model.calibrated_classifiers_ for curve in part.calibrators]
    return all(slope <= 0 for slope in slopes)


def _of_name(name: str, schema: TableSchema) -> Seen:
    """The column of the table with a name; LightGBM writes spaces as underscores."""
    found = [i for i, known in enumerate(schema.names) if str(known).replace(" ", "_") == name.replace(" ", "_")]
    return Seen(frozenset(found), len(found) == 1)


def _through(step: Any, seen: list[Seen] | None) -> list[Seen] | None:
    """The columns after a fitted transformer; None if it does not say how many there are."""
    if seen is None or step is None or step == "passthrough":
        return seen
    if isinstance(step, Pipeline):
        for _, inner in step.steps:
            seen = _through(inner, seen)
        return seen
    kind = type(step).__name__
    if kind == "TableCodes" or (kind == "FunctionTransformer" and step.func is None):
        return seen
    if isinstance(step, ColumnTransformer):
        return _through_parts(step, seen)
    try:
        names = list(step.get_feature_names_out())
    except (AttributeError, ValueError):
        return None
    if kind not in _ORDERLY:
        return _mixed(seen, len(names))
    given = list(getattr(step, "feature_names_in_", [f"x{i}" for i in range(len(seen))]))
    # Columns without such a name indicate missing values, and are the same for all present values.
    return [seen[given.index(name)] if name in given else Seen(frozenset(), False) for name in names]


def _through_parts(transformer: ColumnTransformer, seen: list[Seen]) -> list[Seen] | None:
    names = list(getattr(transformer, "feature_names_in_", []))
    found: dict[int, Seen] = {}
    for name, part, columns in transformer.transformers_:
        places = transformer.output_indices_[name]
        width = places.stop - places.start
        if part == "drop" or not width:
            continue
        positions = _positions(columns, names, len(seen))
        given = seen if positions is None else [seen[i] for i in positions]
        made = None if positions is None else _through(part, given)
        if made is None or len(made) != width:
            made = _mixed(given, width)
        found.update(zip(range(places.start, places.stop), made, strict=True))
    return [found[i] for i in range(len(found))]


def _mixed(seen: list[Seen], width: int) -> list[Seen]:
    """Columns each of which may depend on all of those before it, in any way."""
    return [Seen(frozenset().union(*(column.sources for column in seen)), False)] * width


def _positions(columns: Any, names: list, n: int) -> list[int] | None:
    """The positions of the columns of a part, in any form that scikit-learn takes; None for an unknown form."""
    if isinstance(columns, slice) and all(isinstance(end, (int, type(None))) for end in (columns.start, columns.stop)):
        return list(range(n))[columns]
    if isinstance(columns, (str, int)):
        columns = [columns]
    if isinstance(columns, slice) or callable(columns):
        return None
    given = list(columns)
    if given and isinstance(given[0], (bool, np.bool_)):
        return np.flatnonzero(given).tolist()
    if all(isinstance(column, str) for column in given):
        return [names.index(column) for column in given] if set(given) <= set(names) else None
    return [int(column) % n for column in given]


def _own_directions(model: Any, n: int) -> list[int] | None:
    """The direction of each of the n columns that a model was fitted on; None if it has no constraints."""
    params = model.get_params(deep=False) if hasattr(model, "get_params") else getattr(model, "params", None)
    if not isinstance(params, Mapping):
        return None
    given = getattr(model, "monotonic_cst_", None)  # of a student
    if given is None:
        given = next((params[name] for name in _NAMES if params.get(name) is not None), None)
    parsed = _parsed(given) if isinstance(given, str) else given
    if isinstance(parsed, Mapping):
        names = [str(name) for name in _feature_names(model)]
        by_name = {str(name): int(direction) for name, direction in parsed.items()}
        # CatBoost takes positions for names.
        return [by_name.get(names[i] if i < len(names) else "", by_name.get(str(i), 0)) for i in range(n)]
    if not isinstance(parsed, (Sequence, np.ndarray)) or len(parsed) > n:
        return None
    return [*map(int, parsed), *[0] * (n - len(parsed))]


def _feature_names(model: Any) -> list:
    """The names of a model's columns: scikit-learn's attribute, then CatBoost's."""
    return next((list(found) for name in ("feature_names_in_", "feature_names_") if (found := _get(model, name))), [])


def _get(model: Any, name: str) -> list:
    found = getattr(model, name, None)
    return [] if found is None else list(found)


def _parsed(text: str) -> list[int] | dict[str, int] | None:
    """Constraints as text: "(1,0,-1)", or "income:1,debt:-1"; None for any other text."""
    parts = [part.strip() for part in re.sub(r"^\s*[(\[]|[)\]]\s*$", "", text).split(",") if part.strip()]
    pairs = [part.rpartition(":") for part in parts]
    if not all(re.fullmatch(r"\s*[+-]?[01]", direction) for _, _, direction in pairs):
        return None
    if all(colon for _, colon, _ in pairs):
        return {name: int(direction) for name, _, direction in pairs}
    return [int(direction) for _, _, direction in pairs]
