"""An exported student as one SQL statement: its ONNX graph, computed on expressions of columns instead of numbers."""

from __future__ import annotations

from typing import Any

# What the extra `sql` requires.
_OLDEST = "30.30"


def written(content: bytes, facts: dict[str, Any], tables: list, *how: Any) -> str:
    """The result of `tabkd._sql.text.sql_text`, or an error that says what to install for it.

    Raises
    ------
    ModuleNotFoundError
        If sqlglot or onnx is missing.
    ImportError
        If sqlglot is too old.
    """
    try:
        import sqlglot

        _check_version(sqlglot.__version__)
        from tabkd._sql.statement import Student
        from tabkd._sql.text import sql_text
    except ModuleNotFoundError as error:
        if error.name not in ("sqlglot", "onnx"):
            raise
        raise ModuleNotFoundError(
            f"SQL needs sqlglot and onnx, and {error.name!r} is not installed; "
            f"`pip install 'sqlglot>={_OLDEST}' onnx` installs both.",
            name=error.name,
        ) from error
    return sql_text(Student(content, facts, tables), *how)


def _check_version(version: str) -> None:
    if tuple(map(int, version.split(".")[:2])) < tuple(map(int, _OLDEST.split("."))):
        raise ImportError(
            f"To write SQL, sqlglot {version} is too old; `pip install 'sqlglot>={_OLDEST}'` updates it.",
            name="sqlglot",
        )
