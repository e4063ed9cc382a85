"""An exported student as one SQL statement: its ONNX graph, computed on expressions of columns instead of numbers."""

from __future__ import annotations

from typing import Any


def written(content: bytes, facts: dict[str, Any], tables: list, *how: Any) -> str:
    """What `tabkd._sql.text.sql_text` gives, or an error that says what to install for it.

    Raises
    ------
    ModuleNotFoundError
        If a package is missing.
    """
    try:
        from tabkd._sql.statement import Student
        from tabkd._sql.text import sql_text
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "sqlglot":
            raise
        raise ModuleNotFoundError(
            "SQL is written by the package 'sqlglot', which is not installed; `pip install sqlglot` brings it.",
            name=error.name,
        ) from error
    return sql_text(Student(content, facts, tables), *how)
