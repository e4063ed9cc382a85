"""Fit RealMLP: `python -I realmlp_worker.py FOLDER`, with a Python that has pytabkit.

The folder has `train.parquet`, `test.parquet` and `task.json`; `scores.npz` and `costs.json` are written to it.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor


def main(folder: Path) -> None:
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    # Without the dtypes that another version of pandas noted down and this one may not have.
    train, test = (
        pq.read_table(folder / name).to_pandas(ignore_metadata=True) for name in ("train.parquet", "test.parquet")
    )
    y = train.pop(task["label"]).to_numpy()
    options = {"device": "cpu", "random_state": task["seed"]}
    regression = task["problem_type"] == "regression"
    if regression:
        model = RealMLP_TD_Regressor(**options)
    else:
        model = RealMLP_TD_Classifier(val_metric_name="cross_entropy", use_ls=False, **options)
    start = time.perf_counter()
    model.fit(train, y)
    costs = {"seconds": time.perf_counter() - start, "n_bytes": 4 * n_weights(model)}
    scores = np.asarray(model.predict(test) if regression else model.predict_proba(test), dtype=np.float64)
    classes = [] if regression else model.classes_
    np.savez(folder / "scores.npz", classes=np.array(classes, dtype=np.int64), RealMLP=scores)
    (folder / "costs.json").write_text(json.dumps({"RealMLP": costs}), encoding="utf-8")


def n_weights(model) -> int:
    """The number of weights of the fitted network."""
    return sum(weights.numel() for weights in model.cv_alg_interface_.model.parameters())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
