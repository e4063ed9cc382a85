"""Teachers of all kinds, most of which know their own rows by heart: what the default student keeps of their skill."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from xgboost import XGBClassifier, XGBRegressor

from benchmarks.answers import losses, measures, prior
from benchmarks.problems import Problem, Split
from benchmarks.runs import Runs, markdown
from tabkd import DistilledClassifier, DistilledRegressor
from tabkd.teachers import DefaultTeacherClassifier, DefaultTeacherRegressor

# A teacher that is better than the prior by less has no skill worth keeping, and is left out of the summary.
_LEAST_SKILL = 0.1
_MOST_LEVELS = 30


def run(problems: Iterable[Problem], seeds: int, runs: Runs, names: list[str] | None = None) -> str:
    """Distil each teacher of each table by default, and return the table of what was kept."""
    for problem in problems:
        for seed in range(seeds):
            split = problem.split(seed)
            for name, make in teachers(split).items():
                if not names or name in names:
                    key = {"table": problem.name, "seed": seed, "teacher": name}
                    print(runs.once(key, partial(_measure, split, make)), file=sys.stderr, flush=True)
    return runs.write_table(table(pd.DataFrame(runs.records)))


def teachers(split: Split) -> dict[str, Callable[[], Any]]:
    """The teachers for a task, by name."""
    c = split.task == "classification"
    seeded = {"random_state": split.seed}
    boosting = {"n_estimators": 300, "verbosity": -1, **seeded}
    forest = partial(RandomForestClassifier if c else RandomForestRegressor, 100, n_jobs=-1, **seeded)
    extra = partial(ExtraTreesClassifier if c else ExtraTreesRegressor, 100, n_jobs=-1, **seeded)
    lightgbm, stack = (LGBMClassifier, StackingClassifier) if c else (LGBMRegressor, StackingRegressor)
    xgboost = XGBClassifier if c else XGBRegressor
    network = (MLPClassifier if c else MLPRegressor)(hidden_layer_sizes=(64,), max_iter=50, **seeded)
    bagging, neighbours = (BaggingClassifier, KNeighborsClassifier) if c else (BaggingRegressor, KNeighborsRegressor)
    final = LogisticRegression(max_iter=1000) if c else RidgeCV()
    ranks, scaled = partial(_ranks, split.X_train), partial(_scaled, split.X_train)
    members = lambda: [("lightgbm", lightgbm(**boosting)), ("forest", forest(min_samples_leaf=2))]  # noqa: E731
    found = {
        "default": lambda: (DefaultTeacherClassifier if c else DefaultTeacherRegressor)(**seeded),
        "LightGBM, not stopped": lambda: ranks(lightgbm(num_leaves=63, **boosting)),
        "XGBoost": lambda: ranks(xgboost(n_estimators=300, **seeded)),
        "CatBoost": lambda: ranks(_catboost(c, split.seed)),
        "forest, 2 rows a leaf": lambda: ranks(forest(min_samples_leaf=2)),
        "forest, 1 row a leaf": lambda: ranks(forest()),
        "extra trees": lambda: ranks(extra()),
        "stack": lambda: ranks(stack(members(), final_estimator=final, cv=5)),
        "networks": lambda: scaled(bagging(network, 5, max_samples=0.8, bootstrap=False, **seeded)),
        "nearest neighbours": lambda: scaled(neighbours(15)),
    }
    if importlib.util.find_spec("catboost") is None:
        print("CatBoost is not installed; it is left out.", file=sys.stderr)
        del found["CatBoost"]
    return found


def _catboost(classification: bool, seed: int) -> Any:
    from catboost import CatBoostClassifier, CatBoostRegressor

    kind = CatBoostClassifier if classification else CatBoostRegressor
    return kind(iterations=500, verbose=False, allow_writing_files=False, random_seed=seed)


def _ranks(X: pd.DataFrame, model: Any) -> Pipeline:
    """A model of trees behind whole numbers for categories."""
    numeric, nominal = _kinds(X)
    order = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    numbers = make_pipeline(FunctionTransformer(_floats), SimpleImputer(strategy="constant", fill_value=-999.0))
    encoded = make_pipeline(FunctionTransformer(_texts), order)
    return make_pipeline(make_column_transformer((encoded, nominal), (numbers, numeric)), model)


def _scaled(X: pd.DataFrame, model: Any) -> Pipeline:
    """A model of distances or products behind scaled numbers and one column for each common category."""
    numeric, nominal = _kinds(X)
    one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=_MOST_LEVELS, sparse_output=False)
    numbers = make_pipeline(FunctionTransformer(_floats), SimpleImputer(strategy="median"), StandardScaler())
    encoded = make_pipeline(FunctionTransformer(_texts), one_hot)
    return make_pipeline(make_column_transformer((encoded, nominal), (numbers, numeric)), model)


def _kinds(X: pd.DataFrame) -> tuple[list, list]:
    numeric = [name for name in X if X[name].dtype.kind in "fiu"]
    return numeric, [name for name in X if name not in numeric]


def _floats(X: pd.DataFrame) -> pd.DataFrame:
    return X.astype(float)


def _texts(X: pd.DataFrame) -> pd.DataFrame:
    return X.astype(object).where(X.notna(), "missing").astype(str)


def _measure(split: Split, make: Callable[[], Any]) -> dict:
    model = _distilled(split, make, cv="auto")
    said, taught = _answers(split, model), _answers(split, model.teacher_)
    nothing = prior(split).mean()
    kept = measures(split, said, taught)["kept"]
    as_it_is = kept
    if model.own_rows_.source != "teacher":
        plain = _distilled(split, make, cv=None)
        as_it_is = measures(split, _answers(split, plain), _answers(split, plain.teacher_))["kept"]
    return {
        "kept": kept,
        "kept_as_it_is": as_it_is,
        "skill_of_teacher": 1 - losses(split, taught).mean() / nothing,
        "skill_of_student": 1 - losses(split, said).mean() / nothing,
        "bytes": len(model.to_onnx().SerializeToString()),
        **{f"own_{name}": value for name, value in model.own_rows_._asdict().items()},
    }


def _distilled(split: Split, make: Callable[[], Any], cv: Any) -> DistilledClassifier | DistilledRegressor:
    estimator = DistilledClassifier if split.task == "classification" else DistilledRegressor
    return estimator(make(), cv=cv, random_state=split.seed).fit(split.X_train, split.y_train)


def _answers(split: Split, model: Any) -> np.ndarray:
    return (model.predict_proba if split.task == "classification" else model.predict)(split.X_test)


def table(frame: pd.DataFrame) -> list[str]:
    """A row for each table and teacher, means over the seeds; then a summary of those whose teacher has skill."""
    numbers = ["kept", "kept_as_it_is", "skill_of_teacher", "skill_of_student"]
    groups = frame.groupby(["table", "teacher"], sort=False)
    means, sources = groups[numbers].mean(), groups["own_source"].first()
    rows = [
        [
            str(name),
            str(teacher),
            f"{v['skill_of_teacher']:.3f}",
            f"{v['skill_of_student']:.3f}",
            _share(v["kept"]),
            sources[(name, teacher)],
            _share(v["kept_as_it_is"]),
        ]
        for (name, teacher), v in means.iterrows()
    ]
    skilled = means[means["skill_of_teacher"] >= _LEAST_SKILL]
    header = ["table", "teacher", "skill of the teacher", "of the student", "kept"]
    header += ["targets of its own rows", "kept with the teacher's own answers to them"]
    return [
        *markdown(header, rows),
        "",
        f"{len(skilled)} pairs have a teacher that is better than the prior by {_LEAST_SKILL:.0%}. "
        f"{_summary(skilled['kept'])} With the teacher's own answers: {_summary(skilled['kept_as_it_is'])}",
    ]


def _summary(kept: pd.Series) -> str:
    shares = ", ".join(f"{(kept >= least).mean():.0%} keep {least:.1%}" for least in (0.95, 0.97, 0.995))
    return f"{kept.median():.1%} is kept in the median, {kept.min():.1%} at least; {shares}."


def _share(kept: float) -> str:
    return "–" if np.isnan(kept) else f"{kept:.1%}"
