"""A student as SQL gives the scores of `tabkd.load` in Spark."""

import pytest

from tabkd.students import STUDENTS
from tests.sql.hard import N_REASONS, arrow, assert_reasons, assert_scores, exported, new_rows

pytestmark = [
    # Spark leaves sockets to the end of the process.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def viewed(spark, frame, name, folder):
    """Give Spark the rows as a view of this name."""
    import pyarrow.parquet

    pyarrow.parquet.write_table(arrow(frame), folder / "rows.parquet")
    spark.read.parquet(str(folder / "rows.parquet")).createOrReplaceTempView(name)


@pytest.mark.parametrize("student", STUDENTS)
def test_spark_scores_like_the_file(student, spark, tmp_path):
    one, frame = exported(student, "multiclass"), new_rows()
    viewed(spark, frame, f"hard_{student}", tmp_path)
    found = spark.sql(one.to_sql("spark", table=f"hard_{student}", keep=["row"])).toPandas()
    assert_scores(found, one, frame)


def test_spark_gives_the_reasons(spark, tmp_path):
    one, frame = exported("additive", "multiclass", contributions=True), new_rows()
    viewed(spark, frame, "reasons", tmp_path)
    found = spark.sql(one.to_sql("spark", table="reasons", keep=["row"], reasons=N_REASONS)).toPandas()
    assert_reasons(found, one, frame)
