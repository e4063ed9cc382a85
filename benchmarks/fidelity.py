"""Problems × contestants: what each keeps of the teacher's skill, and at how many bytes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from benchmarks import rivals
from benchmarks.answers import Answer, measures
from benchmarks.problems import Problem, Split
from benchmarks.runs import Runs
from tabkd import DistilledClassifier, DistilledRegressor
from tabkd.teachers._default import DefaultTeacherClassifier, DefaultTeacherRegressor

TEACHER = "teacher"
STUDENT = "tabkd MLP"
STUDENTS = {"tabkd MLP": "mlp", "tabkd boosted trees": "boosted_trees", "tabkd tree": "tree"}
ON_LABELS = {"tabkd MLP": "the MLP on labels", "tabkd boosted trees": "the boosted trees on labels"}
ON_LABELS["tabkd tree"] = "the tree on labels"
SKLEARN_MLP = "scikit-learn MLP"
LIGHTGBM = "LightGBM of equal bytes"
CATBOOST, EBM = "CatBoost on labels", "EBM on labels"
# The module that each needs.
OPTIONAL = {CATBOOST: "catboost", EBM: "interpret"}
# Fitted by an interpreter of its own, as AutoGluon's are.
REALMLP = "RealMLP on labels"
# What the worker calls them.
AUTOGLUON = {"AutoGluon GBM student": "GBM", "AutoGluon RF student": "RF", "AutoGluon ensemble": "ensemble"}
ON_THE_LABELS = (SKLEARN_MLP, LIGHTGBM, CATBOOST, EBM, REALMLP)
# Who else is compared where AutoGluon's ensemble is the teacher.
DEFAULT_TEACHER, OF_DEFAULT_TEACHER = "our default teacher", "the MLP of our default teacher"
CONTESTANTS = (TEACHER, *STUDENTS, *ON_LABELS.values(), *ON_THE_LABELS, *AUTOGLUON, DEFAULT_TEACHER, OF_DEFAULT_TEACHER)


@dataclass
class Contest:
    """One split with its teacher, which every contestant is measured against."""

    split: Split
    student_bytes: int | None
    teacher: object = field(init=False)
    teacher_scores: np.ndarray = field(init=False)
    teacher_seconds: float = field(init=False)

    def __post_init__(self):
        regression = self.split.task == "regression"
        teacher = (DefaultTeacherRegressor if regression else DefaultTeacherClassifier)(random_state=self.split.seed)
        start = time.perf_counter()
        self.teacher = teacher.fit(self.split.X_train, self.split.y_train)
        self.teacher_seconds = time.perf_counter() - start
        self.teacher_scores = _scores(self.teacher, self.split.X_test)


def run(
    problems: Iterable[Problem],
    seeds: int,
    runs: Runs,
    autogluon: Path | None,
    time_limit: int,
    realmlp: Path | None = None,
) -> None:
    """Measure what `runs` does not have yet: each contestant on each split of each problem."""
    for problem in problems:
        for seed in range(seeds):
            key = {"table": problem.name, "seed": seed}

            def missing(names, key=key):
                return any(not runs.find(**key, contestant=name) for name in names)

            groups = {names: fit for names, fit in _groups(autogluon, time_limit, realmlp).items() if missing(names)}
            if not groups:
                continue
            known = runs.find(**key, contestant=STUDENT)
            contest = Contest(problem.split(seed), known[0]["n_bytes"] if known else None)
            for names, fit in groups.items():
                answers = fit(contest)
                for name in names:
                    runs.add(key | {"contestant": name} | _record(contest, answers[name]))
                    print(_line(runs.records[-1]), file=sys.stderr, flush=True)


def _groups(autogluon: Path | None, time_limit: int, realmlp: Path | None) -> dict[tuple[str, ...], Callable]:
    """What is fitted together, by the contestants that come of it; the student first, whose bytes others have too."""
    groups: dict[tuple[str, ...], Callable] = {(TEACHER,): _teacher}
    groups |= {(name, ON_LABELS[name]): partial(_distilled, name) for name in STUDENTS}
    groups[(LIGHTGBM,)] = _lightgbm
    alone: dict[str, Callable] = {SKLEARN_MLP: rivals.sklearn_mlp}
    optional = {CATBOOST: rivals.catboost, EBM: rivals.ebm}
    alone |= {name: optional[name] for name in rivals.available(OPTIONAL)}
    if realmlp is not None:
        alone[REALMLP] = partial(_realmlp, realmlp)
    groups |= {(name,): partial(_rival, name, fit) for name, fit in alone.items()}
    if autogluon is not None:
        groups[tuple(AUTOGLUON)] = partial(_autogluon, autogluon, time_limit)
    return groups


def _teacher(contest: Contest) -> dict[str, Answer]:
    return {TEACHER: Answer(contest.teacher_scores, None, contest.teacher_seconds)}


def _distilled(name: str, contest: Contest) -> dict[str, Answer]:
    """One of our students, and its twin on the labels."""
    split = contest.split
    estimator = DistilledRegressor if split.task == "regression" else DistilledClassifier
    start = time.perf_counter()
    model = estimator(FrozenEstimator(contest.teacher), student=STUDENTS[name], random_state=split.seed)
    model.fit(split.X_train, split.y_train)
    seconds = time.perf_counter() - start
    n_bytes = len(model.to_onnx().SerializeToString())
    if name == STUDENT:
        contest.student_bytes = n_bytes
    start = time.perf_counter()
    twin = clone(model.student_).fit(split.X_train, _targets(split))
    return {
        name: Answer(_scores(model, split.X_test), n_bytes, seconds),
        ON_LABELS[name]: Answer(twin.predict(split.X_test), n_bytes, time.perf_counter() - start),
    }


def _targets(split: Split) -> np.ndarray:
    if split.task == "regression":
        return np.asarray(split.y_train, dtype=np.float64)
    return (np.asarray(split.y_train)[:, None] == split.classes).astype(np.float64)


def _rival(name: str, fit: Callable[[Split], Answer], contest: Contest) -> dict[str, Answer]:
    return {name: fit(contest.split)}


def _lightgbm(contest: Contest) -> dict[str, Answer]:
    assert contest.student_bytes is not None
    return {LIGHTGBM: rivals.small_lightgbm(contest.split, contest.student_bytes)}


def _realmlp(environment: Path, split: Split) -> Answer:
    from benchmarks import realmlp

    return realmlp.answer(split, realmlp.environment(environment))


def _autogluon(environment: Path, time_limit: int, contest: Contest) -> dict[str, Answer]:
    from benchmarks import autogluon

    found = autogluon.distil(contest.split, autogluon.environment(environment), time_limit)
    return {name: found[called] for name, called in AUTOGLUON.items()}


def _scores(model, X) -> np.ndarray:
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


def _record(contest: Contest, answer: Answer) -> dict:
    split = contest.split
    shape = {"task": split.task, "n_train": len(split.y_train), "n_test": len(split.y_test)}
    shape |= {"n_columns": split.X_train.shape[1], "n_bytes": answer.n_bytes, "seconds": answer.seconds}
    scores = answer.scores
    if split.task == "classification":
        scores = np.clip(scores, 0, 1)
        if len(split.classes) == 2:
            shape["positive_rate"] = float((split.y_train == split.classes[1]).mean())
    return shape | measures(split, scores, contest.teacher_scores)


def _line(record: dict) -> str:
    kept = record["kept"]
    share = "no skill to keep" if kept is None else f"{kept:.1%} of the teacher's skill"
    return f"{record['table']}, seed {record['seed']}, {record['contestant']}: {share}"
