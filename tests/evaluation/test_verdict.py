"""The verdict as a table of cases, its sentences, and the warnings beside it."""

import numpy as np
import pytest

from tabkd.evaluation._advice import Evidence, advice
from tabkd.evaluation._comparison import Comparison, against, recovered_gap
from tabkd.evaluation._criteria import LOG_LOSS, R2, ROC_AUC, deviance
from tabkd.evaluation._intervals import Interval, resample
from tabkd.evaluation._scores import Scores
from tabkd.evaluation._verdict import Facts, Rival, decide, facts_of, too_few_rows
from tabkd.evaluation._warnings import lost_classes, warnings_of


def around(value, half):
    return Interval(value, value - half, value + half)


SKILL = around(1.0, 0.1)  # so that the margin is .01
NONE, WORSE, UNKNOWN = around(0.01, 0.1), around(-1.0, 0.1), Interval(np.nan, np.nan, np.nan)
# The lead of the student over a rival: of the rival's loss over the student's.
AHEAD, NARROWLY_AHEAD, LEVEL, BEHIND = around(0.2, 0.1), around(0.005, 0.004), around(0, 0.008), around(-0.2, 0.1)
BEHIND_OR_LEVEL, WIDE, WIDE_AHEAD, JUST_AHEAD = (
    around(-0.05, 0.055),
    around(0, 0.2),
    around(0.1, 0.2),
    around(0.015, 0.01),
)
WIDE_BEHIND, LEVEL_OR_AHEAD = around(-0.1, 0.15), around(0.008, 0.007)


def rival(student_lead, teacher_lead=None):
    return Rival(student_lead, teacher_lead or around(0.2, 0.3))


CASES = [
    # teacher's gain, student's gain, small, hard, enough rows, case, verdict
    (SKILL, SKILL, AHEAD, AHEAD, True, "distil", "distil"),
    (SKILL, SKILL, JUST_AHEAD, None, True, "distil", "distil"),
    (SKILL, SKILL, None, AHEAD, True, "distil", "distil"),
    # A rival that is better, or level within the margin, on an interval that is narrow.
    (SKILL, SKILL, BEHIND, AHEAD, True, "rival", "do not distil"),
    (SKILL, SKILL, AHEAD, BEHIND, True, "rival", "do not distil"),
    (SKILL, SKILL, LEVEL, AHEAD, True, "rival", "do not distil"),
    (SKILL, SKILL, AHEAD, LEVEL, True, "rival", "do not distil"),
    (SKILL, SKILL, NARROWLY_AHEAD, AHEAD, True, "rival", "do not distil"),
    (SKILL, SKILL, BEHIND_OR_LEVEL, AHEAD, True, "rival", "do not distil"),
    (SKILL, SKILL, BEHIND, WIDE, True, "rival", "do not distil"),
    # A wide interval tells nothing, whatever is in its middle.
    (SKILL, SKILL, WIDE, AHEAD, True, "unclear", "cannot tell"),
    (SKILL, SKILL, WIDE_AHEAD, AHEAD, True, "unclear", "cannot tell"),
    (SKILL, SKILL, WIDE_BEHIND, AHEAD, True, "unclear", "cannot tell"),
    (SKILL, SKILL, AHEAD, WIDE, True, "unclear", "cannot tell"),
    (SKILL, SKILL, LEVEL_OR_AHEAD, AHEAD, True, "unclear", "cannot tell"),
    (SKILL, SKILL, None, None, True, "no rival", "cannot tell"),
    # Too few rows, or nothing to measure by.
    (SKILL, SKILL, AHEAD, AHEAD, False, "few rows", "cannot tell"),
    (SKILL, SKILL, BEHIND, BEHIND, False, "few rows", "cannot tell"),
    (UNKNOWN, UNKNOWN, AHEAD, AHEAD, True, "undefined", "cannot tell"),
    # A teacher or a student without skill.
    (WORSE, SKILL, AHEAD, AHEAD, True, "no skill", "do not distil"),
    (NONE, SKILL, AHEAD, AHEAD, True, "skill unseen", "cannot tell"),
    (SKILL, NONE, AHEAD, AHEAD, True, "skill unseen", "cannot tell"),
    (NONE, NONE, BEHIND, WIDE, True, "rival", "do not distil"),
]


@pytest.mark.parametrize(("teacher", "student", "small", "hard", "enough", "case", "verdict"), CASES)
def test_the_first_case_that_holds_decides(teacher, student, small, hard, enough, case, verdict):
    rivals = {name: rival(lead) for name, lead in (("small", small), ("hard", hard)) if lead is not None}
    facts = Facts(enough, teacher, student, rivals)
    decision = decide(facts)
    assert (decision.case, decision.verdict) == (case, verdict)
    values = {"teacher": 0.5, "student": 0.6, "reference": 1.5, "small": 0.7, "hard": 0.8}
    said = advice(decision, Evidence(facts, LOG_LOSS.label, values, 1200, 54_000)).sentence
    begins = {"distil": "Distil: ", "do not distil": "Do not distil: "}
    if verdict in begins:
        assert said.startswith(begins[verdict])
        assert "by log-loss" in said
    else:
        assert "cannot decide whether" in said or said.startswith("Cannot tell whether")
    assert said.endswith(".")


def test_a_rival_that_beats_the_teacher_beyond_chance_and_not_the_student_is_advised():
    facts = Facts(True, SKILL, SKILL, {"small": rival(WIDE, BEHIND), "hard": rival(AHEAD)})
    decision = decide(facts)
    assert (decision.case, decision.rivals, decision.verdict) == ("rival beats teacher", ("small",), "do not distil")
    # By chance is not enough, and neither is it where the student is clearly better than the rival.
    assert decide(Facts(True, SKILL, SKILL, {"small": rival(WIDE, WIDE_BEHIND)})).verdict == "cannot tell"
    assert decide(Facts(True, SKILL, SKILL, {"small": rival(AHEAD, BEHIND)})).verdict == "distil"


VALUES = {"teacher": 0.9, "student": 0.88, "reference": 0.5, "small": 0.89, "hard": 0.87}


@pytest.mark.parametrize(
    ("rivals", "words"),
    [
        (
            {"small": Rival(around(-0.01, 0.005), around(0.01, 0.005)), "hard": Rival(around(0.01, 0.005), SKILL)},
            "Do not distil: by ROC AUC, a LightGBM of 54 KB fitted on the labels is better than the student "
            "(0.89 against 0.88).",
        ),
        (
            {"small": Rival(around(-0.01, 0.005), around(-0.01, 0.005))},
            "Do not distil: by ROC AUC, a LightGBM of 54 KB fitted on the labels is better than the student "
            "(0.89 against 0.88) and than the teacher itself (0.9).",
        ),
        (
            {"small": Rival(around(-0.01, 0.005), SKILL), "hard": Rival(around(-0.01, 0.005), SKILL)},
            "Do not distil: by ROC AUC, a LightGBM of 54 KB fitted on the labels is better than the student "
            "(0.89 against 0.88), and so is the same student fitted on the labels (0.87).",
        ),
        (
            {"hard": Rival(around(0, 0.002), SKILL)},
            "Do not distil: by ROC AUC, the same student fitted on the labels is as good as the student "
            "(0.87 against 0.88: a lead of at most 0.5% of the teacher's skill).",
        ),
        (
            {"small": Rival(around(0.02, 0.03), SKILL)},
            "These 1,200 test rows cannot decide whether to distil: by ROC AUC, the student's lead over a LightGBM of "
            "54 KB fitted on the labels is between -2.5% and 12.5% of the teacher's skill. Measure on more rows.",
        ),
        (
            {"small": Rival(around(0.1, 0.03), SKILL), "hard": Rival(around(0.2, 0.03), SKILL)},
            "Distil: by ROC AUC, the student keeps 95.0% of the teacher's skill, against 70.0% by a LightGBM of 54 KB "
            "fitted on the labels and 45.0% by the same student fitted on the labels.",
        ),
        (
            {"small": Rival(around(0.1, 0.03), SKILL), "hard": Rival(around(0.5, 0.03), SKILL)},
            "Distil: by ROC AUC, the student keeps 95.0% of the teacher's skill, against 70.0% by a LightGBM of 54 KB "
            "fitted on the labels and none by the same student fitted on the labels.",
        ),
    ],
)
def test_sentences_name_the_measure_the_numbers_and_the_rivals(rivals, words):
    facts = Facts(True, around(0.4, 0.01), around(0.38, 0.01), rivals)
    assert advice(decide(facts), Evidence(facts, ROC_AUC.label, VALUES, 1200, 54_000)).sentence == words


def test_a_rival_that_is_better_by_next_to_nothing_is_as_good():
    facts = Facts(True, around(0.7, 0.01), around(0.7, 0.01), {"hard": rival(around(-2e-5, 1e-6), around(-2e-5, 1e-6))})
    values = {"student": 2e-5, "hard": 0.0, "teacher": 2e-5}
    said = advice(decide(facts), Evidence(facts, LOG_LOSS.label, values, 1200)).sentence
    as_good = "the same student fitted on the labels is as good as the student (0 against 2e-05)"
    assert said == f"Do not distil: by log-loss, {as_good}."


def test_a_rival_that_was_not_compared_is_said():
    facts = Facts(True, SKILL, SKILL, {"hard": rival(AHEAD)})
    said = advice(decide(facts), Evidence(facts, LOG_LOSS.label, VALUES, 1200)).sentence
    assert said.startswith("Distil:")
    assert said.endswith("No LightGBM was compared: that needs `exported`, and a single output.")


def test_values_that_are_close_have_the_digits_that_tell_them_apart():
    assert against(0.62351, 0.62352) == "0.62351 against 0.62352"
    assert against(0.5, 0.25) == "0.5 against 0.25"
    assert against(0.3, 0.3) == "0.3 against 0.3"


def scores_of(truth, weights=None, classes=(), **by_contestant):
    """Scores by what each contestant predicts: positions of classes as certain probabilities."""
    certain = {name: np.eye(len(classes))[np.asarray(codes)] for name, codes in by_contestant.items()}
    return Scores(certain, np.asarray(truth), weights, np.array(classes))


def test_a_few_rows_and_rows_of_a_few_weights_are_not_enough():
    ones = np.ones(30)
    assert too_few_rows(scores_of(ones)) is None
    assert "needs 30 rows, and these count for 29" in too_few_rows(scores_of(ones[:29]))
    weights = np.r_[np.full(5, 1000.0), ones]
    assert "these count for 5.06" in too_few_rows(scores_of(np.ones(35), weights))
    codes, labels = np.r_[np.ones(10, int), np.zeros(40, int)], ["no", "yes"]
    assert too_few_rows(scores_of(codes, classes=labels)) is None
    assert "9 have class 'yes'" in too_few_rows(scores_of(codes[1:], classes=labels))
    assert "9 have class 'yes'" in too_few_rows(scores_of(codes, np.r_[0, np.ones(49)], labels))


def test_differences_are_paired_by_rows():
    """Two models that share the noise of the rows differ by what little they differ, whatever the noise."""
    noise = np.random.default_rng(0).normal(0, 5, 500)
    losses = {"reference": noise + 2, "teacher": noise, "student": noise + 0.1, "small": noise + 0.3}
    facts = facts_of(resample(losses, n_resamples=99), True)
    lead = facts.rivals["small"].student_lead
    assert (lead.low, lead.high) == pytest.approx((0.2, 0.2))
    assert decide(facts).verdict == "distil"


@pytest.mark.parametrize(
    ("lead", "noise", "student", "share", "reason"),
    [
        (0.2, 0.1, 0.05, 0.75, None),
        (0.2, 0.1, 0.3, -0.5, None),
        (0.01, 1.0, 0.5, np.nan, "cannot be distinguished from zero by log-loss (0.5 against 0.51)"),
        (0.0002, 0.001, 0.0106, np.nan, "is negligible by log-loss (0.5 against 0.5002)"),
        (-0.1, 0.1, 0.1, np.nan, "the teacher is no better than the same student on the labels by log-loss"),
    ],
)
def test_a_recovered_gap_is_no_share_of_nothing(lead, noise, student, share, reason):
    """The lead of the teacher over the twin, with its noise; the student's loss over the teacher's."""
    draws = np.random.default_rng(0).normal(0, noise, 1000)
    of_rows = draws - draws.mean()
    losses = {"teacher": np.full(1000, 0.5), "student": np.full(1000, 0.5 + student), "reference": np.full(1000, 1.0)}
    drawn = resample(losses | {"hard": 0.5 + lead + of_rows}, n_resamples=199)
    gap, reasons = recovered_gap(Comparison(LOG_LOSS, drawn))
    why = reasons.get("recovered_gap")
    assert gap.value == pytest.approx(share, nan_ok=True)
    assert (why is None) if reason is None else reason in why


def test_a_class_that_only_the_teacher_finds_is_named():
    codes = np.r_[np.zeros(60, int), np.ones(30, int), np.full(8, 2)]
    student = codes.copy()
    student[codes == 2] = 0
    scores = scores_of(codes, classes=["a", "b", "c"], teacher=codes, student=student)
    assert lost_classes(scores) == [("'c'", 8, 0, 8)]
    (said,) = warnings_of(scores, LOG_LOSS, 50_000)
    assert said == "The student misses a class that the teacher finds: 'c' (0 of its 8 test rows, the teacher 8)."


def test_a_class_of_which_less_than_half_is_found_is_lost_beyond_chance_only():
    codes = np.r_[np.zeros(60, int), np.ones(40, int)]
    few = codes.copy()
    few[60:90] = 0
    assert lost_classes(scores_of(codes, classes=[False, True], teacher=codes, student=few)) == [("True", 40, 10, 40)]
    by_chance, teacher = np.zeros(100, int), np.zeros(100, int)
    teacher[60:63], by_chance[63:64] = 1, 1
    assert lost_classes(scores_of(codes, classes=[0, 1], teacher=teacher, student=by_chance)) == []
    # What neither finds is not lost.
    assert lost_classes(scores_of(codes, classes=[0, 1], teacher=codes * 0, student=codes * 0)) == []


def test_a_file_that_is_not_small_is_said():
    scores = Scores({"student": np.ones(40)}, np.ones(40))
    assert warnings_of(scores, R2, 1_000_000) == warnings_of(scores, R2, None) == []
    (said,) = warnings_of(scores, R2, 1_400_000)
    assert "takes 1.4 MB, more than the 1 MB of a small model" in said


def test_predictions_that_have_no_deviance_are_counted():
    scores = Scores({"student": np.array([1.0, 0.0, -2.0])}, np.ones(3))
    assert warnings_of(scores, R2, None) == []
    (said,) = warnings_of(scores, deviance(1), None)
    assert said.startswith("The student predicts zero or less in 2 test rows")
