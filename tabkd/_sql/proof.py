"""The parity check: a database has to reproduce the scores of `tabkd.load`, or no statement is returned."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from sqlglot import exp

from tabkd._reasons import CONTRIBUTIONS, LEAST_REASON, of_predicted_class
from tabkd._sql.dialects import DIALECTS, Dialect
from tabkd._sql.statement import Student, column_names, statement

#: Largest difference of a probability, or of a prediction in standard deviations of the predictions. A database
#: computes with doubles, ONNX Runtime with float32, which has seven digits.
TOLERANCE = 1e-5

# Rows of usual values, rows with odd ones, and the most rows with a value close to a threshold.
_USUAL_ROWS, _ODD_ROWS, _EDGE_ROWS = 300, 300, 400
_ROW = "row"


class Proof(NamedTuple):
    """What was compared.

    Attributes
    ----------
    dialect : Dialect
        That of the database.
    version : str
        The version of the database.
    rows : int
        How many rows.
    difference : float
        The largest difference, in the unit of `TOLERANCE`.
    """

    dialect: Dialect
    version: str
    rows: int
    difference: float


def prove(student: Student, dialect: Dialect, n_reasons: int, outputs: Callable[..., np.ndarray]) -> Proof:
    """Run a student as SQL on rows of every kind, in the database of the dialect if it can run in this process.

    For other dialects the same statement is run in DuckDB or, if that is not installed, in SQLite, which Python has.

    Parameters
    ----------
    student : Student
        The student.
    dialect : Dialect
        What will be written.
    n_reasons : int
        Number of reasons.
    outputs : callable
        Gives the expected scores of a table, float64 of shape (n, K), or the output whose name follows.

    Raises
    ------
    RuntimeError
        If a score, a label or a reason differs; the message has the row and both values.
    """
    is_sqlite = dialect.name == "sqlite" or find_spec("duckdb") is None
    own = DIALECTS["sqlite" if is_sqlite else "duckdb"]
    names = [f"column{i}" for i in range(len(student.facts["columns"]))]  # this database may ignore upper case
    table = exp.Table(this=exp.to_identifier("rows", quoted=True))
    made = statement(student, own, table, names, [_ROW], n_reasons)
    rows = probe_rows(student, made.edges)
    expected = outputs(rows)
    numbered = rows.rename_columns(names).append_column(_ROW, pa.array(range(rows.num_rows)))
    version, found = (_in_sqlite if is_sqlite else _in_duckdb)(own.written(made.select), numbered)
    found = [answer[1:] for answer in sorted(found, key=lambda answer: answer[0])]
    n_scores = len(found[0]) - 2 * n_reasons
    difference = _compared(student.facts, rows, expected, [answer[:n_scores] for answer in found])
    if n_reasons:
        values = of_predicted_class(outputs(rows, CONTRIBUTIONS), expected)
        _compare_reasons(column_names(student.facts), rows, values, _is_clear(expected), [a[n_scores:] for a in found])
    return Proof(own, version, rows.num_rows, difference)


def _compared(facts: dict[str, Any], rows: pa.Table, expected: np.ndarray, found: list[tuple]) -> float:
    """The largest difference of scores; labels are looked at too."""
    is_classifier = facts["task"] == "classification"
    got = np.array([answer[1:] if is_classifier else answer for answer in found], dtype=np.float64)
    unit = np.ones(1) if is_classifier else np.maximum(expected.std(axis=0), np.finfo(np.float32).tiny)
    distance = np.nan_to_num(np.abs(got - expected) / unit, nan=np.inf)
    if distance.max() > TOLERANCE:
        row, k = np.unravel_index(int(np.argmax(distance)), distance.shape)
        raise _error(f"{got[row, k]!s} in the database, but {expected[row, k]!s} by tabkd.load", rows, int(row))
    if is_classifier:
        for row in np.flatnonzero(_is_clear(expected)).tolist():
            label = facts["classes"][int(expected[row].argmax())]
            if found[row][0] != label:
                raise _error(
                    f"the label {found[row][0]!r} in the database, but {label!r} by tabkd.load", rows, int(row)
                )
    return float(distance.max())


def _is_clear(scores: np.ndarray) -> np.ndarray:
    """Whether rounding cannot change which score is the largest, for each row."""
    if scores.shape[1] == 1:
        return np.full(len(scores), True)
    top = np.sort(scores, axis=1)[:, -2:]
    return top[:, 1] - top[:, 0] > 2 * TOLERANCE


def _compare_reasons(
    names: list[str], rows: pa.Table, contributions: np.ndarray, is_clear: np.ndarray, found: list[tuple]
) -> None:
    """Check the columns that are named, and what they contribute; columns that contribute the same may be swapped."""
    n, sums = len(found[0]) // 2, np.abs(contributions).sum(axis=1)
    most = TOLERANCE * (sums + sums.mean())
    place = {name: k for k, name in enumerate(names)}
    first = -np.sort(-contributions, axis=1)[:, :n]
    for row in np.flatnonzero(is_clear).tolist():
        reasons, sizes = found[row][:n], found[row][n:]
        for reason, size, expected in zip(reasons, sizes, first[row].tolist(), strict=True):
            if reason is None:
                is_same = expected <= LEAST_REASON * sums[row] + most[row]
            else:
                own = contributions[row, place[reason]]
                is_same = max(abs(size - expected), abs(size - own)) <= most[row] and reasons.count(reason) == 1
            if not is_same:
                raise _error(f"moved by {reason} by {size} in the database, but by {expected} by tabkd.load", rows, row)


def _error(what: str, rows: pa.Table, row: int) -> RuntimeError:
    return RuntimeError(
        f"The SQL does not reproduce the student, so it is not returned: a score is {what}, where at most "
        f"{TOLERANCE:g} is allowed (regression: of the standard deviation; reasons: of the sum of all), for the row "
        f"{rows.slice(row, 1).to_pylist()[0]!r:.2000}. Score the ONNX file with `tabkd score` instead, and please "
        "report this row."
    )


def probe_rows(student: Student, edges: list[tuple[int, float, float]]) -> pa.Table:
    """Rows of a student's table: usual ones, ones with missing, unseen and far values, and ones close to thresholds."""
    rng = np.random.default_rng(0)
    tables = dict(zip(student.facts["rows"]["columns"], student.tables, strict=True))
    beside = [(i, value) for i, center, edge in edges for value in _beside(edge, center) if math.isfinite(value)]
    chosen = [beside[k] for k in rng.permutation(len(beside))[:_EDGE_ROWS]]
    n_odd = _USUAL_ROWS + _ODD_ROWS
    n = n_odd + len(chosen)
    columns = []
    for i, column in enumerate(student.facts["columns"]):
        if column["kind"] == "numeric":
            usual, odd = _numbers(column, n, rng), _odd_numbers(column)
        else:
            keys = list(tables[i][0]) if i in tables else []
            usual, odd = [keys[k] for k in rng.integers(len(keys), size=n)] if keys else [None] * n, [None]
            odd.append(_unseen(keys, is_text=column["type"] == "STRING"))
        is_odd = rng.random(n) < 0.2
        is_odd[:_USUAL_ROWS] = is_odd[n_odd:] = False
        values = [odd[rng.integers(len(odd))] if other else value for value, other in zip(usual, is_odd, strict=True)]
        for row, (position, value) in enumerate(chosen, n_odd):
            values[row] = value if position == i else values[row]
        columns.append(pa.array(values, pa.string() if column["type"] == "STRING" else pa.float64()))
    return pa.table(columns, column_names(student.facts))


def _numbers(column: dict[str, Any], n: int, rng: np.random.Generator) -> list[float]:
    """Numbers in the range of a column, half of them whole."""
    low, high = (0.0, 1.0) if column["low"] is None else (column["low"], column["high"])
    numbers = low + (high - low) * rng.random(n)
    is_whole = np.full(n, True) if column["boolean"] else rng.random(n) < 0.5
    return np.clip(np.where(is_whole, np.rint(numbers), numbers), low, high).tolist()


def _odd_numbers(column: dict[str, Any]) -> list[float | None]:
    if column["boolean"]:
        return [None]
    low, high = column["low"] or 0.0, column["high"] or 0.0
    width = max(high - low, abs(high), 1.0)
    return [None, None, math.nan, low - width, high + width, high + 1e3 * width, 0.0, -1e30, 1e300]


def _unseen(keys: list, is_text: bool) -> Any:
    if not is_text:
        return max([*keys, 0]) + 0.5
    text = "unseen 'ü\\"
    while text in keys:
        text += "_"
    return text


def _beside(edge: float, center: float) -> Iterator[float]:
    """A threshold and its neighbours in float32, and the doubles around the middle between it and the next one."""
    low = np.float32(edge)
    with np.errstate(over="ignore"):
        high = np.nextafter(low, np.float32(np.inf))
    middle = (float(low) + float(high)) / 2
    yield from (float(low) + center, float(high) + center)
    yield from (
        float(value) + center for value in (np.nextafter(middle, -np.inf), middle, np.nextafter(middle, np.inf))
    )


def _in_duckdb(statement: str, rows: pa.Table) -> tuple[str, list[tuple]]:
    import duckdb

    with duckdb.connect() as connection:
        connection.register("rows", rows)
        return duckdb.__version__, connection.execute(statement).fetchall()


def _in_sqlite(statement: str, rows: pa.Table) -> tuple[str, list[tuple]]:
    connection = sqlite3.connect(":memory:")
    try:
        for name, n_args, function in (("EXP", 1, math.exp), ("POWER", 2, math.pow)):  # not every build has them
            connection.create_function(name, n_args, function)
        types = ["TEXT" if pa.types.is_string(field.type) else "REAL" for field in rows.schema]
        named = [exp.to_identifier(name, quoted=True).sql("sqlite") for name in rows.column_names]
        given = ", ".join(f"{name} {kind}" for name, kind in zip(named, types, strict=True))
        connection.execute(f'CREATE TABLE "rows" ({given})')
        marks = ", ".join("?" * len(named))
        values = zip(*(column.to_pylist() for column in rows.columns), strict=True)
        connection.executemany(f'INSERT INTO "rows" VALUES ({marks})', values)
        return sqlite3.sqlite_version, connection.execute(statement).fetchall()
    finally:
        connection.close()
