"""Evidence for the defaults: one parameter changed at a time, on rows held out of the training rows."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from sklearn.frozen import FrozenEstimator

from benchmarks.problems import Problem
from tabkd import DistilledClassifier, DistilledRegressor
from tabkd.augment import Munge
from tabkd.default_teacher import DefaultTeacherClassifier, DefaultTeacherRegressor
from tabkd.evaluation import evaluate
from tabkd.students import MLPStudent

CLASSIFIER_ONLY = ("temperature=2", "temperature=4")
VARIANTS = {
    "defaults": {},
    "alpha=0.9": {"alpha": 0.9},
    "alpha=0.7": {"alpha": 0.7},
    "temperature=2": {"temperature": 2.0},
    "temperature=4": {"temperature": 4.0},
    "no synthetic rows": {"augmenter": None},
    "a quarter of the synthetic rows": {"n_synthetic": 50_000},
    "marginal": {"augmenter": "marginal"},
    "jitter": {"augmenter": "jitter"},
    "mixup": {"augmenter": "mixup"},
    "munge, 1 neighbour": {"augmenter": Munge(n_neighbors=1)},
    "munge, 10 neighbours": {"augmenter": Munge(n_neighbors=10)},
    "no knots": {"student": MLPStudent(n_knots=0)},
    "half the knots": {"student": MLPStudent(n_knots=96)},
}


def run(problems: Iterable[Problem], seed: int) -> None:
    """Print the skill kept of every variant, a column for each table; the test rows of a split are left alone."""
    columns = {}
    for problem in problems:
        X, _, y, _ = problem.split(seed)
        X_train, X_valid, y_train, y_valid = Problem(problem.name, problem.task, X, y).split(seed + 1)
        regression = problem.task == "regression"
        teacher = (DefaultTeacherRegressor if regression else DefaultTeacherClassifier)(random_state=seed)
        frozen = FrozenEstimator(teacher.fit(X_train, y_train))
        distilled = DistilledRegressor if regression else DistilledClassifier
        columns[problem.name] = found = {}
        for name, changed in VARIANTS.items():
            if regression and name in CLASSIFIER_ONLY:
                continue
            model = distilled(frozen, **{"random_state": seed, "n_synthetic": 200_000, **changed})
            model.fit(X_train, y_train)
            report = evaluate(model, X_valid, y_valid, y_train=y_train, n_resamples=9)
            found[name] = report.skill_kept
            print(f"{problem.name}, {name}: {report.skill_kept:.2%}", file=sys.stderr, flush=True)
    print("| changed | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name in VARIANTS:
        cells = [f"{found[name]:.1%}" if name in found else "–" for found in columns.values()]
        print(f"| {name} | " + " | ".join(cells) + " |")
