"""Links: the scale on which a student learns values, so that its answers have the same range as its teacher's.

A student fitted by squared error can answer any number. With a link g it learns g(answer) and answers with the inverse
of g, which gives only numbers above zero (log) or between zero and one (logit), in Python and in the graph.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from scipy.special import expit, logit

from tabkd._options import option
from tabkd.onnx._graph import Graph
from tabkd.students._student import Student
from tabkd.students._student_graph import is_far
from tabkd.teachers._objective import Objective

#: The names that a user can give.
LINKS = ("auto", "identity", "log", "logit")
# The logarithms whose exponentials float32 can hold: those below would be zero or denormal, those above infinite.
_EXPONENTS = (-87.0, 88.0)
# The log-odds whose sigmoids are above zero and below one in ONNX Runtime's float32.
_LOG_ODDS = (-16.0, 16.0)
_TINY = float(np.finfo(np.float32).tiny)


class Link(ABC):
    """The scale on which a student learns values, of shape (n, K).

    Attributes
    ----------
    name : {"identity", "log", "logit"}
        What users call it.
    least : array of shape (K,) or None
        The lowest answer of the teacher, if it can give no lower ones.
    shift : array of shape (K,) or float
        The constant that is added to the student's targets before they become answers.
    is_wide : bool
        Whether float32 could not distinguish the answers.
    """

    name: ClassVar[str]
    least: np.ndarray | None
    shift: np.ndarray | float = 0.0
    is_wide = False

    @property
    def bound(self) -> np.ndarray | None:
        """The number, shape (K,), to which lower answers are raised, or None."""
        return None

    @abstractmethod
    def targets(self, answers: np.ndarray) -> np.ndarray:
        """The answers on the scale of the link."""

    @abstractmethod
    def answers(self, targets: np.ndarray) -> np.ndarray:
        """The answers that belong to a student's targets."""

    @abstractmethod
    def write(self, graph: Graph, targets: str, wide: bool) -> str:
        """Write `answers` into a graph, in float64 if `wide`."""

    def emphasis(self, answers: np.ndarray) -> np.ndarray:
        """The factors, shape (n,), of the weights of rows with these answers."""
        return np.ones(len(answers))

    def settled(
        self, predict: Callable[[], np.ndarray], answers: np.ndarray, weights: np.ndarray, lowest: np.ndarray
    ) -> Self:
        """The link after the student's fit.

        Parameters
        ----------
        predict : callable
            Gives the student's targets, shape (n, K), for the labelled rows.
        answers : array of shape (n, K)
            The targets for them.
        weights : array of shape (n,)
            The weights of these rows.
        lowest : array of shape (K,)
            The lowest target of any row that the student learnt from.
        """
        return self

    def distances(self, got: np.ndarray, expected: np.ndarray, student: Student) -> np.ndarray:
        """How far apart answers are, in standard deviations of the targets."""
        return np.abs(got - expected) / student.target_scale_


@dataclass(frozen=True, eq=False)
class Identity(Link):
    """Values as they are, but never below the lowest answer of a teacher that has no answers below zero.

    The bound can only move a student towards its teacher, which respects it.

    Attributes
    ----------
    least : array of shape (K,) or None
        The least answer of each output; None for no bound.
    """

    name = "identity"
    bounded: bool = True
    least: np.ndarray | None = None

    @property
    def bound(self) -> np.ndarray | None:
        """The least answers."""
        return self.least

    def targets(self, answers: np.ndarray) -> np.ndarray:
        """The answers."""
        return answers

    def answers(self, targets: np.ndarray) -> np.ndarray:
        """The targets, at least the least answer."""
        return targets if self.least is None else np.maximum(targets, self.least)

    def write(self, graph: Graph, targets: str, wide: bool) -> str:
        """Write a maximum, if there is a bound."""
        if self.least is None:
            return targets
        return graph.node("Max", [targets, graph.constant(self.least.astype(np.float64 if wide else np.float32))])

    def settled(
        self, predict: Callable[[], np.ndarray], answers: np.ndarray, weights: np.ndarray, lowest: np.ndarray
    ) -> Self:
        """The link with the lowest answer of the teacher as the least, unless the teacher answered less than zero."""
        if not self.bounded or lowest.min() < 0:
            return self
        return replace(self, least=np.where(lowest > 0, np.maximum(lowest, _TINY), 0.0))


@dataclass(frozen=True, eq=False)
class _Curved(Link):
    """A link for answers within an interval.

    The squared error on its scale is, near the teacher's answer, the teacher's own deviance if each row has the weight
    ``g'(t)**-2 / V(t)``, where V is the variance function of the loss.

    Attributes
    ----------
    least, most : arrays of shape (K,)
        The range of those of the teacher's answers to labelled rows that are within the interval. Later answers for
        which the link is not defined count as the nearer end.
    mean_weight : array of shape (K,)
        The mean weight of these rows.
    is_wide : bool
        Whether the answers are so far from zero that float32 could not distinguish them.
    """

    least: np.ndarray
    most: np.ndarray
    mean_weight: np.ndarray
    is_wide: bool

    def emphasis(self, answers: np.ndarray) -> np.ndarray:
        """The weight of each row relative to the mean weight, averaged over the outputs."""
        return (self._weights(self._within(answers)) / self.mean_weight).mean(axis=1)

    @abstractmethod
    def _weights(self, answers: np.ndarray) -> np.ndarray:
        """The weight of each answer."""

    @abstractmethod
    def _within(self, answers: np.ndarray) -> np.ndarray:
        """The answers, those outside the interval moved into it."""

    @classmethod
    def _of(cls, answers: np.ndarray, **parameters: object) -> Self:
        ones = np.ones(answers.shape[1])
        far = is_far(answers.mean(axis=0), answers.std(axis=0))
        link = cls(answers.min(axis=0), answers.max(axis=0), ones, far, **parameters)
        return replace(link, mean_weight=link._weights(answers).mean(axis=0))


@dataclass(frozen=True, eq=False)
class Log(_Curved):
    """Logarithms of values above zero.

    Attributes
    ----------
    power : float
        The power of Tweedie's variance function: 0 for the squared error, 1 for Poisson, 2 for gamma.
    shift : array of shape (K,) or float
        The constant that is added to the student's targets, so that its answers have the sum of its teacher's.

    References
    ----------
    P. McCullagh, J. A. Nelder, "Generalized Linear Models", 1989, sec. 2.5.
    """

    name = "log"
    power: float = 0.0
    shift: np.ndarray | float = 0.0

    def targets(self, answers: np.ndarray) -> np.ndarray:
        """The logarithms."""
        return np.log(self._within(answers))

    def answers(self, targets: np.ndarray) -> np.ndarray:
        """The exponentials, all of which float32 can hold."""
        return np.exp(np.clip(targets + self.shift, *_EXPONENTS))

    def write(self, graph: Graph, targets: str, wide: bool) -> str:
        """Write the shift and the exponential."""
        dtype = np.float64 if wide else np.float32
        if np.any(self.shift):
            targets = graph.node("Add", [targets, graph.constant(np.asarray(self.shift, dtype=dtype))])
        return graph.node("Exp", [_clipped(graph, targets, _EXPONENTS, dtype)])

    def settled(
        self, predict: Callable[[], np.ndarray], answers: np.ndarray, weights: np.ndarray, lowest: np.ndarray
    ) -> Self:
        """The link whose answers to the labelled rows have the teacher's sum: means of logarithms miss it."""
        given = self.answers(predict())
        return replace(self, shift=np.log(weights @ answers) - np.log(weights @ given))

    def distances(self, got: np.ndarray, expected: np.ndarray, student: Student) -> np.ndarray:
        """The distances of the logarithms."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return super().distances(np.log(got), np.log(expected), student)

    def _weights(self, answers: np.ndarray) -> np.ndarray:
        return answers ** (2 - self.power)

    def _within(self, answers: np.ndarray) -> np.ndarray:
        return np.where(answers > 0, np.maximum(answers, _TINY), self.least)


@dataclass(frozen=True, eq=False)
class Logit(_Curved):
    """Log-odds of values between zero and one."""

    name = "logit"

    def targets(self, answers: np.ndarray) -> np.ndarray:
        """The log-odds."""
        return logit(self._within(answers))

    def answers(self, targets: np.ndarray) -> np.ndarray:
        """The sigmoids, between zero and one even in float32."""
        return expit(np.clip(targets, *_LOG_ODDS))

    def write(self, graph: Graph, targets: str, wide: bool) -> str:
        """Write the sigmoid."""
        return graph.node("Sigmoid", [_clipped(graph, targets, _LOG_ODDS, np.float64 if wide else np.float32)])

    def distances(self, got: np.ndarray, expected: np.ndarray, student: Student) -> np.ndarray:
        """The absolute differences, as for probabilities."""
        return np.abs(got - expected)

    def _weights(self, answers: np.ndarray) -> np.ndarray:
        return answers * (1 - answers)

    def _within(self, answers: np.ndarray) -> np.ndarray:
        return np.where(answers <= 0, self.least, np.where(answers >= 1, self.most, answers))


def choose_link(asked: str, objective: Objective, answers: np.ndarray, teacher: str, weighted: bool = True) -> Link:
    """The link for a student.

    "auto" is the link of the teacher's loss, if the teacher's answers allow it: log for Poisson, gamma and Tweedie,
    logit for a cross-entropy. For any other loss it is the identity, which `Link.settled` bounds.

    Parameters
    ----------
    asked : {"auto", "identity", "log", "logit"}
        What the user wants.
    objective : Objective
        The teacher's loss.
    answers : array of shape (n, K)
        The targets for the labelled rows.
    teacher : str
        The name of the teacher, for errors.
    weighted : bool, default=True
        Whether the student takes weights.

    Raises
    ------
    ValueError
        If the link that the user wants is not defined for an answer.
    """
    name = _usual_link(objective, answers) if asked == "auto" else asked
    if name == "identity":
        return Identity(bounded=asked == "auto")
    _check_answers(name, answers, teacher)
    if name == "logit":
        return Logit._of(answers)
    # With the power of gamma all rows have the same weight.
    return Log._of(answers, power=objective.power if weighted else 2.0)


def _usual_link(objective: Objective, answers: np.ndarray) -> str:
    if objective.power >= 1 and answers.min() > 0:
        return "log"
    if objective.name == "cross_entropy" and 0 < answers.min() <= answers.max() < 1:
        return "logit"
    return "identity"


def _check_answers(name: str, answers: np.ndarray, teacher: str) -> None:
    wrong = answers <= 0 if name == "log" else (answers <= 0) | (answers >= 1)
    if not wrong.any():
        return
    row, column = np.argwhere(wrong)[0]
    allowed = "above zero" if name == "log" else "between zero and one"
    raise ValueError(
        f"{option('link')}={name!r} needs answers {allowed}, but teacher {teacher} answers "
        f"{answers[row, column]:.6g} to row {row}. Use {option('link')}='auto' or 'identity', or a teacher whose "
        f"answers are always {allowed}."
    )


def _clipped(graph: Graph, name: str, bounds: tuple[float, float], dtype: type) -> str:
    return graph.node("Clip", [name, *(graph.constant(np.array(bound, dtype=dtype)) for bound in bounds)])
