"""An exported student as one JavaScript text that needs nothing else."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from tabkd._javascript.graph import graph_json
from tabkd._javascript.in_script import in_script
from tabkd._javascript.table import columns_json, numbers_json, refuse_twice
from tabkd._reasons import CONTRIBUTIONS
from tabkd.scoring._facts import category_tables, is_matrix, read_facts, scores_name

_FILES = ("operators.js", "rows.js", "student.js")
# Numbers of an output that takes many for each row, and rows of the others, in a block.
_BLOCK_VALUES, _MOST_ROWS = 1 << 18, 512


def javascript(content: bytes, *, contributions: bool = True) -> str:
    """A student as a script that defines `student`, and exports it if there are modules, as in Node.

    Parameters
    ----------
    content : bytes
        An ONNX model that tabkd wrote, such as `ExportedStudent.content`.
    contributions : bool, default=True
        Whether `student.score` gives contributions, if the model has them.

    Returns
    -------
    str
        ECMAScript 2019, which every current browser runs. It is safe inside ``<script>``.

    Raises
    ------
    ValueError
        If the bytes are not an ONNX model that tabkd wrote.
    NotImplementedError
        If JavaScript cannot run the graph, or cannot distinguish two of its names.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from tabkd import DistilledClassifier
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> teacher = DecisionTreeClassifier(max_depth=3, random_state=0)
    >>> model = DistilledClassifier(teacher, student="tree", n_synthetic=1000, random_state=0).fit(X, y)
    >>> text = javascript(model.to_onnx().SerializeToString())
    >>> "const student = tabkd.load(" in text
    True
    """
    model = model_json(content, contributions=contributions)
    return (
        f"{runtime()}\nconst student = tabkd.load({model});\n"
        'if (typeof module === "object") module.exports = student;\n'
    )


def runtime() -> str:
    """The script that defines `tabkd`: `tabkd.load(model).score(rows)`, without comments and indentation."""
    folder = files("tabkd._javascript")
    lines = [line.strip() for name in _FILES for line in folder.joinpath(name).read_text("utf-8").splitlines()]
    kept = [line for line in lines if line and not line.startswith("//")]
    return "\n".join(
        ["const tabkd = (() => {", '"use strict";', *kept, "return {load, operators: Object.keys(OPERATORS)};", "})();"]
    )


def model_json(content: bytes, *, contributions: bool = True) -> str:
    """What `tabkd.load` takes in JavaScript: the graph and the metadata of a student as JSON.

    Parameters, errors and safety inside ``<script>`` are those of `javascript`.
    """
    from onnx import load_from_string

    facts = read_facts(content, "the model")
    explained = contributions and CONTRIBUTIONS in facts
    outputs = {"scores": scores_name(facts)} | ({CONTRIBUTIONS: CONTRIBUTIONS} if explained else {})
    matrix = is_matrix(facts)
    tables = [] if matrix else category_tables(content, facts)
    numbers, categories = _numbers_name(facts, matrix), facts["rows"].get("name")
    graph = load_from_string(content).graph
    entries = [name for name in (numbers, categories) if name]
    counted = [entry.name for entry in graph.input if entry.name not in entries]  # only their rows are counted
    part, places = graph_json(graph, [*entries, *counted], outputs)
    classes = [str(label) for label in facts.get("classes", [])]
    refuse_twice("classes", classes)
    model: dict[str, Any] = {
        "tabkd": facts["tabkd"],
        "student": facts["student"],
        "task": facts["task"],
        "classes": classes,
        "single": facts["one_dimensional"],
        "columns": columns_json(facts, tables),
        "numbers": _entry(numbers_json(facts, matrix), places.get(numbers or "")),
        "categories": _entry({"columns": facts["rows"]["columns"]}, places.get(categories or "")),
        "counted": [places[name] for name in counted if name in places],
        "baseline": facts[CONTRIBUTIONS]["baseline"] if explained else None,
        "block": _block(facts[CONTRIBUTIONS]["values_per_row"]) if explained else _MOST_ROWS,
    }
    return in_script(model | part)


def _numbers_name(facts: dict[str, Any], matrix: bool) -> str | None:
    """The value of the graph that takes the numeric columns; None if the student reads none."""
    if facts["filled"]:
        return facts["filled"].get("name")
    return "X" if matrix else facts["values"].get("name")


def _entry(how: dict[str, Any], place: int | None) -> dict[str, Any] | None:
    """How a tensor is made from rows, with its place in the graph; None if the graph does not use it."""
    return None if place is None else how | {"value": place}


def _block(values_per_row: int) -> int:
    return min(_MOST_ROWS, max(1, _BLOCK_VALUES // values_per_row))
