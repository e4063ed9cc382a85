"""A student as SQL gives the scores of `tabkd.load` in DuckDB, SQLite and PostgreSQL."""

import pytest

from tabkd.students import STUDENTS
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
