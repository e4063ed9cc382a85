"""The nodes of a tree in the form in which a page draws them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tabkd._page.section import number
from tabkd._page.tree import Node
from tabkd.students import TreeStudent
from tabkd.students._trees.rules import steps

# Categories of a split that are named.
_LEVELS = 3


def drawn_tree(student: Any) -> dict[str, Any] | None:
    """The nodes from left to right, each before its children, and their answers; None for other students.

    Parameters
    ----------
    student : estimator
        The fitted student.
    """
    if not isinstance(student, TreeStudent):
        return None
    nodes, names = student._nodes(), student.output_names(None)
    walked = list(steps(nodes, student.schema_, student.encoder_))
    shares = _reached(student._shares(), nodes.left, nodes.right, [step.node for step in walked])
    answers = student.predictions_of(nodes.values)
    texts, values, answer = _classes(answers, names) if student.task_ == "classification" else _values(answers)
    drawn = [
        Node(
            step.depth,
            "" if step.by is None else step.by.text(_LEVELS),
            float(shares[step.node]),
            texts[step.node],
            float(values[step.node]),
        )
        for step in walked
    ]
    return {"nodes": drawn, "answer": answer}


def _reached(shares: np.ndarray, left: np.ndarray, right: np.ndarray, walk: list[int]) -> np.ndarray:
    """The share of the rows that reach each node: that of its leaves."""
    reached = np.array(shares, np.float64)
    for node in reversed(walk):  # children come after their parents
        if left[node] >= 0:
            reached[node] = reached[left[node]] + reached[right[node]]
    return reached


def _classes(answers: np.ndarray, names: list[str]) -> tuple[list[str], np.ndarray, str]:
    """The probability of the second of two classes; of several classes, the most probable one."""
    if len(names) == 2:
        return [f"{p:.3f}" for p in answers[:, 1]], answers[:, 1], f"probability of {names[1]}"
    top = answers.argmax(axis=1)
    texts = [f"{names[k]} {p:.2f}" for k, p in zip(top.tolist(), answers.max(axis=1), strict=True)]
    return texts, answers.max(axis=1), "the most probable class"


def _values(answers: np.ndarray) -> tuple[list[str], np.ndarray, str]:
    """The values of the targets; the bars show the first one between its least and its largest."""
    first = answers[:, 0]
    texts = [", ".join(map(number, row)) for row in answers.tolist()]
    return texts, (first - first.min()) / (np.ptp(first) or 1.0), "value"
