"""Rows of Delta tables: those of one version, without the rows that were removed."""

import builtins
import datetime as dt
import json
import struct
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner

import tabkd
from tabkd import compare
from tabkd._cli import app
from tabkd.batch import _parts as parts
from tabkd.batch._databases import find_sources
from tabkd.batch._found_files import find_files
from tabkd.batch._job import score_dataset
from tabkd.batch._stopping import StoppedError
from tests.batch.stopping import StopAfter

deltalake = pytest.importorskip("deltalake", reason="Delta tables need deltalake")
DeltaTable, write = deltalake.DeltaTable, deltalake.write_deltalake


@pytest.fixture
def rows(tmp_path, frame):
    """A table of three versions: 2,000 rows, without every third one of them, and with 1,000 more."""
    place = tmp_path / "rows é"
    write(place, pa.table(frame[:2000]))
    DeltaTable(place).delete("id % 3 = 0")
    write(place, pa.table(frame[2000:]), mode="append")
    return place


def scored(path, inputs, out, **options):
    done = score_dataset(path, list(map(str, inputs)), str(out), keep=["id"], **options)
    return done, pd.read_parquet(out).set_index("id")["probability_True"]


def test_removed_rows_are_not_read(path, frame, expected, rows, tmp_path):
    done, found = scored(path, [rows], tmp_path / "out.parquet", batch_size=300)
    present = frame["id"][(frame["id"] % 3 > 0) | (frame["id"] >= 2000)]
    assert sorted(found.index) == present.tolist()
    np.testing.assert_array_equal(found.loc[present], expected[present])
    assert (done.read, done.written) == (len(present), len(present))
    assert done.delta_versions == {str(rows): 2}


@pytest.mark.parametrize(("version", "n_rows"), [(0, 2000), (1, 1333), (2, 2333), (None, 2333)])
def test_the_version_can_be_chosen_and_the_summary_names_it(path, rows, tmp_path, version, n_rows):
    out, summary = tmp_path / "out.parquet", tmp_path / "s.json"
    chosen = [] if version is None else ["--delta-version", version]
    arguments = ["score", path, f"{rows}/", "--output", out, "--summary", summary, *chosen]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.stderr
    assert json.loads(summary.read_text())["delta_versions"] == {str(rows): 2 if version is None else version}
    assert pa.parquet.read_metadata(out).num_rows == n_rows


def test_a_version_that_is_not_there_is_refused(path, rows, frame, tmp_path):
    with pytest.raises(ValueError, match=r"delta_version=3 is not a version of .*rows é', whose latest one is 2"):
        scored(path, [rows], tmp_path / "out.parquet", delta_version=3)
    frame.to_parquet(tmp_path / "in.parquet")
    with pytest.raises(ValueError, match="delta_version=0 is the version of one Delta table, and the inputs have 0"):
        scored(path, [tmp_path / "in.parquet"], tmp_path / "out.parquet", delta_version=0)
    with pytest.raises(ValueError, match="delta_version=0 is for a Delta table, not for a query"):
        find_sources(["postgresql://user@host/name"], "SELECT 1", None, 0)


def test_files_of_a_version_that_vacuum_removed_are_named_before_the_first_row(path, rows, tmp_path):
    DeltaTable(rows).vacuum(0, enforce_retention_duration=False, dry_run=False)
    with pytest.raises(ValueError, match=r"a file of version 0 of .*rows é', is missing. VACUUM removes"):
        scored(path, [rows], tmp_path / "out.parquet", delta_version=0)


def test_rows_that_are_committed_meanwhile_are_not_read(path, frame, rows, tmp_path):
    def commit():
        if not done:
            done.append(write(rows, pa.table(frame[:10]), mode="append"))
        return False

    done = []
    assert scored(path, [rows], tmp_path / "out.parquet", batch_size=100, stop=commit)[0].read == 2333
    assert DeltaTable(rows).version() == 3


def test_a_job_is_resumed_on_the_same_version_only(path, frame, rows, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "_PART_ROWS", 500)
    whole = scored(path, [rows], tmp_path / "whole.parquet", batch_size=100)[1]
    options = {"batch_size": 100, "resume": True}
    with pytest.raises(StoppedError):
        scored(path, [rows], tmp_path / "out.parquet", stop=StopAfter(12), **options)
    write(rows, pa.table(frame[:10]), mode="append")
    told = r"holds an unfinished job of another input, which read delta_version=2 of '.*rows é'\. Repeat the options"
    with pytest.raises(ValueError, match=told):
        scored(path, [rows], tmp_path / "out.parquet", **options)
    done, found = scored(path, [rows], tmp_path / "out.parquet", delta_version=2, **options)
    assert done.read == 2333
    pd.testing.assert_series_equal(found, whole)
    assert (tmp_path / "out.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_partitions_are_columns_of_every_type(path, frame, expected, tmp_path):
    n = 40
    moment = dt.datetime(2026, 10, 24, 12, 30, 0, 250_000)
    by = {
        "month": pa.array([["a b", "c/d%2F", None, "é=x"][i % 4] for i in range(n)]),
        "day": pa.array([[dt.date(2026, 1, 31), None][i % 2] for i in range(n)]),
        "at": pa.array([moment] * n, pa.timestamp("us", "UTC")),
        "local": pa.array([moment] * n, pa.timestamp("us")),
        "price": pa.array([Decimal("1.10")] * n, pa.decimal128(5, 2)),
        "share": pa.array([0.1] * n),
        "flag": pa.array([True] * n),
        "small": pa.array([-7] * n, pa.int8()),
    }
    table = pa.table(frame[:n])
    for name, values in by.items():
        table = table.append_column(name, values)
    write(tmp_path / "rows", table, partition_by=list(by))
    score_dataset(path, [str(tmp_path / "rows")], str(tmp_path / "out.parquet"), keep=["id", *by])
    found = pa.parquet.read_table(tmp_path / "out.parquet").sort_by("id")
    for name, values in by.items():
        assert found.column(name).to_pylist() == values.to_pylist(), name
        assert found.schema.field(name).type == values.type
    np.testing.assert_array_equal(found.column("probability_True"), expected[:n])


def test_columns_that_were_added_later_are_null_before(path, frame, expected, tmp_path):
    write(tmp_path / "rows", pa.table(frame[["id", "amount"]][:10]))
    write(tmp_path / "rows", pa.table(frame[10:20].assign(note=1.5)), mode="append", schema_mode="merge")
    score_dataset(path, [str(tmp_path / "rows")], str(tmp_path / "out.parquet"), keep=["note", "id"])
    found = pd.read_parquet(tmp_path / "out.parquet").sort_values("id")
    assert found["note"].isna().tolist() == [True] * 10 + [False] * 10
    np.testing.assert_array_equal(found["probability_True"][10:], expected[10:20])


@pytest.mark.parametrize("partitions", [{}, {"partition_by": ["paid"]}])
def test_a_table_without_rows(path, frame, tmp_path, partitions):
    write(tmp_path / "rows", pa.table(frame[:0]), **partitions)
    assert scored(path, [tmp_path / "rows"], tmp_path / "out.parquet")[0].written == 0
    write(tmp_path / "rows", pa.table(frame[:9]), mode="append")
    DeltaTable(tmp_path / "rows").delete()
    assert scored(path, [tmp_path / "rows"], tmp_path / "out.parquet")[0].written == 0


def test_rejects_name_the_file_and_the_row(path, frame, rows, tmp_path):
    write(rows, pa.table(frame[:3].assign(amount=[1, np.inf, 2])), mode="append")
    options = {"rejects": tmp_path / "r.csv", "max_rejects": 1}
    done = scored(path, [rows], tmp_path / "out.parquet", **options)[0]
    assert (done.read, done.rejected, done.written) == (2336, 1, 2335)
    (reject,) = pd.read_csv(tmp_path / "r.csv").to_dict("records")
    assert (reject["row"], reject["column"]) == (1, "amount")
    assert Path(reject["source"]).parent == rows
    assert pd.read_parquet(reject["source"])["amount"][1] == np.inf


# Deletion vectors, which delta-rs reads but does not write: these are made by hand.

_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def z85(data):
    data += bytes(-len(data) % 4)
    numbers = [int.from_bytes(data[i : i + 4]) for i in range(0, len(data), 4)]
    return "".join(_Z85[number // 85**k % 85] for number in numbers for k in (4, 3, 2, 1, 0))


def with_removed_by_vector(place, removed):
    """Remove rows of the one file of a table by a vector in its log: one array of a 64-bit roaring bitmap."""
    log = place / "_delta_log"
    actions = [json.loads(line) for line in (log / f"{0:020d}.json").read_text().splitlines()]
    add = next(action["add"] for action in actions if "add" in action)
    bitmap = struct.pack("<IQI", 1681511377, 1, 0) + struct.pack("<IIHHI", 12346, 1, 0, len(removed) - 1, 16)
    bitmap += struct.pack(f"<{len(removed)}H", *removed)
    vector = {"storageType": "i", "pathOrInlineDv": z85(bitmap), "sizeInBytes": len(bitmap)}
    features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
    written = [
        {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}},
        {"remove": {"path": add["path"], "deletionTimestamp": 1, "dataChange": True}},
        {"add": add | {"deletionVector": vector | {"cardinality": len(removed)}}},
    ]
    (log / f"{1:020d}.json").write_text("\n".join(map(json.dumps, written)))


def test_rows_that_a_deletion_vector_removes_are_not_read(path, frame, expected, tmp_path):
    place, removed = tmp_path / "rows é", [0, 7, 8, 499]
    bad = frame[:500].assign(amount=frame["amount"].where(frame["id"] != 7, np.inf))
    write(place, pa.table(bad))
    with_removed_by_vector(place, removed)
    done, found = scored(path, [place], tmp_path / "out.parquet", batch_size=60)
    left = [i for i in range(500) if i not in removed]
    assert found.index.tolist() == left
    np.testing.assert_array_equal(found, expected[left])
    assert done.read == 496


def test_rows_behind_removed_ones_are_rejected_by_their_place_in_the_file(path, frame, tmp_path):
    write(tmp_path / "rows", pa.table(frame[:20].assign(amount=[np.inf if i == 9 else i for i in range(20)])))
    with_removed_by_vector(tmp_path / "rows", [1, 2])
    scored(path, [tmp_path / "rows"], tmp_path / "out.parquet", rejects=tmp_path / "r.csv", max_rejects=1)
    assert pd.read_csv(tmp_path / "r.csv")["row"].tolist() == [9]


# What is refused


def commit(place, *actions):
    version = len(list((place / "_delta_log").glob("*.json")))
    (place / "_delta_log" / f"{version:020d}.json").write_text("\n".join(map(json.dumps, actions)))


def test_a_table_with_mapped_columns_is_refused(path, rows, tmp_path):
    metadata = json.loads((rows / "_delta_log" / f"{0:020d}.json").read_text().splitlines()[2])
    metadata["metaData"]["configuration"] = {"delta.columnMapping.mode": "name"}
    schema = json.loads(metadata["metaData"]["schemaString"])
    for i, field in enumerate(schema["fields"]):
        field["metadata"] = {"delta.columnMapping.id": i, "delta.columnMapping.physicalName": f"c{i}"}
    metadata["metaData"]["schemaString"] = json.dumps(schema)
    features = {"readerFeatures": ["columnMapping"], "writerFeatures": ["columnMapping"]}
    commit(rows, {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}}, metadata)
    with pytest.raises(ValueError, match=r"is a Delta table with columnMapping, which tabkd does not read\. Write its"):
        scored(path, [rows], tmp_path / "out.parquet")


def test_a_file_that_is_not_the_committed_one_is_refused(path, frame, rows, tmp_path):
    file = next(file for file in rows.glob("*.parquet") if pa.parquet.read_metadata(file).num_rows == 1000)
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    with pytest.raises(ValueError, match="has another size than in the log"):
        scored(path, [rows], tmp_path / "out.parquet")
    # A file of the same size with fewer rows.
    pa.parquet.write_table(pa.table(frame[2000:2900]), file)
    file.write_bytes(content)
    log = rows / "_delta_log" / f"{2:020d}.json"
    log.write_text(log.read_text().replace('numRecords\\":1000', 'numRecords\\":1001'))
    with pytest.raises(ValueError, match="has 1,000 rows, but 1,001 by the log of its table"):
        scored(path, [rows], tmp_path / "out.parquet")


@pytest.mark.parametrize("name", ["../secret.parquet", "%2E%2E/secret.parquet", "/etc/x", "file:///etc/x"])
def test_a_log_that_leads_out_of_the_folder_is_refused(path, frame, rows, tmp_path, name):
    frame.to_parquet(tmp_path / "secret.parquet")
    size = (tmp_path / "secret.parquet").stat().st_size
    facts = {"partitionValues": {}, "size": size, "modificationTime": 1, "dataChange": True}
    commit(rows, {"add": {"path": name, **facts}})
    with pytest.raises(ValueError, match=r"rows é' has rows in '.*', which is not in its folder"):
        scored(path, [rows], tmp_path / "out.parquet")


def test_a_table_of_a_store_is_not_read_as_plain_files(path, frame, tmp_path):
    import fsspec

    store = fsspec.filesystem("memory")
    store.pipe("/lake/rows/_delta_log/00000000000000000000.json", b"{}")
    frame[:5].to_parquet("memory://lake/rows/0.parquet")
    for given, match in (
        ("memory://lake/rows", "cannot read the Delta table '/lake/rows'"),
        ("memory://lake", "'/lake/rows' is a Delta table, whose Parquet files"),
    ):
        with pytest.raises(ValueError, match=match):
            scored(path, [given], tmp_path / "out.parquet")
    store.rm("/lake", recursive=True)


def test_times_of_spark_are_read_to_the_microsecond(path, frame, tmp_path):
    (tmp_path / "rows").mkdir()
    at = [dt.datetime(3000, 1, 1, 0, 0, 0, 1), None, dt.datetime(1, 1, 1)]
    given = pa.table(frame[:3]).append_column("at", pa.array(at, pa.timestamp("us")))
    # As in a table whose columns have timestamps, in a file that Spark wrote.
    write(tmp_path / "rows", given)
    (file,) = (tmp_path / "rows").glob("*.parquet")
    pa.parquet.write_table(given, file, use_deprecated_int96_timestamps=True)
    log = tmp_path / "rows" / "_delta_log" / f"{0:020d}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    actions[-1]["add"]["size"] = file.stat().st_size
    log.write_text("\n".join(map(json.dumps, actions)))
    score_dataset(path, [str(tmp_path / "rows")], str(tmp_path / "out.parquet"), keep=["at"])
    assert pa.parquet.read_table(tmp_path / "out.parquet").column("at").to_pylist() == at


@pytest.mark.parametrize("given", ["{}/*.parquet", "{}/..", "{}/../*", "{}/_delta_log"])
def test_files_of_a_table_are_not_read_as_plain_files(path, rows, tmp_path, given):
    with pytest.raises(ValueError, match=r"rows é' is a Delta table, whose Parquet files also hold rows that it has"):
        scored(path, [given.format(rows)], tmp_path.parent / "out.parquet")


def test_labelled_rows_are_not_read_from_the_files_of_a_table(rows):
    for given in (rows, rows.parent, next(rows.glob("*.parquet"))):
        with pytest.raises(ValueError, match=r"rows é' is a Delta table, whose Parquet files"):
            find_files([str(given)])


def test_a_folder_of_partitions_within_a_table_is_refused(path, frame, tmp_path):
    write(tmp_path / "rows", pa.table(frame[:10]), partition_by=["paid"])
    for given in ("paid=true", "paid=*"):
        with pytest.raises(ValueError, match=r"rows' is a Delta table, whose Parquet files"):
            scored(path, [tmp_path / "rows" / given], tmp_path / "out.parquet")


def test_a_table_is_given_once(path, rows, tmp_path):
    (tmp_path / "link").symlink_to(rows)
    with pytest.raises(ValueError, match="link' is given twice"):
        scored(path, [rows, tmp_path / "link"], tmp_path / "out.parquet")


def test_tables_and_files_are_scored_together(path, frame, rows, tmp_path):
    frame[:5].to_parquet(tmp_path / "a.parquet")
    done, found = scored(path, [tmp_path / "a.parquet", rows], tmp_path / "out.parquet")
    assert done.read == 2338
    assert found.index[:5].tolist() == [0, 1, 2, 3, 4]


def test_options_of_a_csv_are_not_for_a_table(path, rows, tmp_path):
    with pytest.raises(ValueError, match="delimiter is for files, not for rows of a database or Delta table"):
        scored(path, [rows], tmp_path / "out.parquet", delimiter=";")


def test_without_the_package_a_table_is_refused_by_name(path, rows, tmp_path, monkeypatch):
    real = builtins.__import__

    def missing(name, *arguments):
        if name.partition(".")[0] == "deltalake":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ValueError, match=r"rows é' is a Delta table, which needs deltalake: pip install deltalake"):
        scored(path, [rows], tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()
    pa.parquet.write_table(pa.parquet.read_table(next(rows.glob("*.parquet"))), tmp_path / "in.parquet")
    for output in (tmp_path / "new.delta", rows):
        with pytest.raises(ValueError, match=r"is a Delta table, which needs deltalake: pip install deltalake"):
            score_dataset(path, [str(tmp_path / "in.parquet")], str(output), append=True)


def test_a_damaged_log_is_named(path, rows, tmp_path):
    (rows / "_delta_log" / f"{2:020d}.json").write_text("{")
    with pytest.raises(ValueError, match=r"cannot read the Delta table '.*rows é'"):
        scored(path, [rows], tmp_path / "out.parquet")


# Other commands


def test_models_are_compared_on_a_table(path, frame, rows):
    found = compare(tabkd.load(path), tabkd.load(path), [str(rows)], timing=False, review=[0.1])
    assert found.n_rows == 2333


def test_commands_that_read_files_refuse_tables(path, frame, rows, tmp_path):
    named = rows.rename(tmp_path / "rows.parquet")
    (file, *_) = named.glob("*.parquet")
    for table in (named, file):
        arguments = ["distill", table, "--target", "paid", "--output", tmp_path / "out"]
        result = CliRunner().invoke(app, list(map(str, arguments)))
        assert result.exit_code == 1
        assert "rows.parquet' is a Delta table, whose Parquet files also hold rows" in result.stderr


def test_spark_scores_no_version_of_a_table(path, rows, tmp_path):
    arguments = ["score", path, rows, "--output", tmp_path / "out", "--engine", "spark"]
    result = CliRunner().invoke(app, list(map(str, [*arguments, "--delta-version", 0])))
    assert result.exit_code == 1
    assert "--delta-version does not work with --engine spark" in result.stderr
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert "is a Delta table, whose Parquet files also hold rows" in result.stderr
