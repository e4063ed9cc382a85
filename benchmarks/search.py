"""The student that a search finds within a budget of bytes, beside the default one: skill kept, bytes and time."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.answers import measures
from benchmarks.problems import Problem, Split
from benchmarks.runs import Runs, markdown
from tabkd import Budget, DistillationSearch, DistilledClassifier, DistilledRegressor

NAMES = SEARCH, DEFAULT = "search", "default"
SIMULATED = "simulated"
_ON = "on it"
# Columns of the simulated table, and how many levels some of them have.
_COLUMNS, _LEVELS = 30, {0: 4, 1: 12, 20: 30, 29: 4}


def run(problems: Iterable[Problem], seeds: int, runs: Runs, max_bytes: int, quick: bool, n_simulated: int) -> str:
    """Measure what `runs` does not have yet, and return the table in Markdown."""
    for problem in chain(problems, [simulated(n_simulated)] if n_simulated else []):
        for seed in range(seeds):
            key = {"table": problem.name, "seed": seed, "max_bytes": max_bytes, "quick": quick}
            split = problem.split(seed)
            for name in (DEFAULT, SEARCH):
                if not runs.find(**key, name=name):
                    record = runs.add(key | {"name": name} | _measured(split, name, max_bytes, quick))
                    print(record, file=sys.stderr, flush=True)
    return runs.write_table(table(pd.DataFrame(runs.find(max_bytes=max_bytes, quick=quick))))


def simulated(n_rows: int) -> Problem:
    """Thirty columns, four of which are categories; `n_rows` rows to learn from, and a third as many to test on."""
    from sklearn.datasets import make_classification

    X, y = make_classification(
        4 * n_rows // 3, _COLUMNS, n_informative=15, n_redundant=5, n_clusters_per_class=4, flip_y=0.05, random_state=0
    )
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(_COLUMNS)])
    for i, n_levels in _LEVELS.items():
        places = pd.qcut(frame[f"x{i}"], n_levels, labels=False)
        frame[f"x{i}"] = pd.Categorical("level " + places.astype(str))
    return Problem(f"{SIMULATED} {n_rows:,} × {_COLUMNS}", "classification", frame, y)


def _teacher(split: Split) -> Any:
    """LightGBM for the simulated table; the default teacher for others."""
    if not split.table.startswith(SIMULATED):
        return None
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=300, learning_rate=0.05, verbosity=-1, random_state=0)


def _measured(split: Split, name: str, max_bytes: int, quick: bool) -> dict[str, Any]:
    estimator = DistilledRegressor if split.task == "regression" else DistilledClassifier
    model = estimator(_teacher(split), n_synthetic=2000 if quick else "auto", random_state=split.seed)
    if name == SEARCH:
        model = DistillationSearch(model, budget=Budget(max_bytes=max_bytes), random_state=split.seed)
    start, cpu_start = time.perf_counter(), time.process_time()
    none = None
    try:
        model.fit(split.X_train, split.y_train)
    except ValueError as error:
        if "No candidate meets" not in str(error):
            raise
        none = str(error).partition(". The smallest")[0].partition("The nearest is ")[2]
    times = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu_start}
    if none is not None:
        return {"kept": None, "n_bytes": None, "student": f"none; the nearest is {none}", "default": "–", **times}
    best = model.best_estimator_ if name == SEARCH else model
    answer = "predict" if split.task == "regression" else "predict_proba"
    of_student, of_teacher = (getattr(each, answer)(split.X_test) for each in (best, best.teacher_))
    return {
        "kept": measures(split, of_student, of_teacher)["kept"],
        "n_bytes": len(best.to_onnx().SerializeToString()),
        **times,
        **(_found(model) if name == SEARCH else {"student": "mlp", "default": ""}),
    }


def _found(search: DistillationSearch) -> dict[str, Any]:
    """The chosen student in a few words, the front, and where the default is, which is one of the candidates."""
    results = search.cv_results_
    default = results["params"].index({"student": "mlp"})
    n_bytes, fidelity = results["n_bytes"], results["fidelity"]
    beats = (n_bytes <= n_bytes[default]) & (fidelity >= fidelity[default])
    beats[default] = False
    return {
        "student": _described(search.best_params_),
        "default": f"behind {_described(results['params'][int(np.argmax(beats))])}" if beats.any() else _ON,
        "front": [[entry["n_bytes"], entry["fidelity"]] for entry in search.front_],
    }


def _described(params: dict[str, Any]) -> str:
    """A student with its settings, in a few words."""
    settings = (f"{key.removeprefix('student__')} {value}" for key, value in params.items() if key != "student")
    return ": ".join(filter(None, [params["student"], ", ".join(settings)]))


def table(frame: pd.DataFrame) -> list[str]:
    """A row for each table, medians over the seeds, and one with the medians over the tables."""
    if frame.empty:
        return ["Nothing was measured."]
    columns = ["kept", "n_bytes", "cpu_seconds"]
    values = frame.astype(dict.fromkeys(columns, float))
    numbers = values.groupby(["table", "name"])[columns].median().unstack("name")
    numbers["times", SEARCH] = numbers["cpu_seconds", SEARCH] / numbers["cpu_seconds", DEFAULT]
    found = frame[frame["name"] == SEARCH].groupby("table")[["student", "default"]].first()
    rows = [
        [str(name), found["student"].get(name, "–"), *_cells(values), found["default"].get(name, "–")]
        for name, values in numbers.iterrows()
    ]
    # A table without any student within the budget has nothing kept.
    median = numbers.fillna({("kept", SEARCH): 0.0}).median()
    n_on_front = sum(row[-1] == _ON for row in rows)
    summary = [f"**median of {len(numbers)}**", "", *_cells(median), f"{_ON} {n_on_front} times"]
    header = ["table", "student found", "kept", "bytes", "kept by the default", "its bytes", "CPU time of the search"]
    return markdown([*header, "the default and the front"], [*rows, summary])


def _cells(values: pd.Series) -> list[str]:
    cells = []
    for name in (SEARCH, DEFAULT):
        kept, n_bytes = values["kept", name], values["n_bytes", name]
        cells += ["–", "–"] if np.isnan(n_bytes) else [f"{kept:.1%}", f"{n_bytes / 1000:.1f} KB"]
    return [*cells, f"{values['times', SEARCH]:.1f} ×"]
