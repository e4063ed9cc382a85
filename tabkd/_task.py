"""What a model predicts, classes or values: everything that differs between the classifier and the regressor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np

from tabkd._link import Identity, Link
from tabkd.onnx import Graph
from tabkd.onnx._convertible import Output
from tabkd.onnx._heads import write_labels, write_probabilities
from tabkd.students import Student
from tabkd.teachers._by_heart import KnownRows, known_rows


class Task(ABC):
    """What a model predicts.

    Attributes
    ----------
    name : {"classification", "regression"}
        The name of the task.
    classes : array of shape (K,) or None
        The labels; None for values.
    labelling_cost : float
        The time of the teacher's answer to a row, relative to that of a single score.
    """

    name: ClassVar[Literal["classification", "regression"]]
    classes: np.ndarray | None = None
    labelling_cost = 1.0

    @abstractmethod
    def targets(self, y: np.ndarray) -> np.ndarray:
        """The targets that the labels alone give, float64 of shape (n, K)."""

    @abstractmethod
    def is_single(self, n_outputs: int) -> bool:
        """Whether a prediction is a single number, which can rise and fall."""

    @abstractmethod
    def soften(self, answers: np.ndarray, temperature: float) -> np.ndarray:
        """The soft answers of a teacher, which labels are blended with; both of shape (n, K)."""

    def taught(self, soft: np.ndarray) -> np.ndarray:
        """The targets that a student learns from soft answers, both of shape (n, K)."""
        return soft

    def emphasis(self, soft: np.ndarray) -> np.ndarray:
        """The factors, shape (n,), of the weights of rows with these soft answers."""
        return np.ones(len(soft))

    @abstractmethod
    def predictions(self, targets: np.ndarray, temperature: float) -> np.ndarray:
        """The predictions that follow from a student's targets, both of shape (n, K)."""

    @abstractmethod
    def distances(self, got: np.ndarray, expected: np.ndarray, student: Student) -> np.ndarray:
        """How far apart predictions (n, K) are, in the unit of the parity check."""

    @abstractmethod
    def known_rows(self, answers: np.ndarray, y: np.ndarray, scores: np.ndarray) -> KnownRows | None:
        """The rows, if the teacher's answers, shape (n, K), show that it has memorized them; otherwise None."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """The metadata of the task in an exported file."""

    @abstractmethod
    def onnx_outputs(self, student: Student) -> list[Output]:
        """The outputs of the graph; the last has the scores."""

    @abstractmethod
    def onnx_tensors(self, graph: Graph, targets: str, student: Student, temperature: float) -> list[str]:
        """Write the graph from a student's targets (n, K) to the outputs."""

    @abstractmethod
    def names(self, n: int) -> tuple[str, ...]:
        """The names of the n scores, for texts that people read."""

    @abstractmethod
    def output_name(self, i: int) -> str:
        """The name of the score of column `i` in errors."""

    def raw_factor(self, temperature: float) -> float:
        """The number by which a student's raw scores are multiplied to give those of the model."""
        return 1.0

    def raw_offset(self) -> np.ndarray | float:
        """What is added to a student's raw scores, shape (M,) or a number."""
        return 0.0


class Classification(Task):
    """Probabilities of classes.

    Parameters
    ----------
    classes : array of shape (K,)
        The labels.
    """

    name = "classification"
    classes: np.ndarray

    def __init__(self, classes: np.ndarray):
        self.classes = classes
        # A boosted teacher has a tree for each class in every round.
        self.labelling_cost = max(1.0, len(classes) / 4)

    def targets(self, y: np.ndarray) -> np.ndarray:
        """One for the label of each row, zero for the other classes."""
        return (np.asarray(y)[:, None] == self.classes[None, :]).astype(np.float64)

    def is_single(self, n_outputs: int) -> bool:
        """Whether there are two classes."""
        return n_outputs == 2

    def soften(self, answers: np.ndarray, temperature: float) -> np.ndarray:
        """Hinton's eq. 1 on probabilities: the teacher's logits divided by T."""
        if temperature == 1:
            return answers
        # Divided by the largest first, so that the power cannot underflow in all classes.
        softened = (answers / answers.max(axis=1, keepdims=True)) ** (1 / temperature)
        return softened / softened.sum(axis=1, keepdims=True)

    def predictions(self, targets: np.ndarray, temperature: float) -> np.ndarray:
        """Targets as probabilities: clipped, raised to the power of T, and divided by their sum."""
        probabilities = np.clip(targets, 0, None)
        if temperature != 1:
            probabilities = probabilities**temperature
        total = probabilities.sum(axis=1, keepdims=True)
        # A regressor of another library may call every class impossible.
        uniform = np.full_like(probabilities, 1 / probabilities.shape[1])
        return np.divide(probabilities, total, out=uniform, where=total > 0)

    def raw_factor(self, temperature: float) -> float:
        """T, because probabilities to the power of T have T times the log-odds."""
        return float(temperature)

    def distances(self, got: np.ndarray, expected: np.ndarray, student: Student) -> np.ndarray:
        """The differences of the probabilities."""
        return np.abs(got - expected)

    def known_rows(self, answers: np.ndarray, y: np.ndarray, scores: np.ndarray) -> KnownRows | None:
        """The rows, if the teacher's probabilities fit their labels better than they could fit those of new rows."""
        return known_rows(answers, np.searchsorted(self.classes, y), scores)

    def facts(self) -> dict[str, Any]:
        """The classes and their dtype."""
        return {
            "one_dimensional": True,
            "classes": [c.item() if isinstance(c, np.generic) else c for c in self.classes],
            "classes_dtype": self.classes.dtype.kind,
        }

    def onnx_outputs(self, student: Student) -> list[Output]:
        """The label and the probabilities."""
        label = "INT64" if self.classes.dtype.kind in "iufb" else "STRING"
        return [Output("label", label, ()), Output("probabilities", "FLOAT", (len(self.classes),))]

    def onnx_tensors(self, graph: Graph, targets: str, student: Student, temperature: float) -> list[str]:
        """Write the probabilities and the likeliest class."""
        on_simplex = student.on_simplex and student.task_ == self.name
        probabilities = write_probabilities(graph, targets, temperature, on_simplex)
        return [write_labels(graph, probabilities, self.classes), probabilities]

    def names(self, n: int) -> tuple[str, ...]:
        """The classes."""
        return tuple(map(str, self.classes.tolist()))

    def output_name(self, i: int) -> str:
        """The probability of a class."""
        return f"the probability of {self.classes[i : i + 1].tolist()[0]!r}"


class Regression(Task):
    """Values of one target or several.

    Parameters
    ----------
    one_dimensional : bool
        Whether the targets were of shape (n,) at fit, as predictions then are.
    link : Link
        The scale on which a student learns the values.
    """

    name = "regression"

    def __init__(self, one_dimensional: bool, link: Link | None = None):
        self.one_dimensional = one_dimensional
        self.link = link or Identity()

    def targets(self, y: np.ndarray) -> np.ndarray:
        """The values."""
        return y.reshape(len(y), -1)

    def is_single(self, n_outputs: int) -> bool:
        """Whether there is one target."""
        return n_outputs == 1

    def soften(self, answers: np.ndarray, temperature: float) -> np.ndarray:
        """The values as they are."""
        return answers

    def taught(self, soft: np.ndarray) -> np.ndarray:
        """The values on the scale of the link."""
        return self.link.targets(soft)

    def emphasis(self, soft: np.ndarray) -> np.ndarray:
        """Those with which the squared error on the scale of the link approximates the loss of the teacher."""
        return self.link.emphasis(soft)

    def predictions(self, targets: np.ndarray, temperature: float) -> np.ndarray:
        """The values."""
        return self.link.answers(targets)

    def distances(self, got: np.ndarray, expected: np.ndarray, student: Student) -> np.ndarray:
        """The differences in standard deviations of the target, or those on the scale of the link."""
        return self.link.distances(got, expected, student)

    def known_rows(self, answers: np.ndarray, y: np.ndarray, scores: np.ndarray) -> None:
        """None, because values do not show it."""

    def facts(self) -> dict[str, Any]:
        """The shape of predictions, the link and its bound."""
        bound = self.link.bound
        facts = {"one_dimensional": self.one_dimensional, "link": self.link.name}
        return facts if bound is None else facts | {"least": bound.tolist()}

    def onnx_outputs(self, student: Student) -> list[Output]:
        """The values."""
        return [Output("variable", "DOUBLE" if self._is_wide(student) else "FLOAT", (student.n_outputs_,))]

    def onnx_tensors(self, graph: Graph, targets: str, student: Student, temperature: float) -> list[str]:
        """Write the values, in float64 if they are far from zero."""
        wide = self._is_wide(student)
        return [self.link.write(graph, graph.double(targets) if wide else targets, wide)]

    def raw_offset(self) -> np.ndarray | float:
        """What the link adds."""
        return self.link.shift

    def names(self, n: int) -> tuple[str, ...]:
        """The word for a value, and its number if there are several."""
        return ("value",) if n == 1 else tuple(f"value {i}" for i in range(n))

    def output_name(self, i: int) -> str:
        """The number of an output."""
        return f"output {i}"

    def _is_wide(self, student: Student) -> bool:
        return student.is_wide or self.link.is_wide
