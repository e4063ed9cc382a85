"""Whether to distil: a verdict by a table of cases, and the sentences that say it.

The student is compared with its rivals, which need no teacher: a LightGBM of its bytes and the same student, both
fitted on the labels. Differences are those of mean losses, with paired bootstrap intervals. A difference within one
percent of the teacher's gain over a constant is none in practice.

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
the teacher or the student cannot be told from a constant                    cannot tell
there is no rival                                                            cannot tell
the student leads every rival beyond chance, by more than the margin         distil
anything else                                                                cannot tell
===========================================================================  =============
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy.stats import binom

from tabkd.evaluation._criteria import Criterion
from tabkd.evaluation._intervals import Interval, Resampled, difference, share

Verdict = Literal["distil", "do not distil", "cannot tell"]
Case = Literal[
    "undefined", "few rows", "no skill", "rival", "rival beats teacher", "skill unseen", "no rival", "distil", "unclear"
]
Standing = Literal["better", "as good", "worse", "unclear"]

#: Share of the teacher's gain over a constant that makes no difference in practice.
MARGIN = 0.01
#: Test rows, and rows of the rarer of two classes, below which a bootstrap interval says too little.
FEWEST_ROWS, FEWEST_OF_CLASS = 30, 10
#: Bytes beyond which an exported student is no small model.
MOST_BYTES = 1_000_000
_CHANCE = 0.05
_MOST_NAMED = 5

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
    """Losses of a model that could be shipped instead: minus those of the student, and minus those of the teacher."""

    student_lead: Interval
    teacher_lead: Interval

    def standing(self, margin: float) -> Standing:
        """How the rival stands to the student, where differences up to `margin` are none."""
        lead = self.student_lead
        if lead.high < 0:
            return "better"
        if lead.high <= margin:
            return "as good"
        return "worse" if lead.low > 0 and lead.value > margin else "unclear"


@dataclass(frozen=True)
class Facts:
    """What a verdict follows from.

    Attributes
    ----------
    enough_rows : bool
    teacher_gain, student_gain : Interval
        The loss of a constant minus theirs.
    rivals : dict of str to Rival
    """

    enough_rows: bool
    teacher_gain: Interval
    student_gain: Interval
    rivals: dict[str, Rival] = field(default_factory=dict)

    @property
    def margin(self) -> float:
        """The difference in loss that makes none in practice."""
        return MARGIN * max(0.0, self.teacher_gain.value)


@dataclass(frozen=True)
class Decision:
    """A verdict, the case that it comes from, and the rivals that it is about, the best first."""

    case: Case
    rivals: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The verdict of the case."""
        return _VERDICTS[self.case]


def too_few_rows(codes, classes: Sequence, weights) -> str | None:
    """Why the test rows are too few for an interval; None where they are not.

    Parameters
    ----------
    codes : array of int of shape (n,) or None
        Positions of the classes; None for a regression.
    classes : sequence
        Their labels, none for a regression.
    weights : array of shape (n,)
        A few rows that hold most of the weight are few rows (Kish's effective sample size).
    """
    effective = weights.sum() ** 2 / (weights**2).sum()
    if effective < FEWEST_ROWS:
        return f"an interval needs {FEWEST_ROWS} rows, and these count for {effective:.3g}"
    if len(classes) == 2:
        counts = np.bincount(codes[weights > 0], minlength=2)
        if counts.min() < FEWEST_OF_CLASS:
            rare = classes[int(counts.argmin())]
            return f"an interval needs {FEWEST_OF_CLASS} rows of each class, and {counts.min()} have class {rare!r}"
    return None


def facts(drawn: Mapping[str, Resampled], enough: bool) -> Facts:
    """The facts of resampled losses: of teacher, student, reference, and of the rivals `small` and `hard` if any."""
    teacher, student, reference = drawn["teacher"], drawn["student"], drawn["reference"]
    rivals = {
        name: Rival(difference(drawn[name], student), difference(drawn[name], teacher))
        for name in sorted({"small", "hard"} & set(drawn), key=lambda name: drawn[name].value)
    }
    return Facts(enough, difference(reference, teacher), difference(reference, student), rivals)


def decide(facts: Facts) -> Decision:
    """The first case of the table that holds."""
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


def sentence(
    decision: Decision,
    facts: Facts,
    criterion: Criterion,
    values: Mapping[str, float],
    n_rows: int,
    small_bytes: int | None = None,
    reason: str | None = None,
) -> str:
    """The verdict in words, with the criterion and the numbers that decided.

    Parameters
    ----------
    decision : Decision
    facts : Facts
    criterion : Criterion
    values : mapping of str to float
        The criterion for each contestant, and for the reference.
    n_rows : int
    small_bytes : int, optional
        What the LightGBM weighs.
    reason : str, optional
        Why the rows are too few, or the criterion is not defined on them.
    """
    label = criterion.label
    names = {
        "small": f"a LightGBM of {(small_bytes or 0) / 1000:,.0f} KB fitted on the labels",
        "hard": "the same student fitted on the labels",
    }
    do_not_tell = f"These {n_rows:,} test rows do not tell whether to distil"
    first = decision.rivals[0] if decision.rivals else ""
    if decision.case == "undefined":
        return f"{do_not_tell}: {reason or f'{label} is not defined on them'}."
    if decision.case == "few rows":
        return f"{do_not_tell}: {reason}. Measure on more rows."
    if decision.case == "no skill":
        return (
            f"Do not distil: by {label}, the teacher is no better than a constant "
            f"({against(values['teacher'], values['reference'])})."
        )
    if decision.case == "rival":
        return _of_rivals(decision, facts, label, values, names)
    if decision.case == "rival beats teacher":
        return (
            f"Do not distil: by {label}, {names[first]} is better than the teacher itself "
            f"({against(values[first], values['teacher'])}), and the student is not clearly better than it."
        )
    if decision.case == "skill unseen":
        who = "teacher" if facts.teacher_gain.low <= 0 else "student"
        return (
            f"{do_not_tell}: by {label}, the {who} cannot be told from a constant "
            f"({against(values[who], values['reference'])}). Measure on more rows."
        )
    if decision.case == "no rival":
        return (
            "Cannot tell whether to distil: the student was compared with no rival. Pass X_train and y_train, and as "
            "exported what tabkd.load gives for the exported student."
        )
    gain = facts.teacher_gain.value
    if decision.case == "distil":
        kept = facts.student_gain.value
        shares = {name: (kept - facts.rivals[name].student_lead.value) / gain for name in names if name in facts.rivals}
        rivals = " and ".join(f"{share:.1%} by {names[name]}" for name, share in shares.items())
        less = "" if "small" in shares else " No LightGBM was compared: that needs `exported`, and a single output."
        return (
            f"Distil: by {label}, the student keeps {kept / gain:.1%} of the teacher's skill, against {rivals}.{less}"
        )
    lead = facts.rivals[first].student_lead
    return (
        f"{do_not_tell}: by {label}, the student's lead over {names[first]} is between {lead.low / gain:.1%} and "
        f"{lead.high / gain:.1%} of the teacher's skill. Measure on more rows."
    )


def _of_rivals(decision: Decision, facts: Facts, label: str, values, names) -> str:
    first, *others = decision.rivals
    rival = facts.rivals[first]
    numbers = against(values[first], values["student"])
    if rival.student_lead.high >= 0 or abs(rival.student_lead.value) <= facts.margin:
        gain = facts.teacher_gain.value
        high = rival.student_lead.high
        most = f": a lead of at most {high / gain:.1%} of the teacher's skill" if gain > 0 and high >= 0 else ""
        said = f"Do not distil: by {label}, {names[first]} is as good as the student ({numbers}{most})"
    elif rival.teacher_lead.high < 0:
        said = (
            f"Do not distil: by {label}, {names[first]} is better than the student ({numbers}) and than the teacher "
            f"itself ({values['teacher']:.4g})"
        )
    else:
        said = f"Do not distil: by {label}, {names[first]} is better than the student ({numbers})"
    return said + "".join(f", and so is {names[name]} ({values[name]:.4g})" for name in others) + "."


def against(value: float, other: float) -> str:
    """Two values in as many digits as tell them apart, six at most."""
    digits = next((d for d in (4, 5, 6) if f"{value:.{d}g}" != f"{other:.{d}g}"), 4)
    return f"{value:.{digits}g} against {other:.{digits}g}"


def recovered_gap(drawn: Mapping[str, Resampled], criterion: Criterion) -> tuple[Interval, str | None]:
    """The share of the teacher's lead over the student on the labels that distilling recovered.

    Parameters
    ----------
    drawn : mapping of str to Resampled
        Losses of teacher, student, hard and reference.
    criterion : Criterion

    Returns
    -------
    tuple of Interval and str or None
        NaN and the reason where that lead is next to nothing, or cannot be told from it: a share of it says nothing.
    """
    hard, teacher, reference = drawn["hard"], drawn["teacher"], drawn["reference"]
    lead = difference(hard, teacher)
    numbers = f"by {criterion.label} ({against(criterion.shown(teacher.value), criterion.shown(hard.value))})"
    reason = None
    if not np.isfinite(lead.value):
        reason = f"{criterion.label} is not defined on the test rows"
    elif lead.value <= 0:
        reason = f"the teacher is no better than the same student on the labels {numbers}"
    elif lead.low <= 0:
        reason = f"the teacher's lead over the same student on the labels cannot be told from zero {numbers}"
    elif lead.value < MARGIN * (reference.value - teacher.value):
        reason = f"the teacher's lead over the same student on the labels is next to nothing {numbers}"
    if reason is None:
        return share(hard, drawn["student"], teacher), None
    return Interval(np.nan, np.nan, np.nan), reason


def lost_classes(codes, teacher, student, classes: Sequence) -> list[tuple[str, int, int, int]]:
    """The classes that the teacher finds and the student does not.

    A class is lost of which the student finds no row, and the teacher a tenth or more; or less than half of what the
    teacher finds, beyond chance (an exact sign test on the rows that one of the two finds).

    Parameters
    ----------
    codes : array of int of shape (n,)
    teacher, student : array of shape (n, K)
        Probabilities.
    classes : sequence

    Returns
    -------
    list of tuple
        The class, its rows, and how many of them student and teacher find.
    """
    right, likewise = teacher.argmax(axis=1) == codes, student.argmax(axis=1) == codes
    lost = []
    for k, label in enumerate(classes):
        rows = codes == k
        n, found, kept = int(rows.sum()), int(right[rows].sum()), int(likewise[rows].sum())
        only_teacher, only_student = int((right & ~likewise)[rows].sum()), int((likewise & ~right)[rows].sum())
        by_chance = binom.sf(only_teacher - 1, only_teacher + only_student, 0.5)
        if (kept == 0 and found and found >= n / 10) or (2 * kept < found and by_chance < _CHANCE):
            lost.append((repr(label), n, kept, found))
    return lost


def warnings(lost: Sequence[tuple[str, int, int, int]], n_bytes: int | None, n_nonpositive: int = 0) -> list[str]:
    """What a user should know of a student besides the verdict.

    Parameters
    ----------
    lost : sequence of tuple
        As :func:`lost_classes`.
    n_bytes : int or None
        Of the exported student.
    n_nonpositive : int
        Predictions of zero or less, where the criterion is a deviance.
    """
    said = []
    if lost:
        named = [f"{label} ({kept} of its {n} test rows, the teacher {found})" for label, n, kept, found in lost]
        more = f" and {len(lost) - _MOST_NAMED} more" if len(lost) > _MOST_NAMED else ""
        kind = "a class" if len(lost) == 1 else "classes"
        said.append(f"The student misses {kind} that the teacher finds: {', '.join(named[:_MOST_NAMED])}{more}.")
    if n_bytes and n_bytes > MOST_BYTES:
        said.append(
            f"The ONNX file takes {n_bytes / 1e6:,.1f} MB, more than the {MOST_BYTES / 1e6:g} MB of a small model. The "
            "MLP student usually takes a tenth of that."
        )
    if n_nonpositive:
        said.append(
            f"The student predicts zero or less in {n_nonpositive:,} test rows, where a deviance is not defined; a "
            "millionth of the mean stands for these predictions."
        )
    return said
