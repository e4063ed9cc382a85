"""A student as one SELECT over the raw columns of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sqlglot import exp

from tabkd._options import option
from tabkd._reasons import CONTRIBUTIONS
from tabkd._sql.columns import Columns
from tabkd._sql.dialects import Dialect
from tabkd._sql.graph import computed, read_graph
from tabkd._sql.layers import Layers
from tabkd._sql.operators import Context
from tabkd._sql.reasons import reason_columns
from tabkd._sql.scalars import Sql, as_sql, depth_of, whole

if TYPE_CHECKING:
    from onnx import GraphProto


class Student(NamedTuple):
    """What a statement is made of.

    Attributes
    ----------
    content : bytes
        The model.
    facts : dict
        Its metadata.
    tables : list of (list, ndarray)
        Categories and rows of each categorical column that the student reads.
    """

    content: bytes
    facts: dict[str, Any]
    tables: list[tuple[list, np.ndarray]]


class Statement(NamedTuple):
    """A student in SQL.

    Attributes
    ----------
    select : sqlglot Select
        The statement.
    edges : list of (int, float, float)
        The values where the student jumps: the position of a column, its centre, and a float32 relative to that; a
        value up to it takes another branch than the next one.
    """

    select: exp.Select
    edges: list[tuple[int, float, float]]


def statement(
    student: Student, dialect: Dialect, table: exp.Table, names: list[str], keep: Sequence[str], n_reasons: int
) -> Statement:
    """The statement that gives what `tabkd score` writes: a prediction, for classes the probability of each, reasons.

    Parameters
    ----------
    student : Student
        The student.
    dialect : Dialect
        The dialect of the statement.
    table : sqlglot Table
        The table that is read.
    names : list of str
        The names of the student's columns in the table.
    keep : sequence of str
        Columns of the table that are also selected.
    n_reasons : int
        Number of reasons.

    Raises
    ------
    NotImplementedError
        If SQL cannot run the graph.
    """
    facts = student.facts
    layers = Layers([*names, *keep, table.name])
    columns = Columns(facts, student.tables, names, dialect, layers)
    graph, context = read_graph(student.content), Context(layers, dialect.most_nested)
    is_tree = any(node.op_type == "TreeEnsembleRegressor" for node in graph.node)
    is_classifier = facts["task"] == "classification"
    output = "probabilities" if is_classifier else "variable"
    entries = _entries(facts, columns, not is_tree)
    (scores,), *contributions = _outputs(graph, entries, [output, *[CONTRIBUTIONS] * bool(n_reasons)], context)
    if is_classifier:
        scores = [layers.named(score) for score in scores]
        outputs = {"prediction": _label(list(map(dialect.label, _classes(facts))), scores)}
        outputs |= {f"probability_{label}": score for label, score in zip(facts["classes"], scores, strict=True)}
    elif facts["one_dimensional"]:
        outputs = {"prediction": scores[0]}
    else:
        outputs = {f"prediction_{k}": score for k, score in enumerate(scores)}
    for values in contributions:
        predicted = Sql(_label(list(map(whole, range(len(scores)))), scores), depth_of(scores))
        texts = [dialect.text(name) for name in column_names(facts)]
        outputs |= reason_columns(values, predicted, texts, n_reasons, layers)
    edges = [(*columns.read[name], threshold) for name, threshold in context.edges if name in columns.read]
    return Statement(layers.select(outputs, table, keep, dialect.fenced, dialect.has_values), edges)


def _outputs(graph: GraphProto, entries: dict[str, np.ndarray], names: list[str], context: Context) -> list[np.ndarray]:
    try:
        return computed(graph, entries, names, context)
    except NotImplementedError as error:
        if CONTRIBUTIONS not in names:
            raise
        raise NotImplementedError(
            f"SQL gives {option('reasons')} only for additive students; score the ONNX file to get the reasons of "
            "this one."
        ) from error


def column_names(facts: dict[str, Any]) -> list[str]:
    """The names of a student's columns in a table; as in Python, the columns of an array are x0, x1, …"""
    return [f"x{c['name']}" if facts["container"] == "numpy" else str(c["name"]) for c in facts["columns"]]


def _entries(facts: dict[str, Any], columns: Columns, rounded: bool) -> dict[str, np.ndarray]:
    """The values from rows at which `tabkd.load` cuts the graph: filled numbers and rows of categories."""
    is_matrix = all(c["input"] == "X" and c["kind"] == "numeric" for c in facts["columns"])
    values, filled, rows = facts["values"], facts["filled"], facts["rows"]
    if is_matrix and not filled:
        n = len(facts["columns"])
        return {"X": columns.numbers(list(range(n)), [0.0] * n, None, rounded)}
    entries = {}
    if name := (filled or values).get("name"):
        entries[name] = columns.numbers(values["columns"], values["centers"], filled, rounded)
    if rows.get("name"):
        entries[rows["name"]] = columns.rows(rows["columns"])
    return entries


def _classes(facts: dict[str, Any]) -> list[Any]:
    """The classes; a file may have written 1.0 as 1."""
    return [float(label) if facts["classes_dtype"] == "f" else label for label in facts["classes"]]


def _label(labels: list[exp.Expr], scores: list[Any]) -> exp.Expr:
    """The first of the most probable classes."""
    ifs = []
    for k, score in enumerate(scores[:-1]):
        beats = [exp.GTE(this=as_sql(score), expression=as_sql(other)) for other in scores[k + 1 :]]
        ifs.append(exp.If(this=exp.and_(*beats), true=labels[k]))
    return exp.Case(ifs=ifs, default=labels[-1]) if ifs else labels[-1]
