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
    train, test = (pq.read_table(folder / name).to_pandas() for name in ("train.parquet", "test.parquet"))
    y = train.pop(task["label"])
    regression = task["problem_type"] == "regression"
    kind = RealMLP_TD_Regressor if regression else RealMLP_TD_Classifier
    start = time.perf_counter()
    model = kind(device="cpu", random_state=task["seed"], verbosity=0).fit(train, y)
    seconds = time.perf_counter() - start
    scores = model.predict(test) if regression else model.predict_proba(test)
    classes = [] if regression else model.classes_
    np.savez(folder / "scores.npz", classes=np.array(classes, dtype=np.int64), RealMLP=np.asarray(scores, np.float64))
    costs = {"RealMLP": {"n_bytes": _n_bytes(model), "seconds": seconds}}
    (folder / "costs.json").write_text(json.dumps(costs), encoding="utf-8")


def _n_bytes(model) -> int:
    """Of the weights, at four bytes each."""
    import torch

    found, seen, todo = 0, set(), [model]
    while todo:
        part = todo.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, torch.nn.Module):
            found += 4 * sum(weights.numel() for weights in part.parameters())
        elif isinstance(part, dict):
            todo += part.values()
        elif isinstance(part, list | tuple):
            todo += part
        elif type(part).__module__.startswith("pytabkit"):
            todo += vars(part).values()
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
