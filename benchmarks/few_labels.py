"""A teacher that labels few synthetic rows: random ones, or half of them those that two first students dispute."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import pandas as pd
from scipy.stats import wilcoxon
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state

from benchmarks.ablation import held_out
from benchmarks.answers import measures
from benchmarks.problems import Problem
from benchmarks.runs import Runs, markdown
from tabkd import DistilledClassifier, DistilledRegressor
from tabkd._disputed_rows import with_disputed
from tabkd._progress import Silent
from tabkd.teachers import DefaultTeacherClassifier, DefaultTeacherRegressor

LABELS = (2_000, 4_000)


def run(problems: Iterable[Problem], seeds: int, runs: Runs, student: str, quick: bool) -> str:
    """Measure what `runs` does not hold yet, on rows held out of the training rows; return the table in Markdown."""
    for problem in problems:
        for seed in range(seeds):
            key = {"table": problem.name, "seed": seed, "student": student, "quick": quick}
            missing = [n for n in (LABELS[:1] if quick else LABELS) if not runs.find(**key, labels=n)]
            for record in _measured(problem, seed, student, missing):
                print(runs.add(key | record), file=sys.stderr, flush=True)
    return runs.write_table(table(runs.find(student=student, quick=quick)))


def _measured(problem: Problem, seed: int, student: str, labels: Sequence[int]) -> Iterable[dict[str, Any]]:
    """The shares of the teacher's skill that students of as many random, and of half as many chosen, rows keep."""
    split = held_out(problem, seed)
    regression = split.task == "regression"
    teacher = (DefaultTeacherRegressor if regression else DefaultTeacherClassifier)(random_state=seed)
    if labels:
        teacher.fit(split.X_train, split.y_train)
    for n_labels in labels:
        kind = DistilledRegressor if regression else DistilledClassifier
        model = kind(FrozenEstimator(teacher), student=student, n_synthetic=n_labels, random_state=seed)
        model._check_params()
        random, chosen = (
            model._teach(split.X_train, split.y_train, None, None, {}, check_random_state(seed), Silent())
            for _ in range(2)
        )
        # What a time budget does is done here for a fixed number, which no speed of the machine can change.
        random.synthetic.is_optional = chosen.synthetic.is_optional = True
        disputed, _ = with_disputed(chosen.synthetic, model.schema_, chosen.real, check_random_state(seed))
        ways = {"random": random, "chosen": replace(chosen, synthetic=disputed)}
        record: dict[str, Any] = {"labels": n_labels}
        for way, learnt in ways.items():
            fitted = copy(model)
            fitted._learn(learnt, check_random_state(seed))
            answers = [
                m.predict(split.X_test) if regression else m.predict_proba(split.X_test) for m in (fitted, teacher)
            ]
            record[way] = measures(split, *answers)["kept"]
        yield record


def table(records: Sequence[dict[str, Any]]) -> list[str]:
    """Means over the splits: the skill that random rows keep, and what chosen ones add, for each number of labels."""
    if not records:
        return ["There are no tables."]
    frame = pd.DataFrame(records)
    frame["gain"] = frame["chosen"] - frame["random"]
    means = frame.pivot_table(index="table", columns="labels", values=["random", "gain"], sort=False)
    numbers = sorted(frame["labels"].unique())
    header = ["table", *(text for n in numbers for text in (f"{n:,} random labels", "half of them chosen"))]
    rows = [
        [str(name), *(cell for n in numbers for cell in (f"{of['random', n]:.1%}", f"{of['gain', n]:+.1%}"))]
        for name, of in means.iterrows()
    ]
    middle, last = means.median(), []
    for n in numbers:
        gains = means["gain", n].dropna()
        p = f", p = {wilcoxon(gains, alternative='greater').pvalue:.2g}" if len(gains) > 1 and gains.any() else ""
        last += [
            f"{middle['random', n]:.1%}",
            f"{middle['gain', n]:+.1%}; better on {(gains > 0).sum()} of {len(gains)}{p}",
        ]
    return markdown(header, [*rows, ["**median**", *last]])
