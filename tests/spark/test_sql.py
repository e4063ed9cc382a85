"""A student as SQL gives the scores of `tabkd.load` in Spark."""

import pytest

from tabkd.students import STUDENTS
from tests.sql.hard import arrow, assert_scores, exported, new_rows

pytestmark = [
    # Spark leaves sockets to the end of the process.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.mark.parametrize("student", STUDENTS)
def test_spark_scores_like_the_file(student, spark, tmp_path):
    import pyarrow.parquet

    one, frame = exported(student, "multiclass"), new_rows()
    pyarrow.parquet.write_table(arrow(frame), tmp_path / "rows.parquet")
    spark.read.parquet(str(tmp_path / "rows.parquet")).createOrReplaceTempView(f"hard_{student}")
    found = spark.sql(one.to_sql("spark", table=f"hard_{student}", keep=["row"])).toPandas()
    assert_scores(found, one, frame)
