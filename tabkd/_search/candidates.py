"""The candidates of a search: a ladder of settings for each student, the smallest first, or what the user gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.model_selection import ParameterGrid

from tabkd._options import option
from tabkd.students import STUDENTS
from tabkd.students._registry import student_names

#: From few to many bytes; a student without a ladder is tried with its defaults.
LADDERS: dict[str, list[dict[str, Any]]] = {
    "mlp": [
        {"hidden_layer_sizes": (16,), "n_knots": 32, "max_units": 96},
        {"hidden_layer_sizes": (24, 12), "n_knots": 64, "max_units": 144},
        {"hidden_layer_sizes": (32, 16), "n_knots": 96, "max_units": 192},
        {"hidden_layer_sizes": (48, 24), "n_knots": 128, "max_units": 224},
        {"hidden_layer_sizes": (64, 32), "n_knots": 128, "max_units": 288},
        {"hidden_layer_sizes": (128, 64), "n_knots": 128, "max_units": 288},
        {},
    ],
    "additive": [
        {"n_pairs": 0, "n_knots": 24},
        {"n_pairs": 0, "n_knots": 64},
        {"n_pairs": "auto", "n_knots": 64},
    ],
    "tree": [{"max_leaf_nodes": 16}, {"max_leaf_nodes": 64}, {"max_leaf_nodes": 256}],
    "boosted_trees": [
        {"n_estimators": 10, "max_leaf_nodes": 8},
        {"n_estimators": 20, "max_leaf_nodes": 8},
        {"n_estimators": 60, "max_leaf_nodes": 16},
    ],
}


@dataclass(frozen=True)
class Measures:
    """The measures of a candidate.

    Attributes
    ----------
    share : float
        The share of the lessons that it learnt from.
    n_bytes : int
        The size of its file.
    latency_us : float
        Microseconds for one row.
    fidelity, skill_kept : float
        On held-out rows.
    fit_time : float
        Seconds.
    """

    share: float
    n_bytes: int
    latency_us: float
    fidelity: float
    skill_kept: float
    fit_time: float


@dataclass
class Candidate:
    """A student with settings, and its last measures.

    Attributes
    ----------
    params : dict
        Parameters of a distilled estimator: `student`, and those of the student as ``student__…``.
    found : Measures
        What was measured; missing before.
    below : Candidate or None
        The same student with settings for fewer bytes, if known.
    """

    params: dict[str, Any]
    found: Measures = None  # type: ignore[assignment]
    below: Candidate | None = field(default=None, repr=False, compare=False)

    @property
    def student(self) -> str:
        """The name of the student, or of its class."""
        student = self.params["student"]
        return student if isinstance(student, str) else type(student).__name__

    @property
    def settings(self) -> dict[str, Any]:
        """The parameters of the student that are set."""
        return {name.removeprefix("student__"): value for name, value in self.params.items() if name != "student"}

    @property
    def is_default(self) -> bool:
        """Whether it is the student that a distilled estimator has by default."""
        return self.params == {"student": "mlp"}

    def __str__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
        some = "" if self.found.share == 1 else f" after {self.found.share:.0%} of the lessons"
        return (
            f"{self.student}({settings}) of {self.found.n_bytes:,} bytes and {self.found.latency_us:.3g} µs that keeps "
            f"{self.found.skill_kept:.1%}{some}"
        )


def candidates(students: Any, n_iter: int) -> list[Candidate]:
    """The candidates of a search, those of one student together and the smallest first.

    Parameters
    ----------
    students : "all", sequence of str or estimator, or dict of str to grid
        The parameter of the search.
    n_iter : int
        The most candidates.

    Raises
    ------
    ValueError, TypeError
        If a name or a value is none of these.
    """
    ladders = [list(ladder) for ladder in _ladders(students) if ladder]
    if not ladders:
        raise ValueError(f"{option('students')} has no candidate; name some of {student_names()}.")
    found = [[Candidate(params) for params in ladder] for ladder in _thinned(ladders, n_iter)]
    if not isinstance(students, Mapping):  # a grid of the user is in no known order
        for ladder in found:
            for below, candidate in pairwise(ladder):
                candidate.below = below
    return [candidate for ladder in found for candidate in ladder]


def _ladders(students: Any) -> Iterable[list[dict[str, Any]]]:
    if isinstance(students, Mapping):
        return [_named(name, list(ParameterGrid(grid))) for name, grid in students.items()]
    if isinstance(students, str):
        students = list(STUDENTS) if students == "all" else [students]
    if not isinstance(students, Sequence):
        raise TypeError(
            f"{option('students')} is {students!r:.80}; expected 'all', names of students, a dict of names with grids "
            "of their parameters, or estimators."
        )
    return [_named(each, LADDERS.get(each, [{}])) if isinstance(each, str) else [_of(each)] for each in students]


def _named(name: str, ladder: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if name not in STUDENTS:
        raise ValueError(f"{option('students')} names {name!r}; choose among {student_names()}.")
    return [{"student": name, **{f"student__{key}": value for key, value in step.items()}} for step in ladder]


def _of(estimator: Any) -> dict[str, Any]:
    if isinstance(estimator, type) or not hasattr(estimator, "fit") or not hasattr(estimator, "get_params"):
        raise TypeError(
            f"{option('students')} has {estimator!r:.80}; expected the name of a student ({student_names()}) or a "
            "regressor."
        )
    return {"student": estimator}


def _thinned(ladders: list[list[dict[str, Any]]], n_iter: int) -> list[list[dict[str, Any]]]:
    """At most `n_iter` steps in total: the longest ladder loses steps until the limit is met."""
    sizes = [len(ladder) for ladder in ladders]
    while sum(sizes) > n_iter:
        sizes[int(np.argmax(sizes))] -= 1
    return [_evenly(ladder, size) for ladder, size in zip(ladders, sizes, strict=True)]


def _evenly(ladder: list, n: int) -> list:
    """`n` steps of a ladder, both ends included; a single one is from the middle."""
    places = np.linspace(0, len(ladder) - 1, n) if n > 1 else [len(ladder) // 2] * n
    return [ladder[int(place)] for place in places]
