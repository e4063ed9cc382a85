"""Rows held out of a search: how much of the teacher a candidate explains there, and how much of its skill it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tabkd.evaluation import _metrics as measure
from tabkd.evaluation._choice import choose
from tabkd.evaluation._comparison import losses_of
from tabkd.evaluation._contest import Contest, Rows
from tabkd.evaluation._criteria import Criterion
from tabkd.evaluation._fidelity import classification_fidelity, regression_fidelity
from tabkd.evaluation._scores import Scores
from tabkd.teachers._objective import Objective, class_weights_of, objective_of


@dataclass(frozen=True)
class HeldOut:
    """The teacher's answers to rows that no candidate learns from, and their labels.

    Attributes
    ----------
    scores : Scores
        Of the teacher and of the best constant, with the truth.
    criterion : Criterion
        The measure of skill.
    """

    scores: Scores
    criterion: Criterion

    def fidelity(self, student: np.ndarray) -> float:
        """The share of the teacher's answers that a candidate explains: one for all of it, zero for a constant.

        For classification it is one minus the divergence from the teacher divided by that of the teacher's mean answer;
        for regression it is R² to the teacher. It needs no labels. If the teacher's answers are all equal, it is one or
        zero.

        Parameters
        ----------
        student : array of shape (n, K)
            The scores of the candidate.
        """
        teacher, weights = self.scores["teacher"], self.scores.sample_weight
        student = student.reshape(teacher.shape)
        if self.scores.task == "regression":
            found = regression_fidelity(teacher, student, weights)["r2_to_teacher"]
        else:
            constant = np.broadcast_to(measure.mean(teacher, weights), teacher.shape)
            lost, most = (classification_fidelity(teacher, each, weights)["kl"] for each in (student, constant))
            found = 1 - lost / most if most > 0 else np.nan
        return float(found) if np.isfinite(found) else float(np.allclose(student, teacher, atol=1e-4))

    def skill_kept(self, student: np.ndarray) -> float:
        """The share of the teacher's skill that a candidate has, by the labels; NaN if the teacher has none.

        Parameters
        ----------
        student : array of shape (n, K)
            The scores of the candidate.
        """
        scores = self.scores.joined_by("student", student.reshape(self.scores["teacher"].shape))
        losses = losses_of(scores, self.criterion)
        names = ("reference", "student", "teacher")
        reference, of_student, of_teacher = (float(measure.mean(losses[name], scores.weights)) for name in names)
        gain = reference - of_teacher
        return (reference - of_student) / gain if gain > 0 else np.nan


def held_out(model: Any, answers: np.ndarray, test: Rows, known: Rows, random_state: int = 0) -> HeldOut:
    """The held-out rows that candidates are measured on.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
        With its fitted teacher.
    answers : array of shape (n, K)
        The teacher's answers to the rows.
    test : Rows
        Their labels and weights.
    known : Rows
        The labels and weights of the rows that the teacher was fitted on.
    random_state : int
        The seed of the resamples with which the teacher's calibration is judged.
    """
    make = _classes if model._task.name == "classification" else _values
    contest = make(model, answers, test, known)
    criterion, _ = choose("auto", contest, random_state)
    return HeldOut(contest.with_constant(criterion).scores, criterion)


def _classes(model: Any, answers: np.ndarray, test: Rows, known: Rows) -> Contest:
    classes = np.asarray(model.classes_)
    truth, codes = measure.class_codes(test.y, classes), measure.class_codes(known.y, classes)
    frequencies = np.bincount(codes, weights=known.sample_weight, minlength=len(classes)).astype(np.float64)
    found = class_weights_of(model.teacher_, classes, codes)
    scores = {
        "teacher": measure.normalised(answers),
        "prior": np.broadcast_to(frequencies / frequencies.sum(), (len(truth), len(classes))),
    }
    return Contest(
        Scores(scores, truth, test.sample_weight, classes),
        Rows(codes, sample_weight=known.sample_weight),
        favoured=None if found is None else found[1],
    )


def _values(model: Any, answers: np.ndarray, test: Rows, known: Rows) -> Contest:
    scores = Scores({"teacher": answers.reshape(test.y.shape)}, test.y, test.sample_weight)
    objective: Objective = objective_of(model.teacher_)
    return Contest(scores, known, objective=objective)
