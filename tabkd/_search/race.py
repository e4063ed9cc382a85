"""Successive halving: all candidates learn a little, the promising ones more, and a few everything."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from copy import copy as shallow_copy
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from tabkd._doubt import measured_doubt
from tabkd._export.build import build
from tabkd._export.metadata import noted
from tabkd._learning_rows import Lessons
from tabkd._search.budget import Budget, front
from tabkd._search.candidates import Candidate, Measures
from tabkd.evaluation._held_out import HeldOut
from tabkd.scoring import ExportedStudent
from tabkd.students._training.school import n_passes

# Shares of the lessons in the heats, and how many candidates get to the second and to the final.
_SHARES = (1 / 16, 1 / 4)
_SEMIFINAL, _FINAL, _SUBSTITUTES = 4, 2, 2
# Fewest real rows of a heat.
_LEAST_REAL = 1_000
# Rows that latency is measured on, and turns of them.
_TIMED_ROWS, _TURNS = 20, 5


@dataclass(frozen=True)
class Race:
    """What all candidates learn from and are measured by.

    Attributes
    ----------
    model : DistilledClassifier or DistilledRegressor
        With its fitted teacher.
    lessons : Lessons
        In memory.
    rng : numpy.random.RandomState
        As it stood after teaching: every candidate begins with a copy.
    held_out : HeldOut
        The teacher's answers to the held-out rows.
    codes : array of shape (n, d)
        These rows.
    budget : Budget
        Decides who gets on.
    """

    model: Any
    lessons: Lessons
    rng: np.random.RandomState
    held_out: HeldOut
    codes: np.ndarray
    budget: Budget

    def run(self, candidates: Sequence[Candidate], on_heat: Callable[[str, int], None], on_fit: Callable) -> None:
        """Measure every candidate, those that may be chosen after all lessons.

        Parameters
        ----------
        candidates : sequence of Candidate
            Their `found` is set.
        on_heat : callable
            Called with the name and the number of candidates of each heat.
        on_fit : callable
            Called after each fit.
        """
        runners = list(candidates)
        for share, n_next in zip(_SHARES, (_SEMIFINAL, _FINAL), strict=True):
            if len(runners) <= n_next:
                continue
            on_heat(f"candidates on {share:.0%} of the lessons", len(runners))
            lessons = self.lessons.part(share, deepcopy(self.rng), _LEAST_REAL)
            for candidate in runners:
                candidate.found = self._measured(candidate, lessons, share)
                on_fit()
            runners = promising(runners, self.budget, n_next)
        on_heat("candidates on all lessons", len(runners))
        for candidate in runners:
            candidate.found = self._measured(candidate, self.lessons, 1.0)
            on_fit()
        for candidate in self._substitutes(candidates):
            if preferred(candidates, self.budget):
                break
            candidate.found = self._measured(candidate, self.lessons, 1.0)

    def _substitutes(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Who may take the place of finalists that all failed: the most faithful of the others."""
        others = [each for each in candidates if each.found.share < 1 and self.budget.allows(each.found)]
        return sorted(others, key=lambda each: -each.found.fidelity)[:_SUBSTITUTES]

    def _measured(self, candidate: Candidate, lessons: Lessons, share: float) -> Measures:
        start = time.perf_counter()
        passes = None
        if share < 1 and lessons.synthetic.n_rows:
            passes = n_passes("auto", len(self.lessons.real) + self.lessons.synthetic.n_rows)
        model = learnt(self.model, candidate, lessons, self.rng, passes)
        seconds = time.perf_counter() - start
        scores = model._scores_of_codes(self.codes)
        skill_kept = self.held_out.skill_kept(scores)
        note = Note(skill_kept, self.held_out.criterion.name, self._doubt(model, scores))
        content = noted(build(model), note)
        return Measures(
            share,
            len(content),
            latency_us(model, content, self.codes),
            self.held_out.fidelity(scores),
            skill_kept,
            seconds,
        )

    def _doubt(self, model: Any, scores: np.ndarray) -> dict[str, Any] | None:
        teacher = self.held_out.scores["teacher"].reshape(scores.shape)
        return measured_doubt(scores, teacher, model._task.name, model._training_scores)


@dataclass(frozen=True)
class Note:
    """What a file says of its student, so that a candidate's bytes are those of a file with its quality."""

    skill_kept: float
    metric: str
    doubt: dict[str, Any] | None


def learnt(
    model: Any, candidate: Candidate, lessons: Lessons, rng: np.random.RandomState, passes: int | None = None
) -> Any:
    """A copy of a distilled estimator that taught, whose student has the settings of a candidate.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
        With its fitted teacher.
    candidate : Candidate
        The settings.
    lessons : Lessons
        What the student learns from.
    rng : numpy.random.RandomState
        As it stood after teaching; it stays so.
    passes : int, optional
        Passes of a student that would choose them by itself.
    """
    model = shallow_copy(model).set_params(**candidate.params)
    settings = model.get_params()
    if passes is not None and settings.get("student__max_iter") == "auto":
        model.set_params(student__max_iter=passes)
    model._learn(lessons, deepcopy(rng))
    return model


def promising(candidates: Sequence[Candidate], budget: Budget, n: int) -> list[Candidate]:
    """The `n` candidates among which the one that the budget asks for is to be expected.

    To keep a share of the skill, the front is walked from the smallest: the first that keeps it already, and the ones
    below it, which may yet. Otherwise the most faithful ones get on. Where all cost too much, so do the cheapest.

    Parameters
    ----------
    candidates : sequence of Candidate
        Measured.
    budget : Budget
        The budget.
    n : int
        How many.
    """
    allowed = [each for each in candidates if budget.allows(each.found)]
    if not allowed:
        return sorted(candidates, key=lambda each: each.found.n_bytes)[:n]
    if budget.keep is None:
        return sorted(allowed, key=lambda each: -each.found.fidelity)[:n]
    line = front(allowed)
    keeps = [i for i, each in enumerate(line) if each.found.skill_kept >= budget.keep]
    end = (keeps[0] if keeps else len(line) - 1) + 1
    return line[max(0, end - n) : end]


def preferred(candidates: Sequence[Candidate], budget: Budget) -> list[Candidate]:
    """The candidates that meet the budget after all lessons, the one to choose first.

    Parameters
    ----------
    candidates : sequence of Candidate
        Measured.
    budget : Budget
        With `keep` the smallest comes first, otherwise the most faithful.
    """
    met = [each for each in candidates if each.found.share == 1 and budget.is_met(each.found)]
    if budget.keep is not None:
        return sorted(met, key=lambda each: (each.found.n_bytes, -each.found.fidelity))
    return sorted(met, key=lambda each: -each.found.fidelity)


def latency_us(model: Any, content: bytes, codes: np.ndarray) -> float:
    """The median microseconds of one row, scored as a service would: a dict, or an array where columns have no names.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
        Whose file it is.
    content : bytes
        The file.
    codes : array of shape (n, d)
        Where the rows come from.
    """
    exported = ExportedStudent(content, n_jobs=1)
    predict = exported.predict if model._task.name == "regression" else exported.predict_proba
    frame = model.schema_.decode(codes[:_TIMED_ROWS])
    if isinstance(frame, np.ndarray):
        rows: list[Any] = [frame[i : i + 1] for i in range(len(frame))]
    else:
        rows = frame.to_dict("records")
    times = []
    for _ in range(_TURNS):
        for row in rows:
            start = time.perf_counter()
            predict(row)
            times.append(time.perf_counter() - start)
    return 1e6 * float(np.median(times[len(rows) :]))


def seed_of(rng: np.random.RandomState) -> int:
    """A seed for another generator.

    Parameters
    ----------
    rng : numpy.random.RandomState
        Moves on by one draw.
    """
    return int(rng.randint(2**31 - 1))


def halves(y: np.ndarray, fraction: float, is_classification: bool, rng: np.random.RandomState) -> tuple:
    """Positions of the rows to learn from, and of those to measure on: each class in proportion, never its last row.

    Parameters
    ----------
    y : array of shape (n,) or (n, K)
        Labels or values.
    fraction : float
        The share to measure on.
    is_classification : bool
        Whether `y` has labels.
    rng : numpy.random.RandomState
        Draws the rows.
    """
    strata = np.unique(y, return_inverse=True)[1] if is_classification else np.zeros(len(y), dtype=np.int64)
    order = rng.permutation(len(y))
    order = order[np.argsort(strata[order], kind="stable")]
    counts = np.bincount(strata)
    # The place of each row among those of its class.
    place = np.arange(len(y)) - np.repeat(np.cumsum(counts) - counts, counts)
    held = np.minimum(np.rint(fraction * counts), counts - 1)[strata[order]]
    return np.sort(order[place >= held]), np.sort(order[place < held])


def as_front(candidates: Sequence[Candidate], chosen: Candidate) -> list[dict[str, Any]]:
    """The candidates that nobody beats in bytes and fidelity, and the chosen one, as plain values.

    Parameters
    ----------
    candidates : sequence of Candidate
        Measured.
    chosen : Candidate
        One of them.
    """
    line = front(candidates)
    shown = sorted(line if chosen in line else [*line, chosen], key=lambda each: each.found.n_bytes)
    return [
        {
            "student": each.student,
            "params": {
                name: value if isinstance(value, (int, float, str)) else str(value)
                for name, value in each.settings.items()
            },
            "n_bytes": each.found.n_bytes,
            "fidelity": each.found.fidelity,
            "skill_kept": each.found.skill_kept if math.isfinite(each.found.skill_kept) else None,
            "latency_us": each.found.latency_us,
            "share": each.found.share,
            "chosen": each is chosen,
        }
        for each in shown
    ]


def _plain(value: Any) -> Any:
    """A value that JSON holds; of anything else its text."""
    return value if isinstance(value, (int, float, str)) else str(value)
