"""Fit AutoGluon and distil it: `python -I autogluon_worker.py FOLDER`, with a Python that has AutoGluon.

The folder has `train.parquet`, `test.parquet` and `task.json`; `scores.npz` and `costs.json` are written to it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from autogluon.tabular import TabularPredictor

# What AutoGluon calls the students that it fits, by what its hyperparameters call them.
_STUDENTS = {"GBM": "LightGBM", "RF": "RandomForest"}
_ENSEMBLE = "ensemble"


def main(folder: Path) -> None:
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    train, test = (_frame(folder / name) for name in ("train.parquet", "test.parquet"))
    regression = task["problem_type"] == "regression"
    predictor = TabularPredictor(
        label=task["label"],
        problem_type=task["problem_type"],
        eval_metric="root_mean_squared_error" if regression else "log_loss",
        path=str(folder / "predictor"),
    )
    np.random.seed(task["seed"])  # what distill() draws its synthetic rows with
    start = time.perf_counter()
    preset = {"presets": task["preset"]} if task["preset"] else {}
    predictor.fit(train, time_limit=task["time_limit"], excluded_model_types=["NN_TORCH", "FASTAI"], **preset)
    to_fit = time.perf_counter() - start
    # Asked before there are AutoGluon's students, one of which might be better on the validation rows.
    best = predictor.model_best
    ask = _asker(predictor, test, regression)
    classes, scores = ask(best)
    found = {_ENSEMBLE: scores}
    costs = {_ENSEMBLE: {"n_bytes": _n_bytes(predictor, best), "seconds": to_fit}}
    for name in task["students"]:
        start = time.perf_counter()
        found[name], n_bytes = _distilled(predictor, name, train, test, classes, task)
        costs[name] = {"n_bytes": n_bytes, "seconds": to_fit + time.perf_counter() - start}
    start = time.perf_counter()
    # A limit for both would be used up by the first student, and a forest that has too little time is left out.
    limited = {"ag.max_time_limit": task["time_limit"]}
    fitted = predictor.distill(hyperparameters={"GBM": limited, "RF": {}})
    seconds = to_fit + time.perf_counter() - start
    for name, prefix in _STUDENTS.items():
        models = [model for model in fitted if model.startswith(prefix)]
        if len(models) != 1:
            raise SystemExit(f"distill() fitted {fitted}, of which one should be {name}; the lines above say why.")
        _, found[name] = ask(models[0])
        costs[name] = {"n_bytes": _n_bytes(predictor, models[0]), "seconds": seconds}
    np.savez(folder / "scores.npz", classes=np.array(classes, dtype=np.int64), **found)
    (folder / "costs.json").write_text(json.dumps(costs), encoding="utf-8")


def _asker(predictor: TabularPredictor, test: pd.DataFrame, regression: bool) -> Callable[[str], tuple[list, Any]]:
    """The classes that a model knows and its answers to the test rows, by its name."""

    def ask(model: str) -> tuple[list, np.ndarray]:
        if regression:
            return [], predictor.predict(test, model=model).to_numpy(np.float64)
        answer = predictor.predict_proba(test, model=model)
        return list(answer.columns), answer.to_numpy(np.float64)

    return ask


def _distilled(
    predictor: TabularPredictor, student: str, train: pd.DataFrame, test: pd.DataFrame, classes: list, task: dict
) -> tuple[np.ndarray, int]:
    """The answers of tabkd's student of the ensemble, by the code beside this file, and the bytes of its file."""
    if task["root"] not in sys.path:
        sys.path.insert(0, task["root"])
    from tabkd import DistilledClassifier, DistilledRegressor

    regression = task["problem_type"] == "regression"
    if not regression:  # AutoGluon leaves rare classes out, and no row of them can be taught
        train = train[train[task["label"]].isin(classes)]
    X, y = train.drop(columns=task["label"]), train[task["label"]]
    estimator = DistilledRegressor if regression else DistilledClassifier
    model = estimator(predictor, student=student, random_state=task["seed"]).fit(X, y)
    n_bytes = len(model.to_onnx().SerializeToString())
    if regression:
        return model.predict(test), n_bytes
    order = [list(model.classes_).index(label) for label in classes]
    return model.predict_proba(test)[:, order], n_bytes


def _n_bytes(predictor: TabularPredictor, model: str) -> int:
    """Of the folders of all models that a model asks."""
    ancestors = predictor.leaderboard(extra_info=True).set_index("model")["ancestors"][model]
    folders = [Path(predictor.path, "models", part) for part in (model, *ancestors)]
    return sum(file.stat().st_size for part in folders for file in part.rglob("*") if file.is_file())


def _frame(path: Path) -> pd.DataFrame:
    # Without the dtypes that another version of pandas noted down and this one may not have.
    return pq.read_table(path).to_pandas(ignore_metadata=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
