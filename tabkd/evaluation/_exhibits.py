"""What the page of a report shows besides its findings: figures, rules, contributions, and a form with the student."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tabkd._export.build import build
from tabkd._export.metadata import seal
from tabkd._javascript.text import javascript
from tabkd._tables.schema import TableSchema
from tabkd.evaluation._figures import figures
from tabkd.evaluation._importance import importance
from tabkd.evaluation._ordered import Ordered
from tabkd.evaluation._scores import Scores
from tabkd.evaluation._segments import readable_row
from tabkd.students._registry import has_contributions

if TYPE_CHECKING:
    import pandas as pd

    from tabkd._distilled import Distilled
    from tabkd.scoring import ExportedStudent

# Rows that a reader may start from, by their place among the student's scores.
_EXAMPLES = {"lowest score": 0.0, "low score": 0.25, "middle score": 0.5, "high score": 0.75, "highest score": 1.0}
_MOST_LEVELS = 500
# Characters of a script with which a page stays below 400 KB.
_LONGEST_SCRIPT = 200_000


def exhibits(
    model: Distilled,
    codes: np.ndarray,
    found: Ordered | None,
    scores: Scores,
    exported: ExportedStudent | None,
    budget: float | None,
    random_state: int,
) -> dict[str, Any]:
    """Everything that the page needs.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
        The fitted model.
    codes : ndarray of shape (n, d), float64
        The test rows.
    found : Ordered or None
        One score of teacher and student for each of them.
    scores : Scores
        All scores.
    exported : ExportedStudent or None
        The exported student.
    budget : float or None
        A share of the rows that is reviewed.
    random_state : int
        Draws rows.
    """
    return {
        "figures": None if found is None else figures(found, scores, budget),
        "importance": importance(model, codes, random_state),
        "rules": _rules(model._student.rules_frame()),
        "form": None if exported is None else _form(model, codes, found),
    }


def _rules(frame: pd.DataFrame | None) -> dict[str, list] | None:
    if frame is None:
        return None
    plain = frame.astype(object).where(frame.notna(), None)
    return {"columns": [str(name) for name in frame], "values": [plain[name].tolist() for name in frame]}


def _form(model: Distilled, codes: np.ndarray, found: Ordered | None) -> dict[str, Any] | None:
    """The columns, some rows to start from, and the student; None if JavaScript cannot run it."""
    schema, student = model.schema_, _javascript(model)
    if student is None:
        return None
    order = np.arange(len(codes)) if found is None else np.argsort(found.student, kind="stable")
    examples = [
        {
            "title": f"a row of the {title}",
            "values": readable_row(schema, codes[order[round(share * (len(order) - 1))]]),
        }
        for title, share in _EXAMPLES.items()
    ]
    classes = model._task.classes
    event = str(classes[1]) if classes is not None and len(classes) == 2 else None
    return {
        "title": "answer" if event is None else f"probability of {event}",
        "headline": event,
        "columns": _columns(schema),
        "examples": examples,
        "student": student,
    }


def _columns(schema: TableSchema) -> list[dict[str, Any]]:
    columns = []
    for title, column in zip(schema.titles, schema.columns, strict=True):
        entry: dict[str, Any] = {"name": title, "integer": column.integer}
        if column.kind == "categorical":
            levels = column.categories[:_MOST_LEVELS]
            entry["levels"] = [level.item() if isinstance(level, np.generic) else level for level in levels]
        elif column.boolean:
            entry["levels"] = [False, True]
        else:
            seen = np.isfinite([column.low, column.high]).all()
            entry |= {"low": float(column.low) if seen else None, "high": float(column.high) if seen else None}
        columns.append(entry)
    return columns


def _javascript(model: Distilled) -> str | None:
    """The student as a script, with its contributions if they leave the page small; None if no script can run it."""
    try:
        content = seal(build(model._explained() if has_contributions(model._student) else model))
        script = javascript(content)
        return script if len(script) <= _LONGEST_SCRIPT else javascript(content, contributions=False)
    except NotImplementedError:
        return None
