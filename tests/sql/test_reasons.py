"""The reasons that a statement gives are those of `tabkd score`."""

from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sqlglot
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

from tabkd import DistilledRegressor, ExportedStudent
from tabkd._sql.dialects import DIALECTS
from tabkd._sql.proof import prove
from tabkd._sql.statement import Student
from tests.export.hard import FAST
from tests.sql.hard import (
    N_REASONS,
    arrow,
    assert_reasons,
    exported,
    in_duckdb,
    in_sqlite,
    new_rows,
)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("run", [in_duckdb, in_sqlite])
def test_an_additive_student_gives_its_reasons(run, task):
    one, frame = exported("additive", task, contributions=True), new_rows()
    statement = one.to_sql(run.__name__.removeprefix("in_"), keep=["row"], reasons=N_REASONS)
    assert_reasons(run(statement, arrow(frame)), one, frame)


def test_postgresql_gives_the_reasons(server):
    import adbc_driver_postgresql.dbapi as driver

    one, frame = exported("additive", "multiclass", contributions=True), new_rows()
    statement = one.to_sql("postgres", table="reasons", keep=["row"], reasons=N_REASONS)
    with driver.connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("reasons", arrow(frame))
        cursor.execute(statement)
        found = cursor.fetch_arrow_table().to_pandas()
    assert_reasons(found, one, frame)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_reasons_are_written_in_every_dialect(dialect):
    text = additive().to_sql(dialect, reasons=2)
    (parsed,) = sqlglot.parse(text, dialect=dialect)
    assert parsed.named_selects[-4:] == ["reason_1", "reason_2", "contribution_1", "contribution_2"]


@cache
def additive():
    """A student that reads the first column alone: the second never varies."""
    X = np.column_stack([np.random.RandomState(0).rand(200), np.full(200, 0.5)])
    model = DistilledRegressor(DecisionTreeRegressor(max_depth=3, random_state=0), student="additive", **FAST)
    return ExportedStudent(model.fit(X, X[:, 0]).to_onnx(contributions=True).SerializeToString())


def test_reasons_are_null_where_no_column_is_left():
    rows = pa.table({"x0": [0.1, 0.9], "x1": [0.5, 0.5]})
    found = in_duckdb(additive().to_sql("duckdb", reasons=2, keep=["x0"]), rows).sort_values("x0")
    assert found["reason_1"].fillna("").tolist() == ["", "x0"]
    assert found["reason_2"].isna().all()
    assert found["contribution_1"].isna().tolist() == [True, False]


def test_a_constant_student_has_no_reasons():
    X = np.random.RandomState(0).rand(50, 2)
    model = DistilledRegressor(DummyRegressor(), student="additive", **FAST).fit(X, X[:, 0])
    found = in_duckdb(model.to_sql("duckdb", reasons=1), pa.table({"x0": [0.1], "x1": [0.2]}))
    assert found[["reason_1", "contribution_1"]].isna().all(axis=None)


def test_many_columns_are_compared_in_parts():
    X = np.random.RandomState(0).rand(60, 130)
    model = DistilledRegressor(LinearRegression(), student="additive", **FAST).fit(X, X.sum(axis=1))
    one, frame = ExportedStudent(model.to_onnx(contributions=True).SerializeToString()), pd.DataFrame(X)
    found = in_sqlite(one.to_sql("sqlite", reasons=1), arrow(frame.add_prefix("x")))
    assert found["contribution_1"].tolist() == pytest.approx(one.output(X, "contributions").max(axis=1).tolist())


def test_the_proof_refuses_reasons_that_differ():
    student = additive()
    parts = Student(student.content, student.metadata, [])

    def swapped(X, name=None):
        return student._scores(X, name) if name is None else student._scores(X, name)[:, ::-1]

    prove(parts, DIALECTS["duckdb"], 1, student._scores)
    with pytest.raises(RuntimeError, match="moved by x0 by"):
        prove(parts, DIALECTS["duckdb"], 1, swapped)


@pytest.mark.parametrize("student", ["tree", "mlp"])
def test_students_that_are_not_additive_have_no_reasons_in_sql(student):
    one = exported(student, "binary", contributions=True)
    with pytest.raises(NotImplementedError, match="reasons only for additive students"):
        one.to_sql("duckdb", reasons=1)


@pytest.mark.parametrize(
    ("one", "reasons", "message"),
    [
        (lambda: exported("additive", "binary"), 1, "reasons needs contributions, which the model does not have"),
        (lambda: exported("additive", "two targets", contributions=True), 1, "not of 2 targets"),
        (additive, 3, "reasons is 3, but the model has 2 columns"),
        (additive, -1, "reasons is -1; expected a whole number from 0"),
        (additive, "2", "reasons is '2'; expected a whole number from 0"),
    ],
)
def test_reasons_that_a_model_does_not_have_are_refused(one, reasons, message):
    with pytest.raises(ValueError, match=message):
        one().to_sql("duckdb", reasons=reasons)


def test_a_column_of_the_table_cannot_have_the_name_of_a_reason():
    with pytest.raises(ValueError, match="'reason_1' has the name of a column of scores"):
        additive().to_sql("duckdb", reasons=1, keep=["reason_1"])
