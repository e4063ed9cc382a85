"""Delta tables that scores are written to: what they hold in the end are all rows of the job once, or none."""

import datetime as dt
import json
import os
import threading
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner

from tabkd._cli import app
from tabkd.batch import _delta_table as delta_table
from tabkd.batch import _parts as parts
from tabkd.batch._delta_types import fits, made_for
from tabkd.batch._job import score_dataset
from tabkd.batch._rejects import TooManyRejectsError
from tabkd.batch._stopping import StoppedError
from tabkd.batch._workplace import BusyError, workplace
from tests.batch.delta import rows_of
from tests.batch.stopping import StopAfter

deltalake = pytest.importorskip("deltalake", reason="Delta tables need deltalake")
DeltaTable, write = deltalake.DeltaTable, deltalake.write_deltalake

N_ROWS = 2000
SCORES = [("prediction", pa.bool_()), ("probability_False", pa.float64()), ("probability_True", pa.float64())]


@pytest.fixture
def rows(frame, tmp_path):
    frame[:N_ROWS].to_parquet(tmp_path / "rows.parquet")
    return str(tmp_path / "rows.parquet")


@pytest.fixture
def table(tmp_path):
    """Make a table without rows, whose columns are the scores and the given ones."""

    def make(*columns, **options):
        fields = [pa.field(*column) if isinstance(column, tuple) else column for column in columns]
        DeltaTable.create(tmp_path / "scores", pa.schema([*fields, *SCORES]), **options)
        return tmp_path / "scores"

    return make


def read(place):
    return rows_of(place).to_pandas().sort_values("id", ignore_index=True)


def score(path, rows, output, **options):
    return score_dataset(path, [str(rows)], str(output), **{"keep": ["id"], **options})


def refused(path, rows, output, match, **options):
    before = DeltaTable(output).version() if os.path.isdir(f"{output}/_delta_log") else None
    with pytest.raises((ValueError, OSError), match=match):
        score(path, rows, output, **options)
    assert before is None or DeltaTable(output).version() == before


def hidden(folder):
    return [file.name for file in folder.iterdir() if file.name.endswith(".tabkd")]


@pytest.mark.parametrize("batch_size", [130, 65_536])
@pytest.mark.parametrize("resume", [False, True])
def test_a_new_table_appears_in_one_commit(path, rows, expected, tmp_path, batch_size, resume):
    done = score(path, rows, tmp_path / "scores.delta", batch_size=batch_size, resume=resume)
    assert done.written == N_ROWS
    assert DeltaTable(tmp_path / "scores.delta").version() == 0
    found = read(tmp_path / "scores.delta")
    assert found.columns.tolist() == ["id", "prediction", "probability_False", "probability_True"]
    np.testing.assert_array_equal(found["probability_True"], expected[:N_ROWS])
    assert hidden(tmp_path) == []


def test_rows_are_added_in_one_commit(path, rows, frame, expected, tmp_path):
    out = tmp_path / "scores.delta"
    for day in range(3):
        frame[day * 1000 : (day + 1) * 1000].to_parquet(rows)
        score(path, rows, f"{out}/", append=True, batch_size=70)
        assert DeltaTable(out).version() == day
    found = read(out)
    assert found["id"].tolist() == frame["id"].tolist()
    np.testing.assert_array_equal(found["probability_True"], expected)
    (added,) = DeltaTable(out).history(1)
    assert (added["operation"], added["operationMetrics"]["num_added_rows"]) == ("WRITE", 1000)


def test_the_command_adds_to_a_table_and_says_so(path, rows, table):
    place = table(("id", pa.int64()))
    arguments = ["score", path, rows, "--keep", "id", "--output", place, "--append"]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.stderr
    assert f"Wrote {place}: 2,000 rows in, 2,000 rows out" in result.stdout
    again = CliRunner().invoke(app, list(map(str, arguments[:-1])))
    assert again.exit_code == 1
    assert "scores' already exists; give another, or --append to add to it" in again.stderr
    assert len(read(place)) == N_ROWS


def test_rows_are_added_twice_only_without_resume(path, rows, tmp_path):
    out = tmp_path / "scores.delta"
    told = "the rows were in the table already: an earlier process of this job had committed them"
    for resume, n_times, was_written in (
        (True, 1, False),
        (True, 1, True),
        (False, 2, False),
        (True, 2, True),
        (False, 3, False),
    ):
        done = score(path, rows, out, append=True, resume=resume)
        assert done.written == N_ROWS
        assert done.warnings == [told] * was_written
        log = out / "_delta_log" / f"{n_times - 1:020d}.json"
        (transaction,) = (line["txn"] for line in map(json.loads, log.read_text().splitlines()) if "txn" in line)
        assert transaction["version"] == n_times
        assert len(read(out)) == n_times * N_ROWS


def test_another_job_is_not_taken_for_the_same(path, rows, frame, tmp_path):
    out = tmp_path / "scores.delta"
    options = {"append": True, "resume": True}
    score(path, rows, out, **options)
    score(path, rows, out, threshold=0.5, **options)
    frame[:N_ROWS].to_parquet(rows)  # a file of another time
    score(path, rows, out, **options)
    n_alerts = int((read(out)["probability_True"] >= 0.5).sum() / 3)
    assert len(read(out)) == 2 * N_ROWS + n_alerts


def test_an_existing_table_keeps_its_partitions(path, rows, frame, tmp_path):
    fields = [("id", pa.int64()), ("shop", pa.string()), *SCORES]
    DeltaTable.create(tmp_path / "scores", pa.schema(fields), partition_by=["shop"])
    score(path, rows, tmp_path / "scores", append=True, keep=["id", "shop"])
    found = read(tmp_path / "scores")
    assert found["shop"].fillna("").tolist() == frame["shop"][:N_ROWS].fillna("").tolist()
    assert len(DeltaTable(tmp_path / "scores").file_uris()) == 3


def test_kept_values_of_every_type_come_back(path, frame, tmp_path):
    n = 100
    moments = [dt.datetime(2026, 1, 1) + dt.timedelta(microseconds=1_000_001 * i) for i in range(n)]
    kept = {
        "big": pa.array([2**53 + i for i in range(n)]),
        "unsigned": pa.array([2**64 - 1 - i for i in range(n)], pa.uint64()),
        "byte": pa.array([255 - i for i in range(n)], pa.uint8()),
        "price": pa.array([Decimal(-i) / 100 for i in range(n)], pa.decimal128(9, 2)),
        "single": pa.array(np.arange(n) / 8, pa.float32()),
        "day": pa.array([moment.date() for moment in moments]),
        "at": pa.array(moments, pa.timestamp("ns")),
        "at_utc": pa.array(moments, pa.timestamp("us", "Europe/Paris")),
        "shade": pa.array([None if i % 3 == 0 else "rg"[i % 2] for i in range(n)]).dictionary_encode(),
        "raw": pa.array([bytes([i % 256, 0]) for i in range(n)]),
        "flags": pa.array([[True, None][: i % 3] for i in range(n)], pa.list_(pa.bool_())),
        "pair": pa.array([{"a": i, "b": None} for i in range(n)], pa.struct([("a", pa.int64()), ("b", pa.string())])),
        "clock": pa.array([moment.time() for moment in moments], pa.time64("us")),
        "nothing": pa.nulls(n),
    }
    given = pa.Table.from_pandas(frame[:n], preserve_index=False)
    for name, values in kept.items():
        given = given.append_column(name, values)
    with pa.ipc.new_file(str(tmp_path / "in.arrow"), given.schema) as file:
        file.write_table(given)
    for _ in range(2):  # made, and added to
        score(path, tmp_path / "in.arrow", tmp_path / "s.delta", append=True, keep=["id", *kept], batch_size=30)
    found = sorted(rows_of(tmp_path / "s.delta").to_pylist(), key=lambda row: row["id"])
    expected = {name: values.to_pylist() for name, values in kept.items()}
    expected["unsigned"] = list(map(Decimal, expected["unsigned"]))
    expected["clock"] = [value.isoformat("microseconds") for value in expected["clock"]]
    expected["at"] = moments
    for name, values in expected.items():
        assert [row[name] for row in found[::2]] == values, name
        assert [row[name] for row in found[1::2]] == values, name


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ([], "the table .*scores' has no column 'id', for values of type int64"),
        ([("ID", pa.int64())], "no column 'id', .* Its column 'ID' is written otherwise"),
        ([("id", pa.string())], "the column 'id' of .*scores' is string, .* of type int64 exactly. .* type int64"),
        ([("id", pa.float32())], "is float, which cannot hold values of type int64"),
        ([("id", pa.decimal128(18, 0))], r"is decimal128\(18, 0\), which cannot hold values of type int64"),
        ([("id", pa.timestamp("us", "UTC"))], "is timestamp"),
        ([("id", pa.int64()), ("day", pa.date32(), False)], "the column 'day' of .* is NOT NULL"),
        (
            [("id", pa.int64()), pa.field("twice", pa.int64(), metadata={"delta.generationExpression": "id * 2"})],
            "computes its column 'twice'",
        ),
    ],
)
def test_columns_that_would_not_hold_the_scores_are_refused_before_the_first_row(
    path, frame, table, tmp_path, columns, match
):
    frame[:10].assign(amount=np.inf).to_parquet(tmp_path / "bad.parquet")  # the first row would fail the job
    refused(path, tmp_path / "bad.parquet", table(*columns), match, append=True)


@pytest.mark.parametrize(
    ("given", "column"),
    [
        (pa.float64(), pa.float32()),
        (pa.float64(), pa.int64()),
        (pa.bool_(), pa.int64()),
        (pa.date32(), pa.timestamp("us")),
        (pa.timestamp("us"), pa.timestamp("us", "UTC")),
        (pa.timestamp("us", "UTC"), pa.timestamp("us")),
        (pa.string(), pa.bool_()),
        (pa.string(), pa.float64()),
        (pa.binary(), pa.string()),
        (pa.decimal128(9, 2), pa.decimal128(9, 1)),
        (pa.decimal128(9, 2), pa.decimal128(9, 3)),
        (pa.decimal128(9, 2), pa.float64()),
        (pa.list_(pa.int64()), pa.list_(pa.int32())),
        (pa.uint64(), pa.decimal128(19, 0)),
    ],
)
def test_columns_that_may_change_values_do_not_fit(given, column):
    assert not fits(given, column)
    assert fits(given, made_for(given))
    assert fits(pa.null(), column)


@pytest.mark.parametrize("kind", [pa.int32(), pa.decimal128(20, 0), pa.decimal128(25, 3), pa.float64(), pa.int8()])
def test_whole_numbers_go_where_they_fit(path, frame, table, tmp_path, kind):
    place = table(("note", pa.string()), ("id", kind))
    frame[:100].to_parquet(tmp_path / "rows.parquet")
    score(path, tmp_path / "rows.parquet", place, append=True)
    assert read(place)["id"].astype(int).tolist() == list(range(100))
    assert read(place)["note"].isna().all()
    frame[:100].assign(id=2**60 + 1).to_parquet(tmp_path / "rows.parquet")
    if pa.types.is_decimal(kind):
        score(path, tmp_path / "rows.parquet", place, append=True)
        assert set(read(place)["id"][100:]) == {Decimal(2**60 + 1)}
    else:
        match = f"'id' of the table .*scores' is {kind}, which cannot hold '{2**60 + 1}' of type int64"
        refused(path, tmp_path / "rows.parquet", place, match, append=True)


def test_ids_of_a_csv_go_into_a_column_of_integers_or_are_refused(path, frame, table, tmp_path):
    place = table(("id", pa.int64()))
    frame[:50].to_csv(tmp_path / "rows.csv", index=False)
    score(path, tmp_path / "rows.csv", place, append=True)
    frame[:50].assign(id=[f"{i:04d}" for i in range(50)]).to_csv(tmp_path / "codes.csv", index=False)
    refused(path, tmp_path / "codes.csv", place, "is int64, which cannot hold '0000' of type string", append=True)
    assert read(place)["id"].tolist() == list(range(50))


def test_values_that_lose_digits_or_are_missing_are_refused(path, frame, table, tmp_path):
    at = pa.array([1], pa.timestamp("ns"))
    given = pa.table(frame[:1]).append_column("at", at)
    pa.parquet.write_table(given, tmp_path / "rows.parquet")
    refused(path, tmp_path / "rows.parquet", tmp_path / "s.delta", "cannot hold '1970.*would lose", keep=["id", "at"])
    place = table(("id", pa.int64(), False))
    frame[:3].assign(id=[1, None, 2]).astype({"id": "Int64"}).to_parquet(tmp_path / "rows.parquet")
    refused(path, tmp_path / "rows.parquet", place, "'id' of the table .* is NOT NULL", append=True)


def test_a_constraint_of_the_table_holds(path, rows, table):
    place = table(("id", pa.int64()))
    DeltaTable(place).alter.add_constraint({"small": "id < 1500"})
    refused(path, rows, place, "cannot write to .*scores': .* Nothing was added", append=True, batch_size=100)
    assert len(read(place)) == 0


def test_columns_that_a_delta_table_does_not_hold_are_refused(path, frame, tmp_path):
    given = pa.table(frame[:3].assign(ID=1)).append_column("list", pa.array([[None]] * 3, pa.list_(pa.null())))
    pa.parquet.write_table(given, tmp_path / "rows.parquet")
    source, out = tmp_path / "rows.parquet", tmp_path / "s.delta"
    refused(path, source, out, "keep='list' is list<.*>, which a Delta table cannot hold", keep=["list"])
    refused(path, source, out, "the columns 'id' and 'ID' are one name in a Delta table", keep=["id", "ID"])
    assert not out.exists()


# Failures, and other writers


def test_a_failed_job_leaves_no_table(path, frame, tmp_path):
    frame.assign(amount=frame["amount"].where(frame["id"] < 2999, np.inf)).to_parquet(tmp_path / "in.parquet")
    with pytest.raises(TooManyRejectsError):
        score(path, tmp_path / "in.parquet", tmp_path / "s.delta", batch_size=100)
    assert os.listdir(tmp_path) == ["in.parquet"]
    write(tmp_path / "s.delta", pa.table({"id": [1], **{name: pa.array([None], kind) for name, kind in SCORES}}))
    with pytest.raises(TooManyRejectsError):
        score(path, tmp_path / "in.parquet", tmp_path / "s.delta", batch_size=100, append=True)
    assert len(read(tmp_path / "s.delta")) == 1
    assert DeltaTable(tmp_path / "s.delta").version() == 0


@pytest.mark.parametrize("append", [False, True])
def test_a_stopped_job_is_resumed(path, rows, expected, tmp_path, monkeypatch, append):
    monkeypatch.setattr(parts, "_PART_ROWS", 300)
    options = {"batch_size": 100, "resume": True, "append": append}
    for n in (5, 9):
        with pytest.raises(StoppedError):
            score(path, rows, tmp_path / "s.delta", stop=StopAfter(n), **options)
        assert not (tmp_path / "s.delta").exists()
    score(path, rows, tmp_path / "s.delta", **options)
    np.testing.assert_array_equal(read(tmp_path / "s.delta")["probability_True"], expected[:N_ROWS])
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("resume", [False, True])
def test_rows_that_another_writer_adds_meanwhile_are_there_once(path, rows, frame, table, resume):
    def add():
        others = pa.table({"id": [10_000 + len(added)], **{name: pa.array([None], kind) for name, kind in SCORES}})
        if len(added) < 5:
            added.append(write(place, others, mode="append"))
        return False

    place, added = table(("id", pa.int64())), []
    score(path, rows, place, append=True, batch_size=200, stop=add, resume=resume)
    assert read(place)["id"].tolist() == [*range(N_ROWS), *range(10_000, 10_005)]


def test_a_table_whose_columns_change_meanwhile_fails_the_job_and_resume_goes_on(path, rows, table, monkeypatch):
    def change():
        if not changed:
            fields = [deltalake.Field("note", "string")]
            changed.append(DeltaTable(place).alter.add_columns(fields))

    def commit(self):
        change()
        real(self)

    place, changed, real = table(("id", pa.int64())), [], delta_table.DeltaTable._commit
    monkeypatch.setattr(delta_table.DeltaTable, "_commit", commit)
    options = {"append": True, "batch_size": 200, "resume": True}
    with pytest.raises(ValueError, match=r"Metadata changed since last commit\. Nothing was added\. If another writer"):
        score(path, rows, place, **options)
    assert len(read(place)) == 0
    # Files of the failed commit lie there, and are removed by a full VACUUM.
    assert len(list(place.glob("*.parquet"))) == 1
    DeltaTable(place).vacuum(0, enforce_retention_duration=False, dry_run=False, full=True)
    assert list(place.glob("*.parquet")) == []
    score(path, rows, place, **options)
    assert read(place)["id"].tolist() == [*range(N_ROWS)]


def test_the_same_job_of_another_machine_adds_nothing(path, rows, table, monkeypatch):
    """Where no lock keeps the second process away, the transaction does."""

    def commit(self):
        if not seen:
            seen.append(True)
            score(path, rows, place, **options)
        real(self)

    place, seen, real = table(("id", pa.int64())), [], delta_table.DeltaTable._commit
    options = {"append": True, "batch_size": 200, "resume": True}
    monkeypatch.setattr(delta_table.DeltaTable, "_commit", commit)
    folders = iter(["a", "b", "c"])
    monkeypatch.setattr(
        "tabkd.batch._outputs.workplace", lambda output, **given: workplace(output.with_name(next(folders)), **given)
    )
    with pytest.raises(ValueError, match="Concurrent transaction"):
        score(path, rows, place, **options)
    done = score(path, rows, place, **options)
    assert "the rows were in the table already" in done.warnings[-1]
    assert read(place)["id"].tolist() == [*range(N_ROWS)]


def test_two_jobs_of_this_machine_do_not_write_one_table(path, rows, table):
    place = table(("id", pa.int64()))
    with workplace(place, keep=False), pytest.raises(BusyError, match="another job is writing"):
        score(path, rows, place, append=True)


def test_what_fails_after_the_commit_does_not_fail_the_job(path, rows, table, monkeypatch):
    def written(*arguments, **options):
        real(*arguments, **options)
        raise OSError("the checkpoint failed")

    place, real = table(("id", pa.int64())), deltalake.write_deltalake
    monkeypatch.setattr(deltalake, "write_deltalake", written)
    assert score(path, rows, place, append=True).written == N_ROWS
    assert len(read(place)) == N_ROWS


def test_a_commit_of_another_number_of_rows_is_reported(path, rows, table, tmp_path, monkeypatch):
    def written(target, reader, **options):
        left_out = pa.RecordBatchReader.from_batches(reader.schema, (batch[1:] for batch in reader))
        real(target, left_out, **options)

    place, real = table(("id", pa.int64())), deltalake.write_deltalake
    monkeypatch.setattr(deltalake, "write_deltalake", written)
    for out, remedy in ((place, "Restore the version before"), (tmp_path / "new.delta", "Nothing was written")):
        with pytest.raises(ValueError, match=f"2,000 rows were written to .*, but its commit has 1,999. {remedy}"):
            score(path, rows, out, append=True)
    assert not (tmp_path / "new.delta").exists()


# Alerts, reasons and rejects


@pytest.mark.parametrize("alerts", [{"threshold": 0.5}, {"top_fraction": 0.1}])
@pytest.mark.parametrize("resume", [False, True])
def test_alerts(path, rows, tmp_path, alerts, resume):
    done = score(path, rows, tmp_path / "s.delta", resume=resume, **alerts)
    score(path, rows, tmp_path / "s.parquet", **alerts)
    expected = pd.read_parquet(tmp_path / "s.parquet").sort_values("id", ignore_index=True)
    assert 0 < done.written == len(expected) < N_ROWS
    pd.testing.assert_frame_equal(read(tmp_path / "s.delta"), expected, check_dtype=False)


def test_no_alerts_make_an_empty_commit(path, frame, tmp_path):
    rows = tmp_path / "rows.parquet"
    frame[:50].assign(amount=-1.0).to_parquet(rows)
    for version in range(2):
        assert score(path, rows, tmp_path / "s.delta", threshold=1.0, append=True).written == 0
        assert DeltaTable(tmp_path / "s.delta").version() == version
    assert len(read(tmp_path / "s.delta")) == 0


def test_rejects_appear_after_the_scores(path, frame, tmp_path):
    frame[:50].assign(amount=[np.inf, *range(49)]).to_parquet(tmp_path / "in.parquet")
    options = {"rejects": tmp_path / "r.csv", "max_rejects": 1, "append": True, "resume": True}
    for _ in range(2):
        done = score(path, tmp_path / "in.parquet", tmp_path / "s.delta", **options)
        assert (done.written, done.rejected) == (49, 1)
        assert pd.read_csv(tmp_path / "r.csv")["row"].tolist() == [0]
    assert len(read(tmp_path / "s.delta")) == 49
    with pytest.raises(ValueError, match="is in the folder of the output"):
        score(path, tmp_path / "in.parquet", tmp_path / "n.delta", rejects=tmp_path / "n.delta" / "r.csv")


# Outputs that are refused


def test_what_is_no_table_is_refused(path, rows, tmp_path):
    (tmp_path / "plain").mkdir()
    (tmp_path / "full.delta").mkdir()
    (tmp_path / "full.delta" / "file").touch()
    (tmp_path / "file.delta").touch()
    (tmp_path / "50%").mkdir()
    refused(
        path,
        rows,
        tmp_path / "plain",
        "append=True needs an output in PostgreSQL or a Delta table, and "
        r".*plain' is neither. The name of a new Delta table ends in \.delta",
        append=True,
    )
    refused(path, rows, tmp_path / "none", "is neither", append=True)
    refused(path, rows, tmp_path / "plain", "has the suffix ''")
    refused(path, rows, tmp_path / "full.delta", "already exists and is not an empty folder", append=True)
    refused(path, rows, tmp_path / "file.delta", "already exists and is not an empty folder")
    refused(path, rows, tmp_path / "50%" / "s.delta", "has a '%' in its path")
    refused(path, rows, "s3://bucket/s.delta", "is a URL; give another folder of this machine")
    refused(path, rows, tmp_path / "s.delta", "leave partition_by out", partition_by=["shop"])
    refused(path, rows, tmp_path / "s.delta", "table needs an output in PostgreSQL", table="t")
    refused(path, rows, tmp_path / "no" / "s.delta", "Make the folder first")


def test_a_folder_that_is_empty_becomes_the_table_and_keeps_its_permissions(path, rows, tmp_path):
    (tmp_path / "s.delta").mkdir(mode=0o750)
    score(path, rows, tmp_path / "s.delta")
    assert (tmp_path / "s.delta").stat().st_mode & 0o777 == 0o750
    score(path, rows, tmp_path / "t.delta")
    assert (tmp_path / "t.delta").stat().st_mode & 0o777 == 0o755
    assert all(file.stat().st_mode & 0o777 == 0o644 for file in (tmp_path / "t.delta").glob("*.parquet"))


def test_a_table_is_not_written_into_itself(path, frame, tmp_path):
    write(tmp_path / "rows", pa.table(frame[:10]))
    with pytest.raises(ValueError, match="is the table to be scored"):
        score(path, tmp_path / "rows", tmp_path / "rows", append=True)


def test_threads_end_with_the_job(path, rows, tmp_path):
    score(path, rows, tmp_path / "s.delta")
    with pytest.raises(StoppedError):
        score(path, rows, tmp_path / "t.delta", batch_size=100, stop=StopAfter(3))
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("tabkd")] == []
