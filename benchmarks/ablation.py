"""Evidence for the defaults: one lever moved at a time, measured on rows held out of the training rows."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.frozen import FrozenEstimator

from benchmarks.answers import measures
from benchmarks.levers import (
    Averaged,
    AverageOfThree,
    BestOfThree,
    Disagreement,
    EarlyStopped,
    EarlyStoppedTrees,
    GainWeightedMunge,
    Trepan,
    WithAdam,
    WithBrier,
    WithLeakyReLU,
    WithLogitMatching,
    WithSiLU,
    WithTanh,
    gains,
)
from benchmarks.problems import Problem, Split
from benchmarks.runs import Runs, markdown
from tabkd import DistilledClassifier, DistilledRegressor
from tabkd.augment import Marginal, Mixture, Munge
from tabkd.students import BoostedTreesStudent, MLPStudent, TreeStudent
from tabkd.teachers._default import DefaultTeacherClassifier, DefaultTeacherRegressor

# Each student's variants begin with its default, which the others of it are compared with.
VARIANTS: dict[str, dict[str, Any]] = {
    "MLP, default": {},
    "no knots": {"student": MLPStudent(n_knots=0)},
    "half the knots": {"student": MLPStudent(n_knots=64)},
    "half as many knots again": {"student": MLPStudent(n_knots=192)},
    "no synthetic rows": {"augmenter": None},
    # For each row of the table; the default makes 20, at most 400,000 in all.
    "5 synthetic rows a row": {"n_synthetic": 5},
    "40 synthetic rows a row": {"n_synthetic": 40},
    "60 synthetic rows a row, two passes": {"n_synthetic": 60, "student": MLPStudent(max_iter=2)},
    "MUNGE alone": {"augmenter": "munge"},
    "MUNGE alone, 1 neighbour": {"augmenter": Munge(n_neighbors=1)},
    "MUNGE alone, 10 neighbours": {"augmenter": Munge(n_neighbors=10)},
    "MUNGE alone, p = 0.25": {"augmenter": Munge(p=0.25)},
    "MUNGE alone, s = 2": {"augmenter": Munge(s=2.0)},
    "MUNGE alone, distances by the teacher's gains": {"augmenter": GainWeightedMunge},
    "marginals alone, p = 0.1": {"augmenter": Marginal()},
    "half MUNGE, half marginals": {"augmenter": Mixture(weights=[1, 1])},
    "marginals of the table's frequencies": {"augmenter": Mixture([Munge(), Marginal(p=None)], weights=[3, 1])},
    "jitter": {"augmenter": "jitter"},
    "mixup": {"augmenter": "mixup"},
    "rows where a first student fails": {"student": Disagreement(), "n_synthetic": 40},
    "alpha 0.9": {"alpha": 0.9},
    "alpha 0.7": {"alpha": 0.7},
    "temperature 2": {"temperature": 2.0},
    "temperature 4": {"temperature": 4.0},
    "Brier loss": {"student": WithBrier()},
    "logit matching": {"student": WithLogitMatching()},
    "leaky ReLU": {"student": WithLeakyReLU()},
    "SiLU": {"student": WithSiLU()},
    "tanh": {"student": WithTanh()},
    "32-16 wide": {"student": MLPStudent(hidden_layer_sizes=(32, 16))},
    "128-64 wide": {"student": MLPStudent(hidden_layer_sizes=(128, 64))},
    "one hidden layer of 64": {"student": MLPStudent(hidden_layer_sizes=(64,))},
    "64-32-32 wide": {"student": MLPStudent(hidden_layer_sizes=(64, 32, 32))},
    "batches of 256": {"student": MLPStudent(batch_size=256)},
    "no weight decay": {"student": MLPStudent(weight_decay=0.0)},
    "half the learning rate": {"student": MLPStudent(learning_rate_init=0.01)},
    "Adam alone, batches of 128": {
        "student": WithAdam(batch_size=128, learning_rate_init=0.005, weight_decay=1e-4),
    },
    "weights of four bytes": {"student": MLPStudent(weight_bits=32)},
    "averaged weights": {"student": Averaged()},
    "stopped early by held-out rows": {"student": EarlyStopped()},
    "best of three seeds": {"student": BestOfThree()},
    "average of three seeds, three times the bytes": {"student": AverageOfThree()},
    "tree, default": {"student": TreeStudent()},
    "tree: depth 6": {"student": TreeStudent(max_depth=6, max_leaf_nodes=None)},
    "tree: 128 leaves": {"student": TreeStudent(max_leaf_nodes=128)},
    "tree: 200 rows in a leaf": {"student": TreeStudent(min_samples_leaf=200)},
    "tree: like numbers of rows in every leaf": {"student": Trepan(), "n_synthetic": 40},
    "tree: no synthetic rows": {"student": TreeStudent(), "augmenter": None},
    "tree: MUNGE alone": {"student": TreeStudent(), "augmenter": "munge"},
    "boosted trees, default": {"student": BoostedTreesStudent()},
    "boosted trees: twice as many, half the rate": {
        "student": BoostedTreesStudent(n_estimators=120, learning_rate=0.1, max_leaf_nodes=8)
    },
    "boosted trees: half as many, of 32 leaves": {"student": BoostedTreesStudent(n_estimators=30, max_leaf_nodes=32)},
    "boosted trees: learning rate 0.3": {"student": BoostedTreesStudent(learning_rate=0.3)},
    "boosted trees: up to 240, stopped by held-out rows": {"student": EarlyStoppedTrees(n_estimators=240)},
    "boosted trees: up to 240 at half the rate, stopped by held-out rows": {
        "student": EarlyStoppedTrees(n_estimators=240, learning_rate=0.1)
    },
    "boosted trees: no synthetic rows": {"student": BoostedTreesStudent(), "augmenter": None},
    "boosted trees: MUNGE alone": {"student": BoostedTreesStudent(), "augmenter": "munge"},
}
CLASSIFIER_ONLY = ("temperature 2", "temperature 4", "Brier loss", "logit matching")


def run(problems: Iterable[Problem], seeds: int, runs: Runs, variants: list[str] | None = None) -> str:
    """Distil with each variant, and return the skill kept as a table with a column for each problem."""
    if unknown := [name for name in variants or () if name not in VARIANTS]:
        raise SystemExit(f"There is no variant {unknown[0]!r}; there are {', '.join(map(repr, VARIANTS))}.")
    wanted = VARIANTS if variants is None else dict.fromkeys(n for name in variants for n in (default_of(name), name))
    for problem in problems:
        for seed in range(seeds):
            split = held_out(problem, seed)
            names = [v for v in wanted if split.task == "classification" or v not in CLASSIFIER_ONLY]
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


def default_of(variant: str) -> str:
    """What a variant is compared with: the default of its student."""
    student = variant.split(":")[0].split(",")[0]
    return f"{student if student in ('tree', 'boosted trees') else 'MLP'}, default"


def held_out(problem: Problem, seed: int) -> Split:
    """The training rows of a split, split once more: its test rows decide nothing."""
    outer = problem.split(seed)
    inner = Problem(problem.name, problem.task, outer.X_train, outer.y_train, problem.in_time_order)
    return inner.split(seed if problem.in_time_order else seed + 1)


def table(frame: pd.DataFrame) -> list[str]:
    """Skill kept, the mean over the seeds, and by how much it is better than the same student's default's."""
    kept = frame.pivot_table(index="variant", columns="table", values="kept", sort=False)
    kept = kept.loc[[name for name in VARIANTS if name in kept.index]]
    rows = []
    for name, values in kept.iterrows():
        lead = values - kept.loc[default_of(str(name))]
        better = f"{(lead > 0).sum()} of {lead.notna().sum()}" if lead.any() else "–"
        shares = (f"{value:.1%}" if np.isfinite(value) else "–" for value in values)
        rows.append([str(name), *shares, f"{lead.median():+.2%}", better])
    return markdown(["student, or what is changed of it", *kept.columns, "median change", "better on"], rows)


def _distilled(split: Split, teacher, changed: dict[str, Any]):
    estimator = DistilledRegressor if split.task == "regression" else DistilledClassifier
    changed = dict(changed)
    if (per_row := changed.get("n_synthetic")) is not None:
        changed["n_synthetic"] = round(per_row * len(split.y_train))
    if changed.get("augmenter") is GainWeightedMunge:
        changed["augmenter"] = GainWeightedMunge(gains(teacher))
    return estimator(teacher, random_state=split.seed, **changed)


def _scores(model, X) -> np.ndarray:
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)
