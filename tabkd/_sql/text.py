"""`to_sql`: write the statement, prove it, and report what was proved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from tabkd._near_names import known_names
from tabkd._options import option
from tabkd._reasons import check_has_reasons, number_of_reasons
from tabkd._sql.dialects import Dialect, dialect_of
from tabkd._sql.proof import Proof, prove
from tabkd._sql.statement import Student, column_names, statement


def sql_text(
    student: Student,
    outputs: Callable[..., np.ndarray],
    dialect: str,
    table: str,
    keep: Sequence[str],
    column_map: Mapping[str, str],
    reasons: int,
) -> str:
    """A student as the text of one statement, proved.

    Parameters
    ----------
    student : Student
        The student.
    outputs : callable
        Gives the scores of a table, or its contributions by their name, which the statement has to reproduce.
    dialect, table, keep, column_map, reasons
        Like those of `ExportedStudent.to_sql`.
    """
    written_in = dialect_of(dialect)
    names = _in_table(column_names(student.facts), column_map)
    if written_in.ignores_case:
        _check_told_apart(names, written_in)
    keep = _kept(keep)
    n_reasons = _checked_reasons(student.facts, reasons)
    made = statement(student, written_in, _named_table(table, written_in), names, keep, n_reasons)
    _check_kept(made.select, keep)
    text = written_in.written(made.select)
    proof = prove(student, written_in, n_reasons, outputs)
    if proof.dialect != written_in:
        _parse_back(text, written_in)
    return f"{_head(student, written_in, proof)}{text}\n"


def _in_table(names: list[str], column_map: Mapping[str, str]) -> list[str]:
    """The names of the columns in the table."""
    if unknown := [name for name in column_map if name not in names]:
        raise ValueError(
            f"{option('column_map', unknown[0])} is not a column of the model; {known_names(unknown[0], names)}"
        )
    return [column_map.get(name, name) for name in names]


def _check_told_apart(names: list[str], dialect: Dialect) -> None:
    """Refuse two names that are the same for the database."""
    known: dict[str, str] = {}
    for name in names:
        other = known.setdefault("".join(c.lower() if c.isascii() else c for c in name), name)
        if other != name:
            raise ValueError(
                f"{option('column_map')} has to give other names to the columns {other!r} and {name!r}, which are the "
                f"same name in {dialect.title}: it ignores upper and lower case."
            )


def _kept(keep: Sequence[str]) -> list[str]:
    """The columns to select too, each once."""
    if isinstance(keep, str):
        raise TypeError(f"{option('keep', keep)} is a text, where a sequence of names was expected; write {[keep]!r}.")
    return list(dict.fromkeys(keep))


def _named_table(table: str, dialect: Dialect) -> exp.Table:
    try:
        return sqlglot.parse_one(table, into=exp.Table, dialect=dialect.name)
    except SqlglotError as error:
        raise ValueError(
            f"{option('table', table)} is not the name of a table in {dialect.title}; write it as in a statement, with "
            "quotes where it needs them."
        ) from error


def _checked_reasons(facts: dict[str, Any], reasons: int) -> int:
    """The number of reasons, which the model can give."""
    n, n_columns = number_of_reasons(reasons), len(facts["columns"])
    if n:
        check_has_reasons(facts)
    if n > n_columns:
        raise ValueError(f"{option('reasons')} is {n}, but the model has {n_columns} columns; give at most as many.")
    return n


def _check_kept(select: exp.Select, keep: Sequence[str]) -> None:
    scores = {column.alias_or_name.casefold() for column in select.expressions[len(keep) :]}
    if clash := [name for name in keep if name.casefold() in scores]:
        raise ValueError(f"{option('keep', clash[0])} has the name of a column of scores; rename it in the table.")


def _parse_back(text: str, dialect: Dialect) -> None:
    """Refuse a text that is read as another statement than was written."""
    if dialect.written(sqlglot.parse_one(text, dialect=dialect.name)) != text:
        raise RuntimeError(
            f"sqlglot {sqlglot.__version__} reads its own {dialect.title} as another statement, so it is not "
            "returned. Update sqlglot."
        )


def _head(student: Student, dialect: Dialect, proof: Proof) -> str:
    """What was proved, as comments."""
    facts, unit = student.facts, "probability" if student.facts["task"] == "classification" else "standard deviation"
    by = f"{proof.rows:,} rows, largest difference {proof.difference:.1e} ({unit})"
    lines = [f"{facts['task'].capitalize()} by a student of tabkd {facts['tabkd']}, in the SQL of {dialect.title}."]
    engine = f"{proof.dialect.title} {proof.version}"
    if proof.dialect == dialect:
        lines.append(f"Compared with the ONNX file in {engine}: {by}.")
    else:
        lines.append(f"Not run in {dialect.title}, only parsed back. The same statement in {engine}: {by}.")
    return "".join(f"-- {' '.join(line.split())}\n" for line in lines)
