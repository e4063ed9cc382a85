"""Who is compared: teacher, student, what could be shipped in its place, and a constant, each with its scores."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from sklearn.base import clone, is_classifier

from tabkd._weights import weight_params
from tabkd.evaluation import _metrics as measure
from tabkd.evaluation._criteria import Criterion, of_objective
from tabkd.evaluation._objective import Objective, class_weights_of, objective_of
from tabkd.evaluation._small_lightgbm import SmallLightGBM
from tabkd.teachers._answers import soft_targets


@dataclass(frozen=True)
class Training:
    """The rows that a model was fitted on, as far as they are known.

    Attributes
    ----------
    X : frame or array, or None
    y : array of shape (n,) or (n, n_outputs), or None
        Positions of the classes, or real values.
    sample_weight : array of shape (n,) or None
    """

    X: object | None = None
    y: np.ndarray | None = None
    sample_weight: np.ndarray | None = None


@dataclass(frozen=True)
class Contest:
    """The scores of every contestant on the test rows.

    Attributes
    ----------
    task : {"classification", "regression"}
    truth : array of shape (n,) or (n, n_outputs)
        Positions of the classes, or real values.
    scores : dict of str to array
        For each contestant probabilities (n, K), or predictions of the shape of `truth`.
    sample_weight : array of shape (n,) or None
        Of the test rows.
    training : Training
    classes : array of shape (K,)
        Empty for a regression.
    objective : Objective
        The loss that the teacher was fitted for; regression only.
    favoured : str or None
        The parameter by which the teacher favours classes.
    small_bytes : int or None
        What the rival weighs.
    """

    task: Literal["classification", "regression"]
    truth: np.ndarray
    scores: dict[str, np.ndarray]
    sample_weight: np.ndarray | None
    training: Training
    classes: np.ndarray = field(default_factory=lambda: np.array([]))
    objective: Objective = field(default_factory=Objective)
    favoured: str | None = None
    small_bytes: int | None = None

    @property
    def weights(self) -> np.ndarray:
        """The weights of the test rows, ones where none were given."""
        return np.ones(len(self.truth)) if self.sample_weight is None else self.sample_weight

    def losses(self, criterion: Criterion) -> dict[str, np.ndarray]:
        """The loss of each test row for each contestant, and for the reference that skill is measured from.

        For classes that is the prior. For values it is the best constant of the test rows, as in R² and D².
        """
        losses = {name: criterion.losses(self.truth, score, self.weights) for name, score in self.scores.items()}
        if criterion.constant is None:
            return losses | {"reference": losses["prior"]}
        constant = np.broadcast_to(criterion.constant(self.truth, self.weights), self.truth.shape)
        return losses | {"reference": criterion.losses(self.truth, constant, self.weights)}

    def with_constant(self, criterion: Criterion) -> Contest:
        """With the constant that a regression's criterion likes best on the training rows, among the contestants."""
        known, weights = self.training.y, self.training.sample_weight
        if known is None:
            known, weights = self.truth, self.sample_weight
        assert criterion.constant is not None
        constant = criterion.constant(known, np.ones(len(known)) if weights is None else weights)
        return replace(self, scores=self.scores | {"prior": np.broadcast_to(constant, self.truth.shape)})


def hold(model, X_test, y_test, sample_weight, training: Training, n_bytes: int | None, random_state: int) -> Contest:
    """Ask teacher and student about the test rows, and fit their rivals on the training rows where these are known.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
    X_test : frame or array of shape (n, d)
    y_test : array of shape (n,) or (n, n_outputs)
        Labels or values.
    sample_weight : array of shape (n,) or None
    training : Training
        With labels or values as `y`.
    n_bytes : int or None
        The bytes of the rival; None for no rival.
    random_state : int
    """
    make = _classification if is_classifier(model) else _regression
    return make(model, X_test, y_test, sample_weight, training, n_bytes, random_state)


def _classification(model, X_test, y_test, sample_weight, training, n_bytes, random_state) -> Contest:
    classes = np.asarray(model.classes_)
    codes = measure.class_codes(_flat(y_test), classes)
    known = codes
    if training.y is not None:
        known = measure.class_codes(_flat(training.y), classes)
        training = replace(training, y=known)
    found = class_weights_of(model.teacher_, classes, known)
    scores = {
        "teacher": measure.normalised(soft_targets(model.teacher_, X_test, classes)),
        "student": measure.normalised(model.predict_proba(X_test)),
    }
    # The rivals favour the classes that the teacher favours.
    weights = training.sample_weight
    if found is not None and training.y is not None:
        weights = found[0][known] * (1 if weights is None else weights)
    small = None
    if training.X is not None and training.y is not None:
        twin = _twin(model, training.X, np.eye(len(classes))[known], weights)
        scores["hard"] = measure.normalised(twin.predict(X_test))
        if n_bytes:
            small = SmallLightGBM(n_bytes, task="classification", random_state=random_state)
            small.fit(training.X, classes[known], weights)
            scores["small"] = _of_classes(small, X_test, classes)
    of_rows = training.sample_weight if training.y is not None else sample_weight
    frequencies = np.bincount(known, weights=of_rows, minlength=len(classes))
    scores["prior"] = np.tile(frequencies / frequencies.sum(), (len(codes), 1))
    return Contest(
        "classification",
        codes,
        scores,
        sample_weight,
        training,
        classes,
        favoured=None if found is None else found[1],
        small_bytes=None if small is None else small.n_bytes_,
    )


def _of_classes(small, X_test, classes) -> np.ndarray:
    """The probabilities of a model that may not have seen every class."""
    P = np.zeros((len(X_test), len(classes)))
    P[:, measure.class_codes(small.classes_, classes)] = small.predict(X_test)
    return measure.normalised(P)


def _regression(model, X_test, y_test, sample_weight, training, n_bytes, random_state) -> Contest:
    y = _values(y_test)
    objective = objective_of(model.teacher_)
    scores = {"teacher": soft_targets(model.teacher_, X_test), "student": model.predict(X_test)}
    small = None
    if training.y is not None:
        training = replace(training, y=_values(training.y))
    if training.X is not None and training.y is not None:
        scores["hard"] = _twin(model, training.X, training.y, training.sample_weight).predict(X_test)
        if n_bytes and training.y.ndim == 1:
            # A frozen teacher may have been fitted on other values than these, which its loss does not take.
            loss = Objective() if of_objective(objective).undefined(training.y) else objective
            small = SmallLightGBM(n_bytes, task="regression", objective=loss, random_state=random_state)
            small.fit(training.X, training.y, training.sample_weight)
            scores["small"] = small.predict(X_test)
    return Contest(
        "regression",
        y,
        {name: np.asarray(score, dtype=np.float64).reshape(y.shape) for name, score in scores.items()},
        sample_weight,
        training,
        objective=objective,
        small_bytes=None if small is None else small.n_bytes_,
    )


def _twin(model, X, targets, weights):
    """The same student, fitted on the labels alone."""
    student = clone(model.student_)
    try:
        params = weight_params(student, weights)
    except ValueError:  # a regressor of the user's own that takes no weights, which the teacher's classes have
        params = {}
    return student.fit(X, targets, **params)


def _flat(y) -> np.ndarray:
    """Labels as an array of shape (n,), also where they are a column."""
    y = np.asarray(y)
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


def _values(y) -> np.ndarray:
    """Values as float64, of shape (n,) for one output."""
    return _flat(np.asarray(y, dtype=np.float64))
