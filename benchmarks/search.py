"""The student that a search finds within a budget of bytes, beside the default one: skill kept, bytes and time."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any

import pandas as pd

from benchmarks.answers import measures
from benchmarks.problems import Problem, Split
from benchmarks.runs import Runs, markdown
from tabkd import Budget, DistillationSearch, DistilledClassifier, DistilledRegressor

NAMES = SEARCH, DEFAULT = "search", "default"


def run(problems: Iterable[Problem], seeds: int, runs: Runs, max_bytes: int, quick: bool) -> str:
    """Measure what `runs` does not have yet, and return the table in Markdown."""
    for problem in problems:
        for seed in range(seeds):
            key = {"table": problem.name, "seed": seed, "max_bytes": max_bytes, "quick": quick}
            split = problem.split(seed)
            for name in (DEFAULT, SEARCH):
                if not runs.find(**key, name=name):
                    record = runs.add(key | {"name": name} | _measured(split, name, max_bytes, quick))
                    print(record, file=sys.stderr, flush=True)
    return runs.write_table(table(pd.DataFrame(runs.find(max_bytes=max_bytes, quick=quick))))


def _measured(split: Split, name: str, max_bytes: int, quick: bool) -> dict[str, Any]:
    estimator = DistilledRegressor if split.task == "regression" else DistilledClassifier
    model = estimator(n_synthetic=2000 if quick else "auto", random_state=split.seed)
    if name == SEARCH:
        model = DistillationSearch(model, budget=Budget(max_bytes=max_bytes), random_state=split.seed)
    start = time.perf_counter()
    try:
        model.fit(split.X_train, split.y_train)
    except ValueError as error:
        if "No candidate meets" not in str(error):
            raise
        found = str(error).partition(" The smallest")[0]
        return {"kept": None, "n_bytes": None, "seconds": time.perf_counter() - start, "student": found}
    seconds = time.perf_counter() - start
    best = model.best_estimator_ if name == SEARCH else model
    answer = "predict" if split.task == "regression" else "predict_proba"
    of_student, of_teacher = (getattr(each, answer)(split.X_test) for each in (best, best.teacher_))
    return {
        "kept": measures(split, of_student, of_teacher)["kept"],
        "n_bytes": len(best.to_onnx().SerializeToString()),
        "seconds": seconds,
        "student": _described(model) if name == SEARCH else "mlp",
        "front": [[entry["n_bytes"], entry["fidelity"]] for entry in model.front_] if name == SEARCH else [],
    }


def _described(search: DistillationSearch) -> str:
    """The chosen student with its settings, in a few words."""
    params = search.best_params_
    settings = (f"{key.removeprefix('student__')} {value}" for key, value in params.items() if key != "student")
    return f"{params['student']}: {', '.join(settings)}"


def table(frame: pd.DataFrame) -> list[str]:
    """A row for each table, medians over the seeds, and one with the medians over the tables."""
    if frame.empty:
        return ["Nothing was measured."]
    values = frame.astype(dict.fromkeys(["kept", "n_bytes", "seconds"], float))
    numbers = values.groupby(["table", "name"])[["kept", "n_bytes", "seconds"]].median().unstack("name")
    numbers["times", SEARCH] = numbers["seconds", SEARCH] / numbers["seconds", DEFAULT]
    found = frame[frame["name"] == SEARCH].groupby("table")["student"].first()
    rows = [[str(name), found.get(name, "–"), *_cells(values)] for name, values in numbers.iterrows()]
    rows.append([f"**median of {len(numbers)}**", "", *_cells(numbers.median())])
    return markdown(
        ["table", "student found", "kept", "bytes", "kept by the default", "its bytes", "time of the search"], rows
    )


def _cells(values: pd.Series) -> list[str]:
    of_both = [
        (f"{values['kept', name]:.1%}", f"{values['n_bytes', name] / 1000:.1f} KB") for name in (SEARCH, DEFAULT)
    ]
    return [*of_both[0], *of_both[1], f"{values['times', SEARCH]:.1f} ×"]
