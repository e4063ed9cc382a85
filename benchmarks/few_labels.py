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
from benchmarks.answers import losses, prior
from benchmarks.fidelity_tables import LEAST_SKILL
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
    """The losses of the prior, of the teacher, and of students of random and of half chosen rows."""
    split = held_out(problem, seed)
    regression = split.task == "regression"
    teacher = (DefaultTeacherRegressor if regression else DefaultTeacherClassifier)(random_state=seed)

    def loss(model) -> float:
        return losses(split, (model.predict if regression else model.predict_proba)(split.X_test)).mean()

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
        record = {"labels": n_labels, "prior": prior(split).mean(), "teacher": loss(teacher)}
        for way, learnt in ways.items():
            fitted = copy(model)
            fitted._learn(learnt, check_random_state(seed))
            record[way] = loss(fitted)
        yield record


def table(records: Sequence[dict[str, Any]]) -> list[str]:
    """The skill that random rows keep, and what chosen ones add, of the sums over splits; for each number of labels.

    Tables with a teacher of almost no skill are left out; their names follow the table.
    """
    if not records:
        return ["There are no tables."]
    sums = (
        pd.DataFrame(records).groupby(["table", "labels"], sort=False)[["prior", "teacher", "random", "chosen"]].sum()
    )
    skill = sums["prior"] - sums["teacher"]
    weak = (skill < LEAST_SKILL * sums["prior"]).groupby(level="table", sort=False).any()
    kept = (sums["prior"] - sums["random"]) / skill
    gain = (sums["random"] - sums["chosen"]) / skill
    both = pd.concat({"kept": kept, "gain": gain}, axis=1).unstack("labels")[lambda frame: ~weak[frame.index]]
    numbers = sorted(sums.index.unique("labels"))
    header = ["table", *(text for n in numbers for text in (f"{n:,} random labels", "half of them chosen"))]
    rows = [
        [str(name), *(cell for n in numbers for cell in (f"{of['kept', n]:.1%}", f"{of['gain', n]:+.1%}"))]
        for name, of in both.iterrows()
    ]
    last = ["**median**"]
    for n in numbers:
        gains = both["gain", n].dropna()
        p = f", p = {wilcoxon(gains, alternative='greater').pvalue:.2g}" if len(gains) > 1 else ""
        last += [f"{both['kept', n].median():.1%}"]
        last += [f"{gains.median():+.1%}; better on {(gains > 0).sum()} of {len(gains)}{p}"]
    left_out = [f"- {name} is left out: its teacher has almost no skill." for name in weak.index[weak]]
    return [*markdown(header, [*rows, last]), *(["", *left_out] if left_out else [])]
