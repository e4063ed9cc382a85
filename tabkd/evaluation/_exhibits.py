"""What the page of a report shows besides its findings, each made when a page first needs it."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tabkd._export.build import build
from tabkd._export.metadata import seal
from tabkd._reasons import CONTRIBUTIONS
from tabkd._tables.schema import TableSchema
from tabkd.evaluation._drawn_tree import drawn_tree
from tabkd.evaluation._figures import figures
from tabkd.evaluation._importance import importance
from tabkd.evaluation._scores import Scores
from tabkd.evaluation._segments import readable_row
from tabkd.evaluation._single_score import SingleScore

if TYPE_CHECKING:
    from tabkd._distilled import Distilled
    from tabkd.scoring import ExportedStudent

# Rows that a reader may start from, by their place among the student's scores.
_EXAMPLES = {"lowest score": 0.0, "low score": 0.25, "middle score": 0.5, "high score": 0.75, "highest score": 1.0}
_MOST_LEVELS = 500


class Ingredients(NamedTuple):
    """What exhibits are made of.

    Attributes
    ----------
    model : DistilledClassifier or DistilledRegressor
        The fitted model.
    codes : ndarray of shape (n, d), float64
        The test rows.
    found : SingleScore or None
        One score of teacher and student for each of them.
    scores : Scores
        All scores.
    exported : ExportedStudent, predictor or None
        The exported student; a page cannot hold the caller's own predictor.
    budget : float or None
        A share of the rows that is reviewed.
    random_state : int
        Draws rows.
    """

    model: Distilled
    codes: np.ndarray
    found: SingleScore | None
    scores: Scores
    exported: Any
    budget: float | None
    random_state: int


class Exhibits:
    """Figures, rules, contributions, and a form with the student; a pickle has all of them, and no model.

    Parameters
    ----------
    given : Ingredients
        What they are made of; they do not change if the model is fitted again later.
    """

    def __init__(self, given: Ingredients):
        # A fit replaces the attributes of the model and does not change their values.
        self._given = given._replace(model=copy.copy(given.model))

    @cached_property
    def figures(self) -> dict[str, Any] | None:
        """Curves, calibration and distributions; None without a single score for each row."""
        found, scores, budget = self._given.found, self._given.scores, self._given.budget
        return None if found is None else figures(found, scores, budget)

    @cached_property
    def importance(self) -> dict[str, Any] | None:
        """Contributions over test rows; None if the student has none."""
        return importance(self._given.model, self._given.codes, self._given.random_state)

    @cached_property
    def rules(self) -> dict[str, list] | None:
        """The columns of a table of rules or points, and their values; None if there are none."""
        frame = self._given.model._student.rules_frame()
        if frame is None:
            return None
        plain = frame.astype(object).where(frame.notna(), None)
        return {"columns": [str(name) for name in frame], "values": [plain[name].tolist() for name in frame]}

    @cached_property
    def tree(self) -> dict[str, Any] | None:
        """The nodes of a tree; None for other students."""
        return drawn_tree(self._given.model._student)

    @cached_property
    def form(self) -> dict[str, Any] | None:
        """The columns, some rows to start from, and the student as a file; None if it was not exported."""
        given = self._given
        return (
            _form(given.model, given.codes, given.found, given.exported) if hasattr(given.exported, "content") else None
        )

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("figures", "importance", "rules", "tree", "form")}


def _form(model: Distilled, codes: np.ndarray, found: SingleScore | None, exported: ExportedStudent) -> dict[str, Any]:
    """The columns, some rows to start from, and the student as a file with its contributions."""
    schema, classes = model.schema_, model._task.classes
    order = np.arange(len(codes)) if found is None else np.argsort(found.student, kind="stable")
    rows = {title: order[round(share * (len(order) - 1))] for title, share in _EXAMPLES.items()}
    examples = [
        {"title": f"a row of the {title}", "values": readable_row(schema, codes[row])} for title, row in rows.items()
    ]
    event = str(classes[1]) if classes is not None and len(classes) == 2 else None
    return {
        "title": "answer" if event is None else f"probability of {event}",
        "headline": event,
        "columns": [_field(schema, i, examples) for i in range(len(schema.columns))],
        "examples": examples,
        "content": _explained_content(model, exported),
    }


def _explained_content(model: Distilled, exported: ExportedStudent) -> bytes:
    """The file, or one with contributions if the student has them and the file does not."""
    if CONTRIBUTIONS in exported.metadata:
        return exported.content
    try:
        return seal(build(model._explained()))
    except NotImplementedError:
        return exported.content


def _field(schema: TableSchema, i: int, examples: list[dict[str, Any]]) -> dict[str, Any]:
    """The possible values of a column: its levels, with those of the examples, or its range."""
    title, column = schema.titles[i], schema.columns[i]
    entry: dict[str, Any] = {"name": title, "integer": column.integer}
    if column.kind == "categorical":
        plain = [level.item() if isinstance(level, np.generic) else level for level in column.categories]
        shown = [example["values"][title] for example in examples]
        entry["levels"] = list(dict.fromkeys([*plain[:_MOST_LEVELS], *(level for level in shown if level is not None)]))
    elif column.boolean:
        entry["levels"] = [False, True]
    else:
        seen = np.isfinite([column.low, column.high]).all()
        entry |= {"low": float(column.low) if seen else None, "high": float(column.high) if seen else None}
    return entry
