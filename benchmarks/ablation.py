"""Evidence for the defaults: one lever moved at a time, measured on rows held out of the training rows."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.frozen import FrozenEstimator

from benchmarks.answers import measures
from benchmarks.problems import Problem, Split
from benchmarks.runs import Runs, markdown
from tabkd import DistilledClassifier, DistilledRegressor
from tabkd.augment import Marginal, Mixture, Munge
from tabkd.default_teacher import DefaultTeacherClassifier, DefaultTeacherRegressor
from tabkd.students import MLPStudent

DEFAULT = "default"
CLASSIFIER_ONLY = ("temperature 2", "temperature 4")
VARIANTS: dict[str, dict[str, Any]] = {
    DEFAULT: {},
    "no knots": {"student": MLPStudent(n_knots=0)},
    "half the knots": {"student": MLPStudent(n_knots=64)},
    "half as many knots again": {"student": MLPStudent(n_knots=192)},
    "no synthetic rows": {"augmenter": None},
    # For each row of the table; the default makes 20, at most 400,000 in all.
    "5 synthetic rows a row": {"n_synthetic": 5},
    "40 synthetic rows a row": {"n_synthetic": 40},
    "MUNGE alone": {"augmenter": "munge"},
    "MUNGE alone, 1 neighbour": {"augmenter": Munge(n_neighbors=1)},
    "MUNGE alone, 10 neighbours": {"augmenter": Munge(n_neighbors=10)},
    "MUNGE alone, p = 0.25": {"augmenter": Munge(p=0.25)},
    "marginals alone, p = 0.1": {"augmenter": Marginal()},
    "half MUNGE, half marginals": {"augmenter": Mixture(weights=[1, 1])},
    "marginals of the table's frequencies": {"augmenter": Mixture([Munge(), Marginal(p=None)], weights=[3, 1])},
    "jitter": {"augmenter": "jitter"},
    "mixup": {"augmenter": "mixup"},
    "alpha 0.9": {"alpha": 0.9},
    "alpha 0.7": {"alpha": 0.7},
    "temperature 2": {"temperature": 2.0},
    "temperature 4": {"temperature": 4.0},
    "32-16 wide": {"student": MLPStudent(hidden_layer_sizes=(32, 16))},
    "128-64 wide": {"student": MLPStudent(hidden_layer_sizes=(128, 64))},
    "one hidden layer of 64": {"student": MLPStudent(hidden_layer_sizes=(64,))},
    "batches of 256": {"student": MLPStudent(batch_size=256)},
    "no weight decay": {"student": MLPStudent(weight_decay=0.0)},
    "half the learning rate": {"student": MLPStudent(learning_rate_init=0.0025)},
}


def run(problems: Iterable[Problem], seeds: int, runs: Runs, variants: list[str] | None = None) -> str:
    """Distil with each variant, and return the skill kept as a table with a column for each problem."""
    for problem in problems:
        for seed in range(seeds):
            split = held_out(problem, seed)
            names = [v for v in variants or VARIANTS if split.task == "classification" or v not in CLASSIFIER_ONLY]
            missing = [v for v in names if not runs.find(table=problem.name, seed=seed, variant=v)]
            if not missing:
                continue
            teacher = DefaultTeacherRegressor if split.task == "regression" else DefaultTeacherClassifier
            frozen = FrozenEstimator(teacher(random_state=seed).fit(split.X_train, split.y_train))
            scores = _scores(frozen, split.X_test)
            for name in missing:
                model = _distilled(split, frozen, VARIANTS[name]).fit(split.X_train, split.y_train)
                found = measures(split, _scores(model, split.X_test), scores)
                fidelity = found.get("kl", found.get("r2_to_teacher"))
                record = {"table": problem.name, "seed": seed, "variant": name, "kept": found["kept"]}
                runs.add(record | {"fidelity": fidelity})
                print(f"{problem.name}, seed {seed}, {name}: {found['kept']:.2%}", file=sys.stderr, flush=True)
    return runs.write_table(table(pd.DataFrame(runs.records)))


def held_out(problem: Problem, seed: int) -> Split:
    """The training rows of a split, split once more: its test rows decide nothing."""
    outer = problem.split(seed)
    inner = Problem(problem.name, problem.task, outer.X_train, outer.y_train, problem.in_time_order)
    return inner.split(seed if problem.in_time_order else seed + 1)


def table(frame: pd.DataFrame) -> list[str]:
    """Skill kept, the mean over the seeds; and by how much each variant is better than the default, in the median."""
    kept = frame.pivot_table(index="variant", columns="table", values="kept", sort=False)
    lead = (kept - kept.loc[DEFAULT]).median(axis=1)
    rows = [
        [str(name), *(f"{v:.1%}" if np.isfinite(v) else "–" for v in values), f"{lead[name]:+.2%}"]
        for name, values in kept.iterrows()
    ]
    return markdown(["changed", *kept.columns, "median change"], rows)


def _distilled(split: Split, teacher, changed: dict[str, Any]):
    estimator = DistilledRegressor if split.task == "regression" else DistilledClassifier
    changed = dict(changed)
    if (per_row := changed.get("n_synthetic")) is not None:
        changed["n_synthetic"] = round(per_row * len(split.y_train))
    return estimator(teacher, random_state=split.seed, **changed)


def _scores(model, X) -> np.ndarray:
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)
