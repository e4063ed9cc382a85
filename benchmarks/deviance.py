"""Students of teachers with a loss for values above zero: how much of the teacher's deviance and R² they keep."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import r2_score

from benchmarks.problems import Problem, Split
from benchmarks.runs import Runs, markdown
from tabkd import DistilledRegressor, ExportedStudent
from tabkd.augment import AUGMENTERS
from tabkd.evaluation import _intervals as intervals
from tabkd.evaluation._criteria import of_objective
from tabkd.teachers._objective import objective_of

#: What each library calls its losses.
LOSSES = {
    "poisson": {"lightgbm": "poisson", "xgboost": "count:poisson"},
    "tweedie": {"lightgbm": "tweedie", "xgboost": "reg:tweedie"},
    "gamma": {"lightgbm": "gamma", "xgboost": "reg:gamma"},
}
# Synthetic rows of which the smallest answer is noted, and how many are drawn at a time.
_ROWS, _CHUNK = 1_000_000, 100_000


def run(
    problems: Iterable[Problem], seeds: int, runs: Runs, teachers: Sequence[str], students: Sequence[str], quick: bool
) -> str:
    """Measure what `runs` does not hold yet, every student of every teacher; return the table in Markdown."""
    for problem in problems:
        if problem.task != "regression" or problem.y.min() < 0:
            print(f"{problem.name} has no values to predict that are all zero or more.", file=sys.stderr)
            continue
        for seed in range(seeds):
            for loss in LOSSES:
                if loss == "gamma" and problem.y.min() == 0:
                    continue  # which is not defined for zeros
                for teacher in teachers:
                    key = {"table": problem.name, "seed": seed, "loss": loss, "teacher": teacher, "quick": quick}
                    missing = [name for name in students if not runs.find(**key, student=name)]
                    if missing:
                        _measure(_with_levels(problem.split(seed)), missing, key, runs)
    return runs.write_table(table(runs.find(quick=quick)))


def _measure(split: Split, names: list[str], key: dict[str, Any], runs: Runs) -> None:
    teacher = fitted_teacher(key["teacher"], key["loss"], split)
    quick = key["quick"]
    for name in names:
        model = DistilledRegressor(
            FrozenEstimator(teacher), student=name, n_synthetic=2000 if quick else "auto", random_state=split.seed
        ).fit(split.X_train, split.y_train)
        given = key | {"student": name}
        found = measures(model, split, _CHUNK // 50 if quick else _ROWS)
        print(runs.add(given | found), file=sys.stderr, flush=True)


def fitted_teacher(library: str, loss: str, split: Split) -> Any:
    """A boosted ensemble with a loss; its leaves are large, because most claims are zero."""
    params: dict[str, Any] = {"objective": LOSSES[loss][library], "n_estimators": 200, "learning_rate": 0.05}
    if library == "lightgbm":
        from lightgbm import LGBMRegressor

        model = LGBMRegressor(**params, min_child_samples=100, random_state=split.seed, verbose=-1)
    else:
        from xgboost import XGBRegressor

        model = XGBRegressor(**params, max_depth=5, enable_categorical=True, random_state=split.seed)
    return model.fit(split.X_train, split.y_train)


def measures(model: DistilledRegressor, split: Split, n_rows: int) -> dict[str, Any]:
    """Deviance and R² kept on the test rows, and the smallest answer of the file to synthetic rows."""
    y, criterion = split.y_test, of_objective(objective_of(model.teacher_))
    teacher, student = (np.asarray(each.predict(split.X_test), dtype=np.float64) for each in (model.teacher_, model))
    prior = np.full(len(y), split.y_train.mean())
    losses = [criterion.losses(y, answers, np.ones(len(y))) for answers in (prior, student, teacher)]
    kept = intervals.kept_share(*losses)
    answers = _answers(model, split, n_rows)
    return {
        "link": model.link_,
        "kept": kept.value,
        "kept_low": kept.low,
        "kept_high": kept.high,
        "teacher_gain": 1 - losses[2].mean() / losses[0].mean(),
        "r2_kept": r2_score(y, student) / r2_score(y, teacher),
        "smallest": answers.min(),
        "not_above_zero": int((answers <= 0).sum()),
        "rows": len(answers),
    }


def _answers(model: DistilledRegressor, split: Split, n_rows: int) -> np.ndarray:
    """What the student's file answers to synthetic rows, float64 of shape (n_rows,)."""
    file = ExportedStudent(model.to_onnx().SerializeToString())
    augmenter = AUGMENTERS["mixture"]().fit(split.X_train)
    sizes = [_CHUNK] * (n_rows // _CHUNK) or [n_rows]
    return np.concatenate([file.predict(augmenter.sample(n, random_state=i)) for i, n in enumerate(sizes)]).ravel()


def _with_levels(split: Split) -> Split:
    """The split with its columns of text as categories, which both libraries read."""
    texts = [name for name in split.X_train if split.X_train[name].dtype.kind not in "iufb"]
    train = split.X_train.astype(dict.fromkeys(texts, "category"))
    return replace(split, X_train=train, X_test=split.X_test.astype({name: train[name].dtype for name in texts}))


def table(records: Sequence[dict[str, Any]]) -> list[str]:
    """A row for each student of each teacher, means over the seeds; then the medians over the tables and teachers."""
    if not records:
        return ["No table has values to predict that are all zero or more."]
    numbers = ["kept", "kept_low", "kept_high", "teacher_gain", "r2_kept"]
    frame = pd.DataFrame(records).astype(dict.fromkeys(numbers, np.float64))
    by = ["table", "loss", "teacher", "student"]
    grouped = frame.groupby(by, sort=False)
    means = grouped[numbers].mean()
    means = means.assign(smallest=grouped["smallest"].min(), wrong=grouped["not_above_zero"].sum())
    rows = []
    for names, r in means.iterrows():
        quality = [f"{r.teacher_gain:.1%}", f"{r.kept:.1%}", _interval(r.kept_low, r.kept_high), f"{r.r2_kept:.1%}"]
        rows.append([*map(str, names), *quality, f"{r.smallest:.3g}", f"{r.wrong:.0f}"])
    for (loss, student), values in means.groupby(level=["loss", "student"], sort=False):
        middle, wrong = values.median(), values["wrong"].sum()
        cells = [f"**median of {len(values)}**", str(loss), "", str(student), f"{middle.teacher_gain:.1%}"]
        cells += [f"{middle.kept:.1%}", "", f"{middle.r2_kept:.1%}", f"{values['smallest'].min():.3g}", f"{wrong:.0f}"]
        rows.append(cells)
    n_rows = f"{frame['rows'].max():,}"
    header = ["table", "loss", "teacher", "student", "teacher's gain", "deviance kept", "interval", "R² kept"]
    return markdown([*header, f"smallest of {n_rows} answers", "answers ≤ 0"], rows)


def _interval(low: float, high: float) -> str:
    """The ends; none where the teacher's gain cannot be told from zero."""
    return f"{low:.1%} – {high:.1%}" if np.isfinite([low, high]).all() else "unbounded"
