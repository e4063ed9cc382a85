"""Successive halving: all candidates learn a little, the promising ones more, and a few everything."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from copy import copy as shallow_copy
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tabkd._learning_rows import Lessons
from tabkd._search.budget import Budget, front
from tabkd._search.candidates import Candidate
from tabkd._search.yardstick import Yardstick
from tabkd.students._training.school import n_passes

# Shares of the lessons in the heats, and how many candidates get to the second and to the final.
_SHARES = (1 / 16, 1 / 4)
_SEMIFINAL, _FINAL, _SUBSTITUTES = 4, 2, 2
# Fewest real rows of a heat.
_LEAST_REAL = 1_000


@dataclass(frozen=True)
class Race:
    """What all candidates learn from, and which of them continue.

    Attributes
    ----------
    model : DistilledClassifier or DistilledRegressor
        With its fitted teacher.
    lessons : Lessons
        What the teacher has to teach.
    rng : numpy.random.RandomState
        Its state after teaching: every candidate begins with a copy.
    yardstick : Yardstick
        Measures the candidates.
    budget : Budget
        Decides which candidates continue.
    """

    model: Any
    lessons: Lessons
    rng: np.random.RandomState
    yardstick: Yardstick
    budget: Budget

    def run(
        self, candidates: Sequence[Candidate], on_heat: Callable[[str, int], None], on_fit: Callable
    ) -> list[Candidate]:
        """Measure the candidates; those that may be chosen, after all lessons.

        The default student learns first. It reads no more synthetic rows than it needs to follow the teacher, and the
        others learn from the same rows.

        Parameters
        ----------
        candidates : sequence of Candidate
            Their `found` is set.
        on_heat : callable
            Called with the name and the number of candidates of each heat.
        on_fit : callable
            Called after each fit.

        Returns
        -------
        list of Candidate
            Those that were tried: a step of a ladder is not tried if the one below is already too large.
        """
        default = next((each for each in candidates if each.is_default), None)
        if default is None:
            return replace(self, lessons=self.lessons.kept())._heats(candidates, on_heat, on_fit)
        on_heat("the default student", 1)
        self._measure(default, self.lessons, 1.0)
        on_fit()
        return replace(self, lessons=self.lessons.as_read())._heats(candidates, on_heat, on_fit)

    def _heats(
        self, candidates: Sequence[Candidate], on_heat: Callable[[str, int], None], on_fit: Callable
    ) -> list[Candidate]:
        runners = [each for each in candidates if not each.is_default]
        for share, n_next in zip(_SHARES, (_SEMIFINAL, _FINAL), strict=True):
            if len(runners) <= n_next:
                continue
            lessons = self.lessons.part(share, deepcopy(self.rng), _LEAST_REAL)
            on_heat(f"candidates on {share:.0%} of the lessons", len(runners))
            for candidate in runners:
                if not self._is_surely_too_large(candidate):
                    self._measure(candidate, lessons, share)
                on_fit()
            runners = promising([each for each in runners if each.found is not None], self.budget, n_next)
        on_heat("candidates on all lessons", len(runners))
        for candidate in runners:
            self._measure(candidate, self.lessons, 1.0)
            on_fit()
        tried = [each for each in candidates if each.found is not None]
        for candidate in self._substitutes(tried):
            if preferred(tried, self.budget):
                break
            self._measure(candidate, self.lessons, 1.0)
        return tried

    def _is_surely_too_large(self, candidate: Candidate) -> bool:
        """Whether a smaller step of the same ladder is too large, or was not even tried."""
        below, most = candidate.below, self.budget.max_bytes
        if below is None or most is None:
            return False
        return below.found is None or below.found.n_bytes > most

    def _substitutes(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates that replace finalists if all of these failed: the most faithful of the others."""
        others = [each for each in candidates if each.found.share < 1 and self.budget.allows(each.found)]
        return sorted(others, key=lambda each: -each.found.fidelity)[:_SUBSTITUTES]

    def _measure(self, candidate: Candidate, lessons: Lessons, share: float) -> None:
        start = time.perf_counter()
        passes = None
        if share < 1 and lessons.synthetic.n_rows:
            passes = n_passes("auto", len(self.lessons.real) + self.lessons.synthetic.n_rows)
        model = learnt(self.model, candidate, lessons, self.rng, passes)
        candidate.found = self.yardstick.measured(model, share, time.perf_counter() - start)


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
        Its state after teaching, which does not change.
    passes : int, optional
        Passes of a student that would otherwise choose them itself.
    """
    model = shallow_copy(model).set_params(**candidate.params)
    settings = model.get_params()
    if passes is not None and settings.get("student__max_iter") == "auto":
        model.set_params(student__max_iter=passes)
    model._learn(lessons, deepcopy(rng))
    return model


def promising(candidates: Sequence[Candidate], budget: Budget, n: int) -> list[Candidate]:
    """The `n` candidates that are most likely to include the one that the budget asks for.

    To keep a share of the skill, the front is walked from the smallest: the first that already keeps it continues, and
    so do the ones below it, which may keep it later. Otherwise the most faithful ones continue. If all cost too much,
    the cheapest continue.

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
    """The candidates that meet the budget after all lessons, in order of preference.

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
