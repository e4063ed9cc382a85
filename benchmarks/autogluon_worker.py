"""Fit AutoGluon and distil it: `python -I autogluon_worker.py FOLDER`, with a Python that has AutoGluon and not us.

The folder has `train.parquet`, `test.parquet` and `task.json`; `scores.npz` and `costs.json` are written to it.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from autogluon.tabular import TabularPredictor

# What AutoGluon calls the students that it fits, by what its hyperparameters call them.
_STUDENTS = {"GBM": "LightGBM", "RF": "RandomForest"}


def main(folder: Path) -> None:
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    train, test = (_frame(folder / name) for name in ("train.parquet", "test.parquet"))
    predictor = TabularPredictor(
        label=task["label"],
        problem_type=task["problem_type"],
        eval_metric="root_mean_squared_error" if task["problem_type"] == "regression" else "log_loss",
        path=str(folder / "predictor"),
    )
    np.random.seed(task["seed"])  # what distill() draws its synthetic rows with
    start = time.perf_counter()
    predictor.fit(train, time_limit=task["time_limit"], excluded_model_types=["NN_TORCH", "FASTAI"])
    to_fit = time.perf_counter() - start
    # Asked before there are students, one of which might be better on the validation rows.
    models = {"ensemble": predictor.model_best}
    start = time.perf_counter()
    # A limit for both would be used up by the first student, and a forest that has too little time is left out.
    limited = {"ag.max_time_limit": task["time_limit"]}
    fitted = predictor.distill(hyperparameters={"GBM": limited, "RF": {}})
    to_distil = time.perf_counter() - start
    for name, prefix in _STUDENTS.items():
        found = [model for model in fitted if model.startswith(prefix)]
        if len(found) != 1:
            raise SystemExit(f"distill() fitted {fitted}, of which one should be {name}; the lines above say why.")
        models[name] = found[0]
    ancestors = predictor.leaderboard(extra_info=True).set_index("model")["ancestors"]
    scores, costs = {}, {}
    for name, model in models.items():
        if task["problem_type"] == "regression":
            classes, scores[name] = [], predictor.predict(test, model=model).to_numpy(np.float64)
        else:
            answer = predictor.predict_proba(test, model=model)
            classes, scores[name] = list(answer.columns), answer.to_numpy(np.float64)
        folders = [Path(predictor.path, "models", part) for part in (model, *ancestors[model])]
        costs[name] = {
            "n_bytes": sum(file.stat().st_size for part in folders for file in part.rglob("*") if file.is_file()),
            "seconds": to_fit if name == "ensemble" else to_fit + to_distil,
        }
    np.savez(folder / "scores.npz", classes=np.array(classes, dtype=np.int64), **scores)
    (folder / "costs.json").write_text(json.dumps(costs), encoding="utf-8")


def _frame(path: Path) -> pd.DataFrame:
    # Without the dtypes that another version of pandas noted down and this one may not have.
    return pq.read_table(path).to_pandas(ignore_metadata=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
