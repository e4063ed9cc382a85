"""Whether to distil: a verdict by a table of cases.

The student is compared with its rivals, which need no teacher: a LightGBM of its bytes and the same student, both
fitted on the labels. Differences are those of mean losses, with paired bootstrap intervals. A difference within one
percent of the teacher's gain over a constant does not matter in practice.

===========================================================================  =============
the first that holds                                                         verdict
===========================================================================  =============
the criterion is not defined on the test rows                                cannot tell
there are too few test rows for an interval                                  cannot tell
the teacher is no better than a constant, beyond chance                      do not distil
a rival is better than the student beyond chance, or the student's           do not distil
lead over it is less than the margin beyond chance
a rival is better than the teacher itself beyond chance, and the student     do not distil
is not better than that rival
the teacher or the student cannot be distinguished from a constant           cannot tell
there is no rival                                                            cannot tell
the student leads every rival beyond chance, by more than the margin         distil
anything else                                                                cannot tell
===========================================================================  =============
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from tabkd.evaluation._comparison import MARGIN
from tabkd.evaluation._intervals import Interval, Resampled, difference
from tabkd.evaluation._scores import Scores

Verdict = Literal["distil", "do not distil", "cannot tell"]
Case = Literal[
    "undefined", "few rows", "no skill", "rival", "rival beats teacher", "skill unseen", "no rival", "distil", "unclear"
]
Standing = Literal["better", "as good", "worse", "unclear"]

#: Test rows, and rows of the rarer of two classes, below which a bootstrap interval says too little.
FEWEST_ROWS, FEWEST_OF_CLASS = 30, 10

_VERDICTS: dict[Case, Verdict] = {
    "undefined": "cannot tell",
    "few rows": "cannot tell",
    "no skill": "do not distil",
    "rival": "do not distil",
    "rival beats teacher": "do not distil",
    "skill unseen": "cannot tell",
    "no rival": "cannot tell",
    "distil": "distil",
    "unclear": "cannot tell",
}


@dataclass(frozen=True)
class Rival:
    """A model that could be shipped instead of the student.

    Attributes
    ----------
    student_lead, teacher_lead : Interval
        The rival's loss minus that of the student, and minus that of the teacher.
    """

    student_lead: Interval
    teacher_lead: Interval

    def standing(self, margin: float) -> Standing:
        """The relation of the rival to the student.

        Parameters
        ----------
        margin : float
            Differences in loss up to this one count as none.
        """
        lead = self.student_lead
        if lead.high < 0:
            return "better"
        if lead.high <= margin:
            return "as good"
        return "worse" if lead.low > 0 and lead.value > margin else "unclear"


@dataclass(frozen=True)
class Facts:
    """The facts that a verdict follows from.

    Attributes
    ----------
    enough_rows : bool
        Whether the test rows are enough for an interval.
    teacher_gain, student_gain : Interval
        The loss of a constant minus theirs.
    rivals : dict of str to Rival
        By name, the best first.
    """

    enough_rows: bool
    teacher_gain: Interval
    student_gain: Interval
    rivals: dict[str, Rival] = field(default_factory=dict)

    @property
    def margin(self) -> float:
        """The largest difference in loss that does not matter in practice."""
        return MARGIN * max(0.0, self.teacher_gain.value)


@dataclass(frozen=True)
class Decision:
    """A case of the table.

    Attributes
    ----------
    case : str
        Which one.
    rivals : tuple of str
        The rivals that it is about, the best first.
    """

    case: Case
    rivals: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The verdict of the case."""
        return _VERDICTS[self.case]


def too_few_rows(scores: Scores) -> str | None:
    """Why the test rows are too few for an interval; None if they are enough.

    A few rows that hold most of the weight are few rows (Kish's effective sample size).

    Parameters
    ----------
    scores : Scores
        On the test rows.
    """
    weights, classes = scores.weights, scores.classes.tolist()
    effective = weights.sum() ** 2 / (weights**2).sum()
    if effective < FEWEST_ROWS:
        return f"an interval needs {FEWEST_ROWS} rows, and these count for {effective:.3g}"
    if len(classes) == 2:
        counts = np.bincount(scores.truth[weights > 0], minlength=2)
        if counts.min() < FEWEST_OF_CLASS:
            rare = classes[int(counts.argmin())]
            return f"an interval needs {FEWEST_OF_CLASS} rows of each class, and {counts.min()} have class {rare!r}"
    return None


def facts_of(drawn: Mapping[str, Resampled], enough: bool) -> Facts:
    """The facts that resampled losses show.

    Parameters
    ----------
    drawn : mapping of str to Resampled
        Of teacher, student, reference, and of the rivals `small` and `hard` where there are any.
    enough : bool
        Whether the test rows are enough for an interval.
    """
    teacher, student, reference = drawn["teacher"], drawn["student"], drawn["reference"]
    rivals = {
        name: Rival(difference(drawn[name], student), difference(drawn[name], teacher))
        for name in sorted({"small", "hard"} & set(drawn), key=lambda name: drawn[name].value)
    }
    return Facts(enough, difference(reference, teacher), difference(reference, student), rivals)


def decide(facts: Facts) -> Decision:
    """The first case of the table that holds.

    Parameters
    ----------
    facts : Facts
        The facts that decide.
    """
    standings = {name: rival.standing(facts.margin) for name, rival in facts.rivals.items()}

    def those(*wanted: Standing) -> tuple[str, ...]:
        return tuple(name for name, standing in standings.items() if standing in wanted)

    values = [facts.teacher_gain.value, facts.student_gain.value]
    if not np.isfinite(values).all():
        return Decision("undefined")
    if not facts.enough_rows:
        return Decision("few rows")
    if facts.teacher_gain.high <= 0:
        return Decision("no skill")
    if those("better", "as good"):
        return Decision("rival", those("better") or those("as good"))
    beaten = tuple(name for name in those("unclear") if facts.rivals[name].teacher_lead.high < 0)
    if beaten:
        return Decision("rival beats teacher", beaten)
    if facts.teacher_gain.low <= 0 or facts.student_gain.low <= 0:
        return Decision("skill unseen")
    if not standings:
        return Decision("no rival")
    if len(those("worse")) == len(standings):
        return Decision("distil", those("worse"))
    return Decision("unclear", those("unclear"))
