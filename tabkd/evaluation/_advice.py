"""The verdict in words: a title and a reason for each case, with the measure and the numbers that decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from tabkd.evaluation._comparison import Comparison, against
from tabkd.evaluation._contest import Contest
from tabkd.evaluation._verdict import Case, Decision, Facts, Verdict, decide, facts_of, too_few_rows

_NOT, _UNCLEAR = "Do not distil", "Cannot tell whether to distil"


class Advice(NamedTuple):
    """What to do, and why.

    Attributes
    ----------
    title : str
        A few words.
    reason : str
        One sentence or more, which begin with a small letter.
    """

    title: str
    reason: str

    @property
    def sentence(self) -> str:
        """Both."""
        return f"{self.title}: {self.reason}"


@dataclass(frozen=True)
class Evidence:
    """The facts that the reasons mention.

    Attributes
    ----------
    facts : Facts
        The facts behind the decision.
    label : str
        The name of the measure.
    values : mapping of str to float
        The measure of each contestant, and of the reference.
    n_rows : int
        The number of test rows.
    small_bytes : int or None
        The size of the LightGBM; None if none was fitted.
    reason : str or None
        Why there are too few rows, or the measure is not defined on them.
    """

    facts: Facts
    label: str
    values: Mapping[str, float]
    n_rows: int
    small_bytes: int | None = None
    reason: str | None = None

    @property
    def names(self) -> dict[str, str]:
        """The names of the rivals, in the order of a sentence."""
        return {
            "small": f"a LightGBM of {(self.small_bytes or 0) / 1000:,.0f} KB fitted on the labels",
            "hard": "the same student fitted on the labels",
        }

    @property
    def do_not_tell(self) -> str:
        """The title if the rows are the reason."""
        return f"These {self.n_rows:,} test rows cannot decide whether to distil"

    def against(self, one: str, other: str) -> str:
        """The values of two contestants.

        Parameters
        ----------
        one, other : str
            Their names.
        """
        return against(self.values[one], self.values[other])


def advise(contest: Contest, comparison: Comparison, undefined: str | None = None) -> tuple[Verdict, Advice]:
    """The verdict and its explanation.

    Parameters
    ----------
    contest : Contest
        The contestants and the rows.
    comparison : Comparison
        The same contestants by the criterion that decides.
    undefined : str, optional
        Why the measure is not defined on the test rows, if that is known.
    """
    scores = contest.scores
    too_few = too_few_rows(scores)
    facts = facts_of(comparison.drawn, too_few is None)
    decision = decide(facts)
    reason = too_few if decision.case == "few rows" else undefined
    label, values = comparison.criterion.label, comparison.values
    evidence = Evidence(facts, label, values, len(scores.truth), contest.small_bytes, reason)
    return decision.verdict, advice(decision, evidence)


def advice(decision: Decision, evidence: Evidence) -> Advice:
    """A decision in words.

    Parameters
    ----------
    decision : Decision
        The decision.
    evidence : Evidence
        The facts that the reason mentions.
    """
    return _ADVICE[decision.case](decision, evidence)


def _undefined(decision: Decision, evidence: Evidence) -> Advice:
    return Advice(evidence.do_not_tell, f"{evidence.reason or f'{evidence.label} is not defined on them'}.")


def _few_rows(decision: Decision, evidence: Evidence) -> Advice:
    return Advice(evidence.do_not_tell, f"{evidence.reason}. Measure on more rows.")


def _no_skill(decision: Decision, evidence: Evidence) -> Advice:
    return Advice(
        _NOT,
        f"by {evidence.label}, the teacher is no better than a constant ({evidence.against('teacher', 'reference')}).",
    )


def _rival(decision: Decision, evidence: Evidence) -> Advice:
    first, *others = decision.rivals
    facts, names, values = evidence.facts, evidence.names, evidence.values
    rival, numbers = facts.rivals[first], evidence.against(first, "student")
    if rival.student_lead.high >= 0 or abs(rival.student_lead.value) <= facts.margin:
        gain, high = facts.teacher_gain.value, rival.student_lead.high
        most = f": a lead of at most {high / gain:.1%} of the teacher's skill" if gain > 0 and high >= 0 else ""
        how = f"as good as the student ({numbers}{most})"
    elif rival.teacher_lead.high < 0:
        how = f"better than the student ({numbers}) and than the teacher itself ({values['teacher']:.4g})"
    else:
        how = f"better than the student ({numbers})"
    likewise = "".join(f", and so is {names[name]} ({values[name]:.4g})" for name in others)
    return Advice(_NOT, f"by {evidence.label}, {names[first]} is {how}{likewise}.")


def _rival_beats_teacher(decision: Decision, evidence: Evidence) -> Advice:
    first = decision.rivals[0]
    return Advice(
        _NOT,
        f"by {evidence.label}, {evidence.names[first]} is better than the teacher itself "
        f"({evidence.against(first, 'teacher')}), and the student is not clearly better than it.",
    )


def _skill_unseen(decision: Decision, evidence: Evidence) -> Advice:
    who = "teacher" if evidence.facts.teacher_gain.low <= 0 else "student"
    return Advice(
        evidence.do_not_tell,
        f"by {evidence.label}, the {who} cannot be distinguished from a constant "
        f"({evidence.against(who, 'reference')}). Measure on more rows.",
    )


def _no_rival(decision: Decision, evidence: Evidence) -> Advice:
    return Advice(
        _UNCLEAR,
        "the student was not compared with a rival. Pass X_train and y_train to `report` or `evaluate`; `evaluate` "
        "also needs `exported`, the student that tabkd.load returns.",
    )


def _distil(decision: Decision, evidence: Evidence) -> Advice:
    facts, names = evidence.facts, evidence.names
    gain, kept = facts.teacher_gain.value, facts.student_gain.value
    shares = {name: (kept - facts.rivals[name].student_lead.value) / gain for name in names if name in facts.rivals}
    rivals = " and ".join(f"{_share(share)} by {names[name]}" for name, share in shares.items())
    less = "" if "small" in shares else " No LightGBM was compared: that needs `exported`, and a single output."
    return Advice(
        "Distil",
        f"by {evidence.label}, the student keeps {kept / gain:.1%} of the teacher's skill, against {rivals}.{less}",
    )


def _share(share: float) -> str:
    """A share of the teacher's skill; a rival that is worse than a constant has none."""
    return f"{share:.1%}" if share >= 0 else "none"


def _unclear(decision: Decision, evidence: Evidence) -> Advice:
    first, gain = decision.rivals[0], evidence.facts.teacher_gain.value
    lead = evidence.facts.rivals[first].student_lead
    return Advice(
        evidence.do_not_tell,
        f"by {evidence.label}, the student's lead over {evidence.names[first]} is between "
        f"{lead.low / gain:.1%} and {lead.high / gain:.1%} of the teacher's skill. Measure on more rows.",
    )


_ADVICE: dict[Case, Callable[[Decision, Evidence], Advice]] = {
    "undefined": _undefined,
    "few rows": _few_rows,
    "no skill": _no_skill,
    "rival": _rival,
    "rival beats teacher": _rival_beats_teacher,
    "skill unseen": _skill_unseen,
    "no rival": _no_rival,
    "distil": _distil,
    "unclear": _unclear,
}
