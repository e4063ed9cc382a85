"""How rows are read: the columns in a student's metadata, and where their values enter the graph."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tabkd._tables.column import code_with_zeros


def column_name(column: dict[str, Any], container: str) -> str:
    """The key of a column in a row; as in Python, the columns of an array are x0, x1, …"""
    return f"x{column['name']}" if container == "numpy" else str(column["name"])


def columns_json(facts: dict[str, Any], tables: list[tuple[list, Any]]) -> list[dict[str, Any]]:
    """The columns of a student.

    Parameters
    ----------
    facts : dict
        The checked metadata.
    tables : list of (list, ndarray)
        Categories and rows of each categorical column that the student reads.

    Raises
    ------
    NotImplementedError
        If two columns have the same name as text, which is how JavaScript knows them.
    """
    names = [column_name(column, facts["container"]) for column in facts["columns"]]
    refuse_twice("columns", names)
    of = dict(zip(facts["rows"]["columns"], tables, strict=True))
    out = []
    for i, (name, column) in enumerate(zip(names, facts["columns"], strict=True)):
        entry = {key: column[key] for key in ("kind", "dtype", "low", "high", "has_missing")}
        entry |= {"name": name, "boolean": column.get("boolean", False)}
        if i in of:
            levels, rows = of[i]
            missing = column["missing"] if column["type"] == "STRING" else None
            entry |= {"levels": list(levels), "rows": rows.tolist(), "missing": missing}
            entry["zeros"] = code_with_zeros(levels)
        out.append(entry)
    return out


def refuse_twice(what: str, names: list[str]) -> None:
    """Refuse a name that occurs twice.

    Raises
    ------
    NotImplementedError
        With the name.
    """
    if twice := [name for name, n in Counter(names).items() if n > 1]:
        raise NotImplementedError(
            f"Two {what} are called {twice[0]!r:.60}, because names in JavaScript are text. Rename one and fit again."
        )


def numbers_json(facts: dict[str, Any], is_matrix: bool) -> dict[str, Any]:
    """How numeric columns are prepared for the graph, as in `tabkd.scoring._numbers`."""
    values, filled = facts["values"], facts["filled"]
    whole = is_matrix and not filled
    n = len(facts["columns"])
    used = list(range(n)) if whole else values["columns"]
    return {
        "columns": used,
        "centers": [0] * n if whole else values["centers"],
        "fill": filled["fill"] if filled else None,
        "indicators": filled["indicators"] if filled else [],
        "type": "f8" if whole and facts["columns"][0]["type"] == "DOUBLE" else "f4",
    }
