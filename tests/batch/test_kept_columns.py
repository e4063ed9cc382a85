"""Kept columns: values of all inputs as they are, in one type, or refused by name before anything is written."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest

from tabkd._formats import FORMATS, SUFFIXES, format_of
from tabkd.batch._job import score_dataset
from tabkd.batch._kept import common_type
from tests.batch.readers import READERS

IDS = [12345678902, 12345678903, None]


@pytest.fixture
def rows(frame, path, tmp_path):
    """Write parts with a column `x` of given values, score them all, and give what was kept."""

    def kept(*parts, output="o.parquet", **options):
        folder = tmp_path / "in"
        folder.mkdir(exist_ok=True)
        for i, values in enumerate(parts):
            name = folder / f"{i}.parquet"
            if isinstance(values, str):  # lines of a CSV
                lines = values.split("\n")
                head = frame.assign(shop="a")[: len(lines)].to_csv(index=False).splitlines()
                (folder / f"{i}.csv").write_text(
                    "\n".join(f"{line},{x}" for line, x in zip(head, ["x", *lines], strict=False)) + "\n"
                    + "".join(f"{i},1,a,True,{x}\n" for i, x in enumerate(lines[len(head) - 1 :]))
                )  # fmt: skip
                continue
            table = pa.table(frame[: len(values)]).append_column("x", values)
            pa.parquet.write_table(table, name)
        score_dataset(path, [folder], tmp_path / output, keep=["x"], **options)
        if output.endswith(".csv"):
            return [line.split(",")[0] for line in (tmp_path / output).read_text().splitlines()[1:]]
        read = pa.parquet.read_table if output.endswith(".parquet") else pa.feather.read_table
        return read(tmp_path / output)["x"].to_pylist()

    return kept


WHOLE, GAPS = pa.array(IDS[:2], pa.int64()), pa.array([12345678903.0, None])


@pytest.mark.parametrize("batch_size", [1, 65_536])
def test_ids_that_are_doubles_in_one_file_stay_whole_numbers(rows, batch_size):
    wanted = [*IDS[:2], 12345678903, None]
    assert rows(WHOLE, GAPS, batch_size=batch_size) == wanted
    assert rows(GAPS, WHOLE, batch_size=batch_size) == [12345678903, None, *IDS[:2]]
    assert rows(WHOLE, pa.array([12345678903.0, float("nan")]), batch_size=batch_size) == wanted
    assert rows(WHOLE, GAPS.cast(pa.float64()), output="o.csv", batch_size=batch_size) == [
        *map(str, IDS[:2]),
        "12345678903",
        "",
    ]


def test_doubles_alone_are_whole_in_a_csv(rows):
    values = pa.array([12345678903.0, 0.1, None, -7.0, 1e300, 2.0**53])
    wanted = ["12345678903", "0.1", "", "-7", "1e+300", "9007199254740992"]
    assert [value.strip('"') for value in rows(values, output="o.csv")] == wanted
    assert rows(values) == values.to_pylist()
    assert [value.strip('"') for value in rows(pa.array([0.1, 7], pa.float32()), output="o.csv")] == ["0.1", "7"]


def test_doubles_beside_the_text_of_a_csv(rows):
    assert rows("12345678902\n007\n", GAPS) == ["12345678902", "007", None, "12345678903", None]
    assert rows("12345678902\n1.50", pa.array([1.5, 2])) == ["12345678902", "1.50", "1.5", "2"]


@pytest.mark.parametrize(
    ("first", "value", "reason"),
    [
        (WHOLE, 12.5, "12.5"),
        (WHOLE, 2.0**53 + 2, "too large for float64"),
        (WHOLE, float("inf"), "inf"),
        ("abc", 2.0**53 + 2, "too large for float64"),
        (pa.array([Decimal("1.5")]), 2.0**60, "too large for float64"),
    ],
)
def test_a_double_that_is_no_id_is_named(rows, tmp_path, first, value, reason):
    with pytest.raises(ValueError, match=rf"1\.parquet, row 1: column 'x' is .*{reason}.*Store it with the same type"):
        rows(first, pa.array([1.0, value]))
    assert not (tmp_path / "o.parquet").exists()


DAY, MOMENT = datetime.date(2026, 10, 24), datetime.datetime(2026, 10, 24, 12, 30, 0, 250)
UTC = datetime.UTC


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        (pa.array([1], pa.int8()), pa.array([2**40]), [1, 2**40]),
        (pa.array([1], pa.int64()), pa.array([2**64 - 1], pa.uint64()), [Decimal(1), Decimal(2**64 - 1)]),
        (pa.array([True, None]), pa.array([0, 1], pa.int8()), [1, None, 0, 1]),
        (pa.array([True, False]), pa.array([1.0, None]), [1, 0, 1, None]),
        (pa.array([Decimal("1.50")]), pa.array([2**62]), [Decimal("1.50"), Decimal(2**62)]),
        (pa.array([Decimal("1.50")]), pa.array([Decimal("1.234")]), [Decimal("1.500"), Decimal("1.234")]),
        (pa.array([Decimal(12345678903)]), pa.array([12345678903.0]), ["12345678903", "12345678903"]),
        (pa.array([DAY]), pa.array([MOMENT]), [datetime.datetime(2026, 10, 24), MOMENT]),
        (pa.array([MOMENT], pa.timestamp("us")), pa.array([DAY.toordinal()], pa.int32()).cast(pa.int64()), None),
        (
            pa.array([MOMENT], pa.timestamp("us", "UTC")),
            pa.array([MOMENT], pa.timestamp("us", "Europe/Paris")),
            [MOMENT.replace(tzinfo=UTC)] * 2,
        ),
        (
            pa.array([0], pa.timestamp("s")),
            pa.array([1], pa.timestamp("us")),
            [datetime.datetime(1970, 1, 1), datetime.datetime(1970, 1, 1, 0, 0, 0, 1)],
        ),
        (pa.array(["a"]), pa.array(["b"], pa.large_string()), ["a", "b"]),
        (pa.array(["a"]), pa.array(["b"]).dictionary_encode(), ["a", "b"]),
        (pa.array(["a"]), pa.array(["b"], pa.string_view()), ["a", "b"]),
        (pa.nulls(2), pa.array([7]), [None, None, 7]),
        (pa.nulls(2), pa.array([[7]]), [None, None, [7]]),
        (pa.array([None], pa.date32()), pa.array([7]), [None, "7"]),
        (pa.array([b"a"]), pa.array([b"b"], pa.large_binary()), [b"a", b"b"]),
        (pa.array([1.5], pa.float32()), pa.array([0.1]), [1.5, 0.1]),
    ],
)
def test_types_that_differ_between_inputs(rows, first, second, wanted):
    if wanted is None:
        wanted = [str(first[0].as_py()), str(second[0].as_py())]
        found = rows(first, second)
        assert [value[:19] for value in found] == [value[:19] for value in wanted]
        return
    assert rows(first, second) == wanted
    assert rows(second, first) == [*wanted[len(first) :], *wanted[: len(first)]]


@pytest.mark.parametrize("other", [pa.list_(pa.int64()), pa.struct([("a", pa.int8())]), pa.binary()])
def test_types_that_nothing_holds(rows, other):
    with pytest.raises(ValueError, match=r"keep='x' is .* and .* in the inputs, and no type holds them all"):
        rows(WHOLE, pa.nulls(2, other))


def test_a_time_with_a_zone_is_no_moment_without_one():
    kinds = [pa.timestamp("us"), pa.timestamp("us", "UTC")]
    assert common_type("x", kinds) == pa.string()


def test_partitions_of_ids_are_one_whatever_their_type(frame, path, tmp_path):
    for i, values in enumerate((WHOLE, GAPS)):
        (tmp_path / "in").mkdir(exist_ok=True)
        table = pa.table(frame[:2]).append_column("x", values)
        pa.parquet.write_table(table, tmp_path / "in" / f"{i}.parquet")
    score_dataset(path, [tmp_path / "in"], tmp_path / "all", partition_by=["x"])
    wanted = ["x=12345678902", "x=12345678903", "x=__HIVE_DEFAULT_PARTITION__"]
    assert sorted(p.name for p in (tmp_path / "all").iterdir()) == wanted
    score_dataset(path, [tmp_path / "in" / "1.parquet"], tmp_path / "one", partition_by=["x"])
    assert sorted(p.name for p in (tmp_path / "one").iterdir()) == wanted[1:]


# Types and formats

SPAN = pa.scalar((14, -3, 5_400_000_000_001), pa.month_day_nano_interval()).as_py()
KEPT = {
    "bool": (pa.array([True, None]), ["true", ""]),
    "int64": (pa.array([2**53 + 1, None]), ["9007199254740993", ""]),
    "uint64": (pa.array([2**64 - 1, None], pa.uint64()), [str(2**64 - 1), ""]),
    "half": (pa.array([1.5, 2], pa.float16()), ["1.5", "2"]),
    "double": (pa.array([1.5, None]), ["1.5", ""]),
    "decimal": (pa.array([Decimal("1.50"), None]), ["1.50", ""]),
    "decimal256": (pa.array([Decimal("1.50"), None], pa.decimal256(60, 2)), ["1.50", ""]),
    "date32": (pa.array([DAY, None]), ["2026-10-24", ""]),
    "date64": (pa.array([DAY, None], pa.date64()), ["2026-10-24", ""]),
    "time32": (pa.array([datetime.time(12, 30), None], pa.time32("s")), ["12:30:00", ""]),
    "time64": (pa.array([datetime.time(12, 30, 0, 5), None], pa.time64("us")), ["12:30:00.000005", ""]),
    "timestamp": (pa.array([MOMENT, None]), ["2026-10-24 12:30:00.000250", ""]),
    "zoned": (pa.array([MOMENT, None], pa.timestamp("us", "UTC")), ["2026-10-24 12:30:00.000250Z", ""]),
    "duration": (pa.array([datetime.timedelta(days=1, seconds=2, microseconds=500_000), None]), ["PT86402.5S", ""]),
    "interval": (pa.array([SPAN, None]), ["P14M-3DT5400.000000001S", ""]),
    "text": (pa.array(["a", None]), ["a", ""]),
    "null": (pa.nulls(2), ["", ""]),
    "bytes": (pa.array([b"\xff", None]), None),
    "fixed bytes": (pa.array([b"\xff", None], pa.binary(1)), None),
    "list": (pa.array([[1, None], None]), None),
    "list view": (pa.array([[1, None], None], pa.list_view(pa.int64())), None),
    "struct": (pa.array([{"a": 1}, None]), None),
    "map": (pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())), None),
    "uuid": (pa.array([b"0123456789abcdef", None], pa.uuid()), ["30313233-3435-3637-3839-616263646566", ""]),
}


# What is not the text that a CSV has.
IN_JSON = {
    "bool": [True, None],
    "int64": [2**53 + 1, None],
    "uint64": [2**64 - 1, None],
    "half": [1.5, 2.0],
    "double": [1.5, None],
    "timestamp": ["2026-10-24T12:30:00.000250", None],
    "zoned": ["2026-10-24T12:30:00.000250Z", None],
    "list": [[1, None], None],
    "struct": [{"a": 1}, None],
}


def _as_stored(name, values):
    return [KEPT[name][1][0], None] if name == "uuid" else values.to_pylist()


def _in_parquet(name, values):
    return [KEPT[name][1][0], None] if name in ("interval", "duration") else _as_stored(name, values)


def _in_csv(name, values):
    return KEPT[name][1]


def _in_json(name, values):
    text = KEPT[name][1]
    return IN_JSON.get(name, text and [value or None for value in text])


# By the name of the format: what a file has for the values of a type; None where they are refused.
EXPECTED = {"Parquet": _in_parquet, "a CSV": _in_csv, "an Arrow file": _as_stored, "JSON": _in_json}


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_type_is_kept_right_or_refused_by_name(frame, path, tmp_path, name, suffix):
    values, _ = KEPT[name]
    table = pa.table(frame[:2]).append_column("kept, one", values)
    with pa.ipc.new_file(str(tmp_path / "in.arrow"), table.schema) as writer:
        writer.write_table(table)
    output = tmp_path / f"o{suffix}"

    def job():
        return score_dataset(path, [tmp_path / "in.arrow"], output, keep=["kept, one"])

    wanted = EXPECTED[format_of(output).name](name, values)
    if wanted is None:
        refusal = f"keep='kept, one' is .*, which {format_of(output).name} cannot hold; write Parquet"
        with pytest.raises(ValueError, match=refusal):
            job()
        assert not output.exists()
        return
    assert job().written == 2
    if suffix == ".csv":
        found = pd.read_csv(output, dtype=str, keep_default_na=False)["kept, one"].tolist()
    else:
        found = READERS[suffix](output)["kept, one"]
    assert found == wanted
    assert list(map(type, found)) == list(map(type, wanted))


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@pytest.mark.parametrize("name", sorted(set(KEPT) - {"date64", "time32", "uuid"}))
def test_types_are_kept_as_they_are(frame, path, tmp_path, name, suffix):
    values, _ = KEPT[name]
    table = pa.table(frame[:2]).append_column("kept", values)
    pa.feather.write_feather(table, str(tmp_path / "in.arrow"), compression="uncompressed")
    score_dataset(path, [tmp_path / "in.arrow"], tmp_path / f"o{suffix}", keep=["kept"])
    read = pa.parquet.read_table if suffix == ".parquet" else pa.feather.read_table
    is_text = suffix == ".parquet" and name in ("interval", "duration")
    assert read(tmp_path / f"o{suffix}").schema.field("kept").type == (pa.string() if is_text else values.type)


def test_every_format_has_a_reader_and_expected_values():
    assert set(READERS) == set(SUFFIXES)
    assert set(EXPECTED) == {format.name for format in FORMATS}


def test_a_type_that_parquet_cannot_hold(frame, path, tmp_path):
    union = pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])])
    table = pa.table(frame[:2]).append_column("either", union)
    with pa.ipc.new_file(str(tmp_path / "in.arrow"), table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(ValueError, match=r"keep='either' is .*union.*, which Parquet cannot hold; write an \.arrow"):
        score_dataset(path, [tmp_path / "in.arrow"], tmp_path / "o.parquet", keep=["either"])


@pytest.mark.parametrize("count", [1, 12345])
def test_durations_of_every_unit(frame, path, tmp_path, count):
    for unit, factor in (("s", 10**9), ("ms", 10**6), ("us", 1000), ("ns", 1)):
        table = pa.table(frame[:1]).append_column("x", pa.array([-count], pa.duration(unit)))
        pa.parquet.write_table(table, tmp_path / "in.parquet")
        score_dataset(path, [tmp_path / "in.parquet"], tmp_path / "o.parquet", keep=["x"])
        (found,) = pa.parquet.read_table(tmp_path / "o.parquet")["x"].to_pylist()
        assert Decimal(found.removeprefix("PT").removesuffix("S")) * 10**9 == -count * factor


def test_a_number_for_text_in_a_query_is_rejected(frame, path, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    duckdb.connect(str(tmp_path / "t.duckdb")).close()
    query = "SELECT 1.5 AS amount, true AS paid, CASE WHEN i = 3 THEN 2.5::DOUBLE END AS shop FROM range(5) r(i)"
    with pytest.raises(ValueError, match=r"row 3: column 'shop' is '2.5': double, but text in the model; store"):
        score_dataset(path, [tmp_path / "t.duckdb"], tmp_path / "o.parquet", query=query)
    query = query.replace("i = 3", "i = 7")
    score_dataset(path, [tmp_path / "t.duckdb"], tmp_path / "o.parquet", query=query)
    plain = query.replace("2.5::DOUBLE", "'a'")
    score_dataset(path, [tmp_path / "t.duckdb"], tmp_path / "p.parquet", query=plain)
    found, same = (pa.parquet.read_table(tmp_path / name)["probability_True"] for name in ("o.parquet", "p.parquet"))
    np.testing.assert_array_equal(found, same)
