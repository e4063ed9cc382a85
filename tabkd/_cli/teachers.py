"""The teachers that the command line knows by name, each ready for any table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabkd._cli.errors import CommandError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from tabkd._tables.schema import TableSchema

#: The most levels of a category in scikit-learn's histogram gradient boosting.
_MAX_NATIVE_LEVELS = 255
# The parameter of a teacher that takes monotone constraints.
_CONSTRAINTS = {
    "lightgbm": "model__monotone_constraints",
    "xgboost": "model__monotone_constraints",
    "hist-gradient-boosting": "model__monotonic_cst",
}


def ready_teacher(
    name: str,
    task: str,
    X: pd.DataFrame,
    y: np.ndarray,
    *,
    n_jobs: int | None,
    random_state: int,
    trusted: Sequence[str] = (),
    monotonic_cst: Mapping[str, int] | None = None,
) -> Any:
    """A teacher for a distilled estimator: unfitted by its name, or fitted and frozen from its file.

    Parameters
    ----------
    name : str
        One of `TEACHERS`, or the path of a file.
    task : {"classification", "regression"}
    X : DataFrame
        The table that it will be fitted on.
    y : array of shape (n,)
        The labels that it has to know.
    n_jobs : int or None
    random_state : int
    trusted : sequence of str
        Types in a skops file that the user trusts.
    monotonic_cst : mapping of column to direction, optional
        The constraints that a boosted teacher is fitted with; scikit-learn's forests take none with missing values.

    Returns
    -------
    estimator or None
        None for the default ensemble.

    Raises
    ------
    CommandError
        Neither a name nor a file that can be read safely, or other classes than the target has.
    """
    import numpy as np
    from sklearn.frozen import FrozenEstimator

    from tabkd._monotone import directions
    from tabkd._tables.schema import TableSchema

    schema = TableSchema.of(X)
    wanted = directions(monotonic_cst, schema)
    if name in TEACHERS:
        teacher = TEACHERS[name](task, schema, n_jobs, random_state)
        if wanted.any() and name in _CONSTRAINTS:
            teacher.set_params(**{_CONSTRAINTS[name]: tuple(wanted.tolist())})
        return teacher
    path = Path(name)
    if not path.suffix:
        known = ", ".join(TEACHERS)
        raise CommandError(f"--teacher {name!r} is not known: it is one of {known}, or the file of a fitted one.")
    from tabkd._cli.fitted_teacher import load_teacher
    from tabkd._cli.frozen import FileClassifier

    teacher = load_teacher(path, task, trusted, X)
    if isinstance(teacher, FileClassifier):
        teacher.classes_ = _labels_of_codes(teacher.classes_, np.unique(y), path)
    return FrozenEstimator(teacher) if hasattr(teacher, "fit") else teacher


def _labels_of_codes(known: np.ndarray, labels: np.ndarray, path: Path) -> np.ndarray:
    """The classes of a teacher as labels of the target: its own labels, or those that its codes mean."""
    import numpy as np

    if set(labels.tolist()) <= set(known.tolist()):
        return known
    # Boosting libraries number the classes in sorted order and forget their names.
    if np.array_equal(known, np.arange(len(known))) and len(known) == len(labels):
        return labels
    raise CommandError(
        f"the target has the classes {labels.tolist()[:10]}, but the teacher {str(path)!r} knows "
        f"{known.tolist()[:10]}. Give the table that it was fitted on."
    )


def _behind_codes(estimator: Any, as_frame: bool = False) -> Pipeline:
    from sklearn.pipeline import Pipeline

    from tabkd._cli.table_codes import TableCodes

    return Pipeline([("codes", TableCodes(as_frame)), ("model", estimator)])


def _lightgbm(task: str, schema: TableSchema, n_jobs: int | None, seed: int) -> Any:
    import lightgbm

    model = lightgbm.LGBMClassifier if task == "classification" else lightgbm.LGBMRegressor
    return _behind_codes(
        model(
            n_estimators=300,
            learning_rate=0.05,
            subsample=0.8,
            subsample_freq=1,
            colsample_bytree=0.8,
            n_jobs=n_jobs,
            random_state=seed,
            verbosity=-1,
        ),
        as_frame=True,
    )


def _xgboost(task: str, schema: TableSchema, n_jobs: int | None, seed: int) -> Any:
    import xgboost

    model = xgboost.XGBClassifier if task == "classification" else xgboost.XGBRegressor
    return _behind_codes(
        model(
            n_estimators=300,
            learning_rate=0.05,
            max_depth=6,
            subsample=0.8,
            colsample_bytree=0.8,
            n_jobs=n_jobs,
            random_state=seed,
            enable_categorical=True,
            feature_types=["c" if column.kind == "categorical" else "q" for column in schema.columns],
        )
    )


def _hist_gradient_boosting(task: str, schema: TableSchema, n_jobs: int | None, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    model = HistGradientBoostingClassifier if task == "classification" else HistGradientBoostingRegressor
    native = [0 < len(column.categories) <= _MAX_NATIVE_LEVELS for column in schema.columns]
    return _behind_codes(
        model(
            max_iter=300,
            learning_rate=0.05,
            categorical_features=native,
            early_stopping=True,
            random_state=seed,
        )
    )


def _random_forest(task: str, schema: TableSchema, n_jobs: int | None, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    model = RandomForestClassifier if task == "classification" else RandomForestRegressor
    return _behind_codes(model(n_estimators=200, min_samples_leaf=3, n_jobs=n_jobs, random_state=seed))


def _extra_trees(task: str, schema: TableSchema, n_jobs: int | None, seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    model = ExtraTreesClassifier if task == "classification" else ExtraTreesRegressor
    return _behind_codes(model(n_estimators=200, min_samples_leaf=3, n_jobs=n_jobs, random_state=seed))


def _ensemble(task: str, schema: TableSchema, n_jobs: int | None, seed: int) -> Any:
    # The default of the distilled estimators, which they make themselves.
    return None


#: The functions that make the teachers with a name.
TEACHERS: dict[str, Callable] = {
    "lightgbm": _lightgbm,
    "xgboost": _xgboost,
    "random-forest": _random_forest,
    "extra-trees": _extra_trees,
    "hist-gradient-boosting": _hist_gradient_boosting,
    "ensemble": _ensemble,
}
