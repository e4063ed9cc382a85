"""What Spark makes of files by default, and a job does not: columns by position, nulls for absent ones, cut values."""

import csv
import datetime as dt

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from tabkd import batch
from tabkd.spark import score_dataset
from tabkd.spark._parts import Parts
from tabkd.spark._store import Store

pytestmark = [
    # Spark leaves sockets to the end of the process.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def written(folder, rows, **more):
    """A Parquet file of rows, with more columns."""
    table = pa.Table.from_pandas(rows, preserve_index=False)
    for name, values in more.items():
        table = table.append_column(name, values)
    pa.parquet.write_table(table, folder / "in.parquet")
    return [str(folder / "in.parquet")]


def test_a_csv_with_its_columns_in_another_order_is_refused(spark, frame, path, tmp_path):
    inputs = [str(tmp_path / "0.csv"), str(tmp_path / "1.csv")]
    frame[:50].to_csv(inputs[0], index=False)
    frame[50:100][["id", "a `b`", "amount", "shop", "note"]].to_csv(inputs[1], index=False)
    with pytest.raises(ValueError, match=r"1\.csv.*CSV header does not conform"):
        score_dataset(path, inputs, tmp_path / "out", keep=["id"])
    assert {file.name for file in tmp_path.iterdir()} == {"0.csv", "1.csv"}


@pytest.mark.parametrize("wrong", [{"shop": "Shop"}, {"id": "ID"}])
def test_a_file_without_a_column_is_refused_as_here(spark, frame, path, tmp_path, wrong, monkeypatch):
    monkeypatch.setattr(Parts, "add", None)  # before the first row
    (tmp_path / "in").mkdir()
    frame[:50].to_parquet(tmp_path / "in" / "0.parquet")
    frame[50:100].rename(columns=wrong).to_parquet(tmp_path / "in" / "1.parquet")
    said = []
    for engine, output in ((batch.score_dataset, "out.parquet"), (score_dataset, "out")):
        with pytest.raises(ValueError, match=r"1\.parquet") as refused:
            engine(path, [str(tmp_path / "in")], tmp_path / output, keep=["id"])
        said.append(str(refused.value))
    assert said[0] == said[1]
    assert [file.name for file in tmp_path.iterdir()] == ["in"]


def test_columns_that_differ_in_case_alone_are_kept(spark, frame, path, tmp_path):
    inputs = written(tmp_path, frame[:50], ID=pa.array(range(50, 100)))
    score_dataset(path, inputs, tmp_path / "out", keep=["id", "ID"])
    found = pd.read_parquet(tmp_path / "out")
    assert (found["ID"] - found["id"]).tolist() == [50] * 50


def test_a_csv_holds_kept_values_as_they_are(spark, frame, path, tmp_path):
    texts = [" x ", "\x01", " ", "", None, "\t", '"', "a,b\n", "\\", "#"]
    moments = [dt.datetime(2026, 1, 1, 0, 0, 1, i) for i in range(10)]
    inputs = written(tmp_path, frame[:10], text=pa.array(texts), at=pa.array(moments, pa.timestamp("us")))
    score_dataset(path, inputs, tmp_path / "out.csv", keep=["id", "text", "at"])
    (file,) = (tmp_path / "out.csv").glob("part-*")
    with file.open(newline="", encoding="utf-8") as lines:
        found = sorted(csv.DictReader(lines), key=lambda row: int(row["id"]))
    assert [row["text"] for row in found] == [text or "" for text in texts]
    assert [row["at"] for row in found] == [f"{moment:%Y-%m-%d %H:%M:%S.%f}" for moment in moments]


def test_far_dates_are_kept(spark, frame, path, tmp_path):
    moments = [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31)]
    zoned = pa.array(moments, pa.timestamp("us", "UTC"))
    inputs = written(tmp_path, frame[:2], at=pa.array(moments, pa.timestamp("us")), zoned=zoned)
    score_dataset(path, inputs, tmp_path / "out", keep=["id", "at", "zoned"])
    found = pa.parquet.read_table(tmp_path / "out").sort_by("id")
    assert found["at"].to_pylist() == moments
    assert found["zoned"].to_pylist() == zoned.to_pylist()


@pytest.mark.parametrize("kept", [pa.array([[1]] * 5), pa.array([{"a": 1}] * 5), pa.array([b"1"] * 5)])
def test_what_the_output_cannot_hold_is_refused_before_the_first_row(spark, frame, path, tmp_path, kept, monkeypatch):
    monkeypatch.setattr(Parts, "add", None)
    inputs = written(tmp_path, frame[:5], kept=kept)
    with pytest.raises(ValueError, match=r"keep='kept' is .*, which a CSV cannot hold; write Parquet\."):
        score_dataset(path, inputs, tmp_path / "out.csv", keep=["kept"])
    with pytest.raises(ValueError, match=r"partition_by='kept' is .*, whose values cannot name folders"):
        score_dataset(path, inputs, tmp_path / "out", partition_by=["kept"])


def test_a_delta_table_is_not_read_as_parquet(spark, frame, path, tmp_path):
    # Spark's own reader would take the removed rows, too, and leaves out what begins with an underscore.
    (tmp_path / "rows" / "_delta_log").mkdir(parents=True)
    (tmp_path / "rows" / "_delta_log" / f"{0:020d}.json").touch()
    frame[:50].to_parquet(tmp_path / "rows" / "0.parquet")
    for given in ("rows", "rows/*.parquet", "."):
        with pytest.raises(ValueError, match=r"rows' is a Delta table, whose Parquet files also hold rows that it has"):
            score_dataset(path, [str(tmp_path / given)], tmp_path / "out", keep=["id"])
    # As of a store, whose paths are not of this machine.
    with pytest.raises(ValueError, match=r"rows' is a Delta table"):
        Store(spark, str(tmp_path)).files(str(tmp_path / "rows"))
