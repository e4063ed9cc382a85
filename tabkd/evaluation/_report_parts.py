"""The parts of a report from the contest, the test rows and the exported file, as fields by name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from tabkd._doubt import measured_doubt
from tabkd._validation import check_table
from tabkd.evaluation._advice import advise
from tabkd.evaluation._against import against_teacher
from tabkd.evaluation._comparison import compare
from tabkd.evaluation._contest import Contest
from tabkd.evaluation._costs import costs
from tabkd.evaluation._criteria import Criterion
from tabkd.evaluation._decisions import decisions, unranked
from tabkd.evaluation._drift import drift
from tabkd.evaluation._exhibits import Exhibits, Ingredients
from tabkd.evaluation._measures import measured
from tabkd.evaluation._memory import memory, not_measured
from tabkd.evaluation._provenance import provenance
from tabkd.evaluation._scores import Scores
from tabkd.evaluation._segments import segments, worst_rows
from tabkd.evaluation._single_score import SingleScore, single_score
from tabkd.evaluation._timing import compare_speed


class MeasuredRows:
    """The test rows, as the parts of a report need them.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
        The fitted model.
    X : frame or array
        The rows.
    scores : Scores
        The predictions of every contestant for them.
    budgets : sequence of float
        Shares of the rows that are reviewed.
    random_state : int
        Draws rows.
    """

    def __init__(self, model: Any, X: Any, scores: Scores, budgets: Sequence[float], random_state: int):
        self.model, self.X, self.scores, self.random_state = model, X, scores, random_state
        #: Why the rows are not ranked for a review; None if they are.
        self.unranked = unranked(scores)
        self.budgets: Sequence[float] = () if self.unranked else budgets

    @cached_property
    def codes(self) -> np.ndarray:
        """The rows as the student reads them, float64 of shape (n, d)."""
        return self.model.schema_.encode(check_table(self.model, self.X, reset=False))

    @cached_property
    def single(self) -> SingleScore | None:
        """One score of teacher and student for each row."""
        return single_score(self.scores)

    def exhibits(self, exported: Any) -> Exhibits:
        """What only a page shows."""
        budget = self.budgets[-1] if self.budgets else None
        given = Ingredients(self.model, self.codes, self.single, self.scores, exported, budget, self.random_state)
        return Exhibits(given)


def of_contest(
    contest: Contest, criterion: Criterion, n_resamples: int, random_state: int
) -> tuple[dict[str, Any], dict[str, str]]:
    """The measures of all contestants and the verdict, and why values are not defined."""
    comparison = compare(contest.scores, criterion, n_resamples, random_state)
    measures = measured(contest.scores, comparison)
    verdict, advice = advise(contest, comparison, measures.undefined.get(criterion.key))
    skill, gap = measures.skill_kept, measures.recovered_gap
    found = {
        "metrics": measures.metrics,
        "fidelity": measures.fidelity,
        "skill_kept": skill.value,
        "skill_kept_interval": (skill.low, skill.high),
        "recovered_gap": gap.value if gap else None,
        "recovered_gap_interval": (gap.low, gap.high) if gap else None,
        "verdict": verdict,
        "advice": advice.sentence,
        "why": advice.reason,
        "metric": criterion.name,
        "measure": criterion.key,
        "per_class": measures.per_class,
    }
    return found, measures.undefined


def of_rows(rows: MeasuredRows) -> dict[str, Any]:
    """Where student and teacher differ, and how the rows differ from those of training."""
    model, codes, scores, single = rows.model, rows.codes, rows.scores, rows.single
    student, teacher = (scores[name].reshape(len(codes), -1) for name in ("student", "teacher"))
    proved = zip(model.schema_.titles, model._student.proved_monotone(), strict=True)
    return {
        "against_teacher": against_teacher(model, codes, rows.random_state),
        "doubt": measured_doubt(student, teacher, scores.task, model._training_scores),
        "segments": [] if single is None else segments(model.schema_, codes, single, scores),
        "worst_rows": [] if single is None else worst_rows(model.schema_, codes, single),
        "monotone": {title: int(sign) for title, sign in proved if sign},
        "drift": drift(model, codes, student),
        "review": [decisions(scores, budget) for budget in rows.budgets],
    }


def of_file(rows: MeasuredRows, exported: Any, n_bytes: int | None, timing: bool) -> dict[str, Any]:
    """The cost of running teacher and student, and what was done."""
    model, is_timed = rows.model, exported is not None and timing
    return {
        "n_bytes": n_bytes,
        "speed": compare_speed(model, exported, rows.X) if is_timed else None,
        "parity": getattr(model, "parity_", None) if exported is not None else None,
        "costs": costs(model.teacher_, n_bytes, _memory(rows, exported) if is_timed else _UNTIMED),
        "provenance": provenance(model, rows.codes, exported),
    }


_UNTIMED = dict.fromkeys(("teacher", "student"), not_measured("speed and memory were not requested"))


def _memory(rows: MeasuredRows, exported: Any) -> dict[str, dict[str, Any]]:
    if not hasattr(exported, "content"):
        return dict.fromkeys(("teacher", "student"), not_measured("the student was not exported to a file"))
    method = "predict_proba" if is_classifier(rows.model) else "predict"
    return memory(rows.model.teacher_, exported.content, rows.X, method)
