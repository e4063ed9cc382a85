"""AutoGluon's own ensemble as the teacher: tabkd's students of it, AutoGluon's own, and our default teacher."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from benchmarks import autogluon
from benchmarks.answers import Answer, measures
from benchmarks.fidelity import AUTOGLUON, DEFAULT_TEACHER, OF_DEFAULT_TEACHER, STUDENT, STUDENTS, TEACHER
from benchmarks.fidelity_tables import by_table, kept, rivals, weak_teachers
from benchmarks.problems import Problem, Split
from benchmarks.runs import Runs, markdown
from tabkd import DistilledClassifier, DistilledRegressor


def run(problems: Iterable[Problem], seeds: int, runs: Runs, environment: Path, time_limit: int, preset: str) -> str:
    """Measure what `runs` does not have yet; return the tables in Markdown."""
    python = autogluon.environment(environment)
    for problem in problems:
        for seed in range(seeds):
            key = {"table": problem.name, "seed": seed, "preset": preset, "time_limit": time_limit}
            if runs.find(**key, contestant=STUDENT):
                continue
            split = problem.split(seed)
            found = autogluon.distil(split, python, time_limit, preset, list(STUDENTS.values()))
            answers = _of_default(split) | _named(found)
            for name, answer in answers.items():
                measured = measures(split, answer.scores, found[autogluon.ENSEMBLE].scores)
                costs = {"n_bytes": answer.n_bytes, "seconds": answer.seconds}
                record = runs.add(key | {"contestant": name} | costs | measured)
                print(f"{problem.name}, {seed}, {name}: {record['kept']}", file=sys.stderr, flush=True)
    return write(runs, preset, time_limit)


def _named(found: dict[str, Answer]) -> dict[str, Answer]:
    """The answers by the names of the contestants; the student comes last, with which a split is complete."""
    ours = {name: found[student] for name, student in STUDENTS.items()}
    theirs = {name: found[called] for name, called in AUTOGLUON.items() if called != autogluon.ENSEMBLE}
    return {TEACHER: found[autogluon.ENSEMBLE], **theirs, **dict(reversed(ours.items()))}


def _of_default(split: Split) -> dict[str, Answer]:
    """Our default teacher, and its student."""
    regression = split.task == "regression"
    model = (DistilledRegressor if regression else DistilledClassifier)(random_state=split.seed)
    model.fit(split.X_train, split.y_train)
    answer = "predict" if regression else "predict_proba"
    of_student, of_teacher = (getattr(each, answer)(split.X_test) for each in (model, model.teacher_))
    n_bytes = len(model.to_onnx().SerializeToString())
    return {DEFAULT_TEACHER: Answer(of_teacher), OF_DEFAULT_TEACHER: Answer(of_student, n_bytes)}


def write(runs: Runs, preset: str, time_limit: int) -> str:
    """The table of all contestants, the tests against AutoGluon's students, and a sentence on our default teacher."""
    frame = pd.DataFrame(runs.find(preset=preset, time_limit=time_limit))
    strong = frame[~frame["table"].isin(weak_teachers(frame))]
    parts = {"": [*by_table(strong), "", beside_default(strong)], "-rivals": rivals(strong), "-bytes": sizes(strong)}
    return "\n".join(runs.write_table(lines, f"-{preset}{part}") for part, lines in parts.items())


def beside_default(frame: pd.DataFrame) -> str:
    """On how many tables the student of AutoGluon's ensemble is better than our default teacher."""
    shares = kept(frame)
    share, better = shares[STUDENT], (shares[STUDENT] > shares[DEFAULT_TEACHER]).sum()
    return (
        f"The MLP keeps {share.median():.1%} in the median of {len(share)} tables, {share.min():.1%} at least. "
        f"It is better than our default teacher on {better} of {len(share)}."
    )


def sizes(frame: pd.DataFrame) -> list[str]:
    """The median bytes of each contestant."""
    medians = frame.groupby("contestant", sort=False)["n_bytes"].median().dropna()
    return markdown(["contestant", "median size"], [[name, f"{n / 1000:,.0f} KB"] for name, n in medians.items()])
