"""Readers of fitted teachers, in formats that run no code when they are read: XGBoost, LightGBM, ONNX and skops."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tabkd._cli.errors import CommandError, one_line
from tabkd._cli.frozen import FileClassifier, FileRegressor, select_columns
from tabkd._cli.teacher_onnx import load_onnx
from tabkd._cli.teacher_trees import check_lightgbm, check_xgboost, xgboost_json


def read_teacher(path: Path, trusted: Sequence[str] = ()) -> Any:
    """The teacher of a file, read in this process.

    Raises
    ------
    CommandError
        The file cannot be read, or could run code.
    """
    suffix = path.suffix.lower()
    try:
        return _load_skops(path, trusted) if suffix == ".skops" else LOADERS[suffix](path)
    except CommandError:
        raise
    except Exception as error:  # each library has its own errors for a broken file
        reason = one_line(error).partition(" Stack trace:")[0][:300]
        raise CommandError(f"cannot read the teacher {str(path)!r} as {suffix}: {reason}") from error


def _load_xgboost(path: Path) -> Any:
    import xgboost

    if path.suffix.lower() == ".json":
        check_xgboost(xgboost_json(path.read_bytes()))
    booster = xgboost.Booster()
    booster.load_model(path)
    check_xgboost(xgboost_json(bytes(booster.save_raw("json"))))
    learner = json.loads(booster.save_config())["learner"]
    objective = learner["objective"]["name"]
    names = booster.feature_names
    levels = _xgboost_levels(booster, path)

    best = booster.attr("best_iteration")
    rounds = (0, int(best) + 1) if best is not None else (0, 0)

    def scores(X: Any) -> Any:
        X = select_columns(X, names, booster.num_features())
        if names is None:
            return booster.inplace_predict(X.to_numpy(np.float64), iteration_range=rounds, missing=np.nan)
        columns = {
            name: _with_levels(X[name], levels[name]) if name in levels else X[name].astype(np.float64)
            for name in names
        }
        data = xgboost.DMatrix(pd.DataFrame(columns), enable_categorical=True)
        return booster.predict(data, iteration_range=rounds)

    if objective in ("binary:logistic", "reg:logistic"):
        return FileClassifier("XGBoost", scores, [0, 1], _xgboost_params(learner))
    if objective == "multi:softprob":
        return FileClassifier("XGBoost", scores, range(int(learner["learner_model_param"]["num_class"])))
    if objective.startswith(("multi:", "binary:", "rank:", "survival:")):
        raise CommandError(
            f"the teacher {str(path)!r} has the objective {objective!r}, which gives no probabilities. "
            "Fit it with binary:logistic or multi:softprob."
        )
    return FileRegressor("XGBoost", scores, _xgboost_params(learner))


def _xgboost_params(learner: dict[str, Any]) -> dict[str, Any]:
    """The objective of an XGBoost model and its parameters, under the names that they have in Python."""
    objective = learner["objective"]
    parameters = [values for values in objective.values() if isinstance(values, dict)]
    return {key: value for values in parameters for key, value in values.items()} | {"objective": objective["name"]}


def _xgboost_levels(booster: Any, path: Path) -> dict[str, list]:
    """The categories of each categorical column of an XGBoost model, in the order of their codes."""
    types = booster.feature_types or []
    if "c" not in types:
        return {}
    if hasattr(booster, "get_categories"):
        stored = dict(booster.get_categories(export_to_arrow=True).to_arrow())
        levels = {name: values.to_pylist() for name, values in stored.items() if values is not None}
    else:
        levels = {}
    unknown = [
        name
        for name, kind in zip(booster.feature_names or [], types, strict=False)
        if kind == "c" and name not in levels
    ]
    if unknown or not booster.feature_names:
        raise CommandError(
            f"the teacher {str(path)!r} has categorical columns {unknown[:5]} but not the names of their "
            "categories, so its codes cannot be interpreted. Fit it on a frame with XGBoost 3.1 or "
            "later, or use ONNX or skops."
        )
    return levels


def _with_levels(values: pd.Series, levels: list) -> pd.Categorical:
    """A column as these categories, in their order; other values are missing."""
    categories = pd.Index(levels)
    return pd.Categorical.from_codes(categories.get_indexer(pd.Index(values)), categories=categories)


def _load_lightgbm(path: Path) -> Any:
    import lightgbm

    with path.open("rb") as file:
        if file.readline().strip() != b"tree":
            raise CommandError(f"the teacher {str(path)!r} is not a model that LightGBM's save_model wrote.")
    check_lightgbm(path.read_text(encoding="utf-8"))
    booster = lightgbm.Booster(model_file=path)
    description = booster.dump_model(num_iteration=1)
    objective = str(description.get("objective", "")).split(" ")[0]
    names = booster.feature_name()
    named = not all(name == f"Column_{i}" for i, name in enumerate(names))

    def scores(X: Any) -> Any:
        # LightGBM writes spaces of a name as underscores.
        renamed = X.rename(columns={c: str(c).replace(" ", "_") for c in X.columns}) if named else X
        X = select_columns(renamed, names if named else None, len(names))
        text = [c for c in X.columns if not pd.api.types.is_numeric_dtype(X[c].dtype)]
        if text and not booster.pandas_categorical:  # LightGBM would number the levels of each batch again
            raise CommandError(
                f"the teacher {str(path)!r} does not have the categories of its columns, but {text[:5]} are text. "
                "Save it with booster_.save_model of LightGBM's Python package, fitted on a frame; or its file is "
                "cut off."
            )
        return booster.predict(X.astype(dict.fromkeys(text, "category")))

    if objective == "binary" or objective.startswith("cross_entropy"):
        return FileClassifier("LightGBM", scores, [0, 1], booster.params, names if named else None)
    if objective in ("multiclass", "multiclassova"):
        return FileClassifier("LightGBM", scores, range(booster.num_model_per_iteration()))
    return FileRegressor("LightGBM", scores, booster.params, names if named else None)


def _load_skops(path: Path, trusted: Sequence[str] = ()) -> Any:
    try:
        import skops.io
    except ImportError as error:
        raise CommandError("a .skops teacher needs skops: pip install skops.") from error
    # skops leaves out scikit-learn's trees on purpose (its pull request 535): a forged one can crash.
    untrusted = sorted(set(skops.io.get_untrusted_types(file=path)) - set(trusted))
    if untrusted:
        options = " ".join(f"--trust {name}" for name in untrusted)
        raise CommandError(
            f"the teacher {str(path)!r} holds types that skops does not trust: {', '.join(untrusted[:10])}. "
            f"If you know where the file comes from, add {options}."
        )
    return skops.io.load(path, trusted=list(trusted))


#: How a teacher is read, by the suffix of its file.
LOADERS: dict[str, Callable[[Path], Any]] = {
    ".json": _load_xgboost,
    ".ubj": _load_xgboost,
    ".txt": _load_lightgbm,
    ".onnx": load_onnx,
    ".skops": _load_skops,
}
