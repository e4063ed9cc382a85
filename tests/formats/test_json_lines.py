"""JSON Lines: every value survives the way to other readers, and what JSON cannot say is refused."""

import datetime
import io
import json
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pyarrow.json
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabkd._formats.json_lines import JsonLines

MOMENT = datetime.datetime(2026, 10, 24, 12, 30, 0, 250)


def written(*tables):
    stream = io.BytesIO()
    writer = JsonLines().opened(stream, tables[0].schema)
    for table in tables:
        writer.write_table(table)
    writer.close()
    return stream.getvalue()


def test_a_line_has_all_columns_in_their_order():
    table = pa.table({"b": [1, None], 'a"é': ["x", "é\n"]})
    assert written(table, table[:0], table[1:]).decode() == (
        '{"b":1,"a\\"é":"x"}\n{"b":null,"a\\"é":"é\\n"}\n{"b":null,"a\\"é":"é\\n"}\n'
    )


@given(st.lists(st.tuples(st.text(), st.none() | st.integers(-(2**63), 2**63 - 1), st.floats(allow_infinity=False))))
@settings(deadline=None)
def test_any_text_and_number_comes_back(rows):
    schema = pa.schema([("text", pa.string()), ("whole", pa.int64()), ("real", pa.float64())])
    table = pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)
    lines = written(table).decode().split("\n")[:-1]
    found = [tuple(json.loads(line).values()) for line in lines]
    assert found == [(text, whole, None if real != real else real) for text, whole, real in rows]
    assert all(isinstance(real, float | None) for *_, real in found)


def test_infinity_is_text():
    assert written(pa.table({"x": [float("inf"), float("-inf")]})) == b'{"x":"Infinity"}\n{"x":"-Infinity"}\n'


def test_other_readers_find_the_same_types():
    table = pa.table(
        {
            "id": [2**53 + 1, 2**62],
            "whole": [1.0, -2.0],
            "text": ["007", "a"],
            "flag": [True, None],
            "at": pa.array([MOMENT, None], pa.timestamp("us")),
        }
    )
    lines = written(table)
    found = pa.json.read_json(io.BytesIO(lines))
    assert found.drop_columns("at").equals(table.drop_columns("at"))
    frame = pd.read_json(io.BytesIO(lines), lines=True, dtype=False)
    assert frame["id"].tolist() == [2**53 + 1, 2**62]
    assert frame["text"].tolist() == ["007", "a"]
    assert pd.to_datetime(frame["at"]).tolist() == [pd.Timestamp(MOMENT), pd.NaT]


def test_zones_are_given_in_utc():
    moment = pd.Timestamp("2026-07-01 12:00", tz="Europe/Paris")
    assert written(pa.table({"at": pa.array([moment], pa.timestamp("s", "Europe/Paris"))})) == (
        b'{"at":"2026-07-01T10:00:00Z"}\n'
    )


def test_lists_and_structs_are_nested():
    rows = [
        {"l": [["a", None], [], None], "s": {"x": 1.5, "d": [Decimal("1.50")]}, "two": [1, 2]},
        {"l": None, "s": None, "two": None},
        {"l": [], "s": {"x": None, "d": None}, "two": [3, 4]},
    ]
    item = pa.struct([("x", pa.float64()), ("d", pa.list_(pa.decimal128(5, 2)))])
    schema = pa.schema([("l", pa.large_list(pa.list_(pa.string()))), ("s", item), ("two", pa.list_(pa.int8(), 2))])
    table = pa.Table.from_pylist(rows, schema)
    rows[0]["s"]["d"] = ["1.50"]
    for part, wanted in ((table, rows), (table[1:], rows[1:])):
        assert [json.loads(line) for line in written(part).splitlines()] == wanted


@pytest.mark.parametrize(
    "kind",
    [
        pa.binary(),
        pa.list_(pa.binary(3)),
        pa.struct([("a", pa.large_binary())]),
        pa.map_(pa.string(), pa.int8()),
        pa.list_(pa.duration("s")),
        pa.struct([]),
        pa.struct([("a", pa.int8()), ("a", pa.int8())]),
    ],
)
def test_what_json_cannot_say_is_refused_before_there_are_values(kind):
    with pytest.raises(pa.ArrowException, match="JSON has no"):
        JsonLines().written_as(kind)
