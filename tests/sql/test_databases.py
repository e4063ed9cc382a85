"""A student as SQL gives the scores of `tabkd.load` in DuckDB, SQLite and PostgreSQL."""

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from tabkd import DistilledClassifier
from tabkd._cli.table_codes import TableCodes
from tabkd.students import STUDENTS
from tests.export.hard import FAST
from tests.sql.hard import TASKS, arrow, assert_scores, exported, in_duckdb, in_sqlite, new_rows, table


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("student", STUDENTS)
def test_every_student_scores_every_task_like_the_file(student, task):
    one, frame = exported(student, task), new_rows()
    assert_scores(in_duckdb(one.to_sql("duckdb", keep=["row"]), arrow(frame)), one, frame)


@pytest.mark.parametrize("student", STUDENTS)
def test_sqlite_scores_like_the_file(student):
    one, frame = exported(student, "binary"), new_rows()
    assert_scores(in_sqlite(one.to_sql("sqlite", keep=["row"]), arrow(frame)), one, frame)


def test_duckdb_reads_its_own_types():
    one, frame = exported("tree", "binary"), table(200, seed=3)
    rows = arrow(frame)
    assert str(rows.schema.field("day").type).startswith("dictionary<values=timestamp")
    assert_scores(in_duckdb(one.to_sql("duckdb", keep=["row"]), rows), one, frame)


@pytest.mark.parametrize("student", STUDENTS)
def test_postgresql_scores_like_the_file(student, server):
    import adbc_driver_postgresql.dbapi as driver

    one, frame = exported(student, "binary"), new_rows()
    statement = one.to_sql("postgres", table=f'"hard {student}"', keep=["row"])
    with driver.connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest(f"hard {student}", arrow(frame))
        cursor.execute(statement)
        found = cursor.fetch_arrow_table().to_pandas()
    assert_scores(found, one, frame)


def test_postgresql_compares_categories_letter_by_letter_whatever_the_collation_of_the_column(server):
    import adbc_driver_postgresql.dbapi as driver

    X = pd.DataFrame({"a": np.tile(["x", "y"], 50)})
    model = DistilledClassifier(make_pipeline(TableCodes(), DecisionTreeClassifier()), student="additive", **FAST)
    statement = model.fit(X, X["a"] == "x").to_sql("postgres", table="folded", keep=["a"])
    with driver.connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE COLLATION folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
        cursor.execute("CREATE TABLE folded (a text COLLATE folding)")
        cursor.execute("INSERT INTO folded VALUES ('x'), ('X')")
        cursor.execute("SELECT count(*) FROM folded WHERE a = 'x'")
        assert cursor.fetchone() == (2,)
        cursor.execute(statement)
        found = {a: p for a, _, p, _ in cursor.fetchall()}
    expected = model.predict_proba(pd.DataFrame({"a": [*found]}))[:, 0]
    np.testing.assert_allclose(list(found.values()), expected, atol=1e-6)
