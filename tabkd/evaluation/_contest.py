"""The contestants, each asked once: teacher, student, the models that could be shipped instead, and a constant."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone, is_classifier

from tabkd._typing import ColumnLike
from tabkd._weights import weight_params
from tabkd.evaluation import _metrics as measure
from tabkd.evaluation._criteria import Criterion, of_objective
from tabkd.evaluation._scores import Scores
from tabkd.evaluation._small_lightgbm import SmallLightGBM
from tabkd.teachers._answers import soft_targets
from tabkd.teachers._objective import Objective, class_weights_of, objective_of

if TYPE_CHECKING:
    from tabkd._classifier import DistilledClassifier
    from tabkd._regressor import DistilledRegressor


@dataclass(frozen=True)
class Rows:
    """Rows with their targets, and with their features and weights if these are known.

    Attributes
    ----------
    y : array of shape (n,) or (n, n_outputs)
        Labels or real values.
    X : frame or array of shape (n, d), or None
        The features; None if only the labels or values are known.
    sample_weight : array of shape (n,) or None
        The weights of the rows; None for equal weights.
    """

    y: np.ndarray
    X: Any = None
    sample_weight: np.ndarray | None = None


@dataclass(frozen=True)
class Contest:
    """The scores of the contestants, and the facts about the teacher and the training rows that the comparison needs.

    Attributes
    ----------
    scores : Scores
        The scores of every contestant on the test rows.
    known : Rows
        The rows that a constant is fitted on, without features: the training rows, or else the test rows.
    objective : Objective
        The loss that the teacher was fitted for; regression only.
    favoured : str or None
        The parameter by which the teacher favours classes.
    small_bytes : int or None
        The size of the LightGBM; None if none was fitted.
    """

    scores: Scores
    known: Rows
    objective: Objective = field(default_factory=Objective)
    favoured: str | None = None
    small_bytes: int | None = None

    def with_constant(self, criterion: Criterion) -> Contest:
        """The contest, with the best constant on the known rows as the prior unless it has one.

        For classes the frequencies are best by every criterion; for real values the best constant depends on it.

        Parameters
        ----------
        criterion : Criterion
            The criterion by which the constant is best.
        """
        if criterion.constant is None:
            return self
        y, weights = self.known.y, self.known.sample_weight
        constant = criterion.constant(y, np.ones(len(y)) if weights is None else weights)
        return replace(self, scores=self.scores.joined_by("prior", np.broadcast_to(constant, self.scores.truth.shape)))


def hold(model: Any, test: Rows, training: Rows | None, n_bytes: int | None, random_state: int) -> Contest:
    """Ask teacher and student about the test rows, and fit their rivals on the training rows if these are known.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
        The fitted model.
    test : Rows
        The rows to predict.
    training : Rows or None
        The rows that the model was fitted on. Rivals need their features.
    n_bytes : int or None
        The largest size of the LightGBM; None for no LightGBM.
    random_state : int
        The seed of the LightGBM.

    Raises
    ------
    ValueError
        If the model does not know a label.
    """
    of_task = _classification if is_classifier(model) else _regression
    return of_task(model, test, training, n_bytes, random_state)


def _classification(
    model: DistilledClassifier, test: Rows, training: Rows | None, n_bytes: int | None, random_state: int
) -> Contest:
    classes = np.asarray(model.classes_)
    truth = measure.class_codes(_flat(test.y), classes)
    known = Rows(truth, sample_weight=test.sample_weight)
    if training is not None:
        known = Rows(measure.class_codes(_flat(training.y), classes), sample_weight=training.sample_weight)
    found = class_weights_of(model.teacher_, classes, known.y)
    scores = {
        "teacher": measure.normalised(soft_targets(model.teacher_, test.X, classes)),
        "student": measure.normalised(model.predict_proba(test.X)),
    }
    small = None
    if training is not None and training.X is not None:
        weights = training.sample_weight
        if found is not None:  # the rivals favour the classes that the teacher favours
            weights = found[0][known.y] * (1 if weights is None else weights)
        twin = _twin(model, training.X, np.eye(len(classes))[known.y], weights)
        scores["hard"] = measure.normalised(twin.predict(test.X))
        if n_bytes:
            small = SmallLightGBM(n_bytes, task="classification", random_state=random_state)
            small.fit(training.X, classes[known.y], weights)
            scores["small"] = _of_classes(small, test.X, classes)
    frequencies = np.bincount(known.y, weights=known.sample_weight, minlength=len(classes))
    scores["prior"] = np.broadcast_to(frequencies / frequencies.sum(), (len(truth), len(classes)))
    return Contest(
        Scores(scores, truth, test.sample_weight, classes),
        known,
        favoured=None if found is None else found[1],
        small_bytes=None if small is None else small.n_bytes_,
    )


def _of_classes(small: SmallLightGBM, X_test: Any, classes: np.ndarray) -> np.ndarray:
    """The probabilities of a model that may not have seen every class."""
    P = np.zeros((len(X_test), len(classes)))
    P[:, measure.class_codes(small.classes_, classes)] = small.predict(X_test)
    return measure.normalised(P)


def _regression(
    model: DistilledRegressor, test: Rows, training: Rows | None, n_bytes: int | None, random_state: int
) -> Contest:
    truth = _values(test.y)
    known = Rows(truth, sample_weight=test.sample_weight)
    if training is not None:
        known = Rows(_values(training.y), sample_weight=training.sample_weight)
    objective = objective_of(model.teacher_)
    scores = {"teacher": soft_targets(model.teacher_, test.X), "student": model.predict(test.X)}
    small = None
    if training is not None and training.X is not None:
        hard, least = _twin(model, training.X, known.y, known.sample_weight).predict(test.X), model._task.link.least
        # If a teacher's answers are positive, a rival with others would not be shipped; some losses are not defined for
        # them.
        scores["hard"] = hard if least is None else np.maximum(hard, least if hard.ndim > 1 else least[0])
        if n_bytes and known.y.ndim == 1:
            # A frozen teacher may have been fitted on other values, and its loss may not allow these.
            loss = Objective() if of_objective(objective).undefined(known.y) else objective
            small = SmallLightGBM(n_bytes, task="regression", objective=loss, random_state=random_state)
            small.fit(training.X, known.y, known.sample_weight)
            scores["small"] = small.predict(test.X)
    shaped = {name: np.asarray(score, dtype=np.float64).reshape(truth.shape) for name, score in scores.items()}
    return Contest(
        Scores(shaped, truth, test.sample_weight),
        known,
        objective=objective,
        small_bytes=None if small is None else small.n_bytes_,
    )


def _twin(
    model: DistilledClassifier | DistilledRegressor, X: Any, targets: np.ndarray, weights: np.ndarray | None
) -> Any:
    """The same student, fitted on the labels alone."""
    student = clone(model.student_)
    try:
        params = weight_params(student, weights)
    except ValueError:  # a user's regressor that takes no weights, but the weights come from the teacher's classes
        params = {}
    return student.fit(X, targets, **params)


def _flat(y: ColumnLike) -> np.ndarray:
    """Labels as an array of shape (n,), even if they are a column."""
    y = np.asarray(y)
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


def _values(y: ColumnLike) -> np.ndarray:
    """A copy of the values as float64, which the caller cannot change, of shape (n,) for one output."""
    return _flat(np.array(y, dtype=np.float64))
