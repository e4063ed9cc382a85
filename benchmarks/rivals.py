"""What a user would fit to the labels instead of a student: each takes a split, and answers for its test rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks.answers import Answer
from benchmarks.problems import Split
from tabkd._tables.schema import TableSchema
from tabkd.evaluation._small_lightgbm import SmallLightGBM


def available(names: dict[str, str]) -> list[str]:
    """Those of the contestants, by the module that each needs, whose module is installed."""
    return [name for name, module in names.items() if find_spec(module) is not None]


def sklearn_mlp(split: Split) -> Answer:
    """What a user would write: scaled numbers, one-hot categories, the student's hidden sizes, early stopping."""
    X_train, X_test, numeric, nominal = plain(split)
    front = make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), numeric),
        (OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=64), nominal),
    )
    options = {"hidden_layer_sizes": (64, 32), "early_stopping": True, "random_state": split.seed}
    y = split.y_train
    if split.task == "regression":
        mean, scale = y.mean(), y.std()
        y = (y - mean) / scale
        mlp = MLPRegressor(**options)
    else:
        _, y = np.unique(y, return_inverse=True)
        # scikit-learn draws its validation rows by class, which a class of one row does not allow.
        mlp = MLPClassifier(**(options | {"early_stopping": np.bincount(y).min() > 1}))
    start = time.perf_counter()
    model = make_pipeline(front, mlp).fit(X_train, y)
    seconds = time.perf_counter() - start
    n_bytes = 4 * sum(part.size for part in [*mlp.coefs_, *mlp.intercepts_])
    if split.task == "regression":
        return Answer(model.predict(X_test) * scale + mean, n_bytes, seconds)
    return Answer(model.predict_proba(X_test), n_bytes, seconds)


def small_lightgbm(split: Split, n_bytes: int) -> Answer:
    """A LightGBM, tuned, that has no more bytes."""
    start = time.perf_counter()
    model = SmallLightGBM(n_bytes, task=split.task, random_state=split.seed)
    model.fit(split.X_train, split.y_train)
    seconds = time.perf_counter() - start
    return Answer(model.predict(split.X_test), model.n_bytes_, seconds)


def catboost(split: Split) -> Answer:
    """CatBoost with its defaults, with the bytes of its own file."""
    from catboost import CatBoostClassifier, CatBoostRegressor

    X_train, X_test, _, nominal = plain(split)
    kind = CatBoostRegressor if split.task == "regression" else CatBoostClassifier
    model = kind(random_seed=split.seed, cat_features=nominal, verbose=False, allow_writing_files=False)
    start = time.perf_counter()
    model.fit(X_train, split.y_train)
    seconds = time.perf_counter() - start
    with TemporaryDirectory() as folder:
        file = Path(folder, "model.cbm")
        model.save_model(str(file))
        n_bytes = file.stat().st_size
    return Answer(_scores(model, split, X_test), n_bytes, seconds)


def ebm(split: Split) -> Answer:
    """An EBM with its defaults."""
    start = time.perf_counter()
    score, n_bytes, X_test = fitted_ebm(split)
    return Answer(score(X_test), n_bytes, time.perf_counter() - start)


def fitted_ebm(split: Split) -> tuple[Callable[[pd.DataFrame], np.ndarray], int, pd.DataFrame]:
    """An EBM with its defaults on all cores, the bytes of its joblib file, and the test rows as it takes them."""
    from interpret.glassbox import ExplainableBoostingClassifier, ExplainableBoostingRegressor

    X_train, X_test, numeric, nominal = plain(split)
    kind = ExplainableBoostingRegressor if split.task == "regression" else ExplainableBoostingClassifier
    types = ["continuous"] * len(numeric) + ["nominal"] * len(nominal)
    model = kind(feature_types=types, random_state=split.seed, n_jobs=-1).fit(X_train, split.y_train)
    file = BytesIO()
    joblib.dump(model, file)
    return (model.predict if split.task == "regression" else model.predict_proba), file.tell(), X_test


def plain(split: Split) -> tuple[pd.DataFrame, pd.DataFrame, list, list]:
    """Training and test rows with numbers as float64 and categories as text, and the names of either."""
    schema = TableSchema.of(split.X_train)
    numeric, nominal = ([c.name for c in schema.columns if c.kind == kind] for kind in ("numeric", "categorical"))
    X_train, X_test = (_plain(X, numeric, nominal, schema) for X in (split.X_train, split.X_test))
    return X_train, X_test, numeric, nominal


def _plain(X: pd.DataFrame, numeric: list, nominal: list, schema: TableSchema) -> pd.DataFrame:
    codes = schema.encode(X)
    position = {column.name: i for i, column in enumerate(schema.columns)}
    columns = {name: codes[:, position[name]] for name in numeric}
    columns |= {name: codes[:, position[name]].astype(str) for name in nominal}
    return pd.DataFrame(columns)


def _scores(model: Any, split: Split, X: pd.DataFrame) -> np.ndarray:
    return np.asarray(model.predict(X) if split.task == "regression" else model.predict_proba(X), dtype=np.float64)
