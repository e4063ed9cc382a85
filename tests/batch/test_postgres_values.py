"""What a table of PostgreSQL holds after a job are the values of the job, or it was refused."""

import datetime as dt
from decimal import Decimal

import adbc_driver_manager
import pyarrow as pa
import pytest

from tabkd.batch._postgres_columns import columns_of, made, matched
from tabkd.batch._postgres_types import sent

# Values by the type of Arrow, and each as PostgreSQL reads it.
VALUES = {
    "bool": (pa.array([True, None, False]), ["true", None, "false"]),
    "int8": (pa.array([-128, 127], pa.int8()), ["-128", "127"]),
    "uint8": (pa.array([255], pa.uint8()), ["255"]),
    "int16": (pa.array([-32768], pa.int16()), ["-32768"]),
    "uint16": (pa.array([65535], pa.uint16()), ["65535"]),
    "int32": (pa.array([2147483647, None], pa.int32()), ["2147483647", None]),
    "uint32": (pa.array([4294967295], pa.uint32()), ["4294967295"]),
    "int64": (pa.array([9007199254740993, 1]), ["9007199254740993", "1"]),
    "small int64": (pa.array([1, None, -7]), ["1", None, "-7"]),
    "eight bytes": (pa.array(["12345678"]), ["12345678"]),
    "uint64": (pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"]),
    "half": (pa.array([1.5], pa.float16()), ["1.5"]),
    "float": (pa.array([0.25, None], pa.float32()), ["0.25", None]),
    "double": (pa.array([42.9, None]), ["42.9", None]),
    "whole double": (pa.array([42.0, float("nan"), float("inf")]), ["42", "NaN", "Infinity"]),
    "text": (pa.array(["é'\"\\", "", None]), ["é'\"\\", "", None]),
    "long text": (pa.array(["x" * 80]), ["x" * 80]),
    "blanks": (pa.array(["ab    "]), ["ab    "]),
    "category": (pa.array(["ok", None, "sad"]).dictionary_encode(), ["ok", None, "sad"]),
    "large text": (pa.array(["ok"], pa.large_string()), ["ok"]),
    "view": (pa.array(["ok"], pa.string_view()), ["ok"]),
    "number": (pa.array(["12.50", "-1"]), ["12.50", "-1"]),
    "digits": (pa.array(["12.345"]), ["12.345"]),
    "whole text": (pa.array(["42", None, "-7", "0"]), ["42", None, "-7", "0"]),
    "largest text": (
        pa.array(["9223372036854775807", "-9223372036854775808"]),
        ["9223372036854775807", "-9223372036854775808"],
    ),
    "day as text": (pa.array(["2026-10-24", None, "0001-01-01"]), ["2026-10-24", None, "0001-01-01"]),
    "json": (pa.array(['{"a": 1}']), ['{"a": 1}']),
    "uuid": (pa.array(["11111111-2222-3333-4444-555555555555", None]), ["11111111-2222-3333-4444-555555555555", None]),
    "sixteen bytes": (pa.array(["0123456789abcdef"]), ["0123456789abcdef"]),
    "bytes": (pa.array([b"a\0b"]), [r"\x610062"]),
    "fixed bytes": (pa.array([b"abcd"], pa.binary(4)), [r"\x61626364"]),
    "date": (pa.array([dt.date(2026, 10, 24)]), ["2026-10-24"]),
    "date64": (pa.array([dt.date(2026, 10, 24)], pa.date64()), ["2026-10-24"]),
    "seconds": (pa.array([dt.datetime(2026, 1, 2, 3, 4, 5)], pa.timestamp("s")), ["2026-01-02 03:04:05"]),
    "micros": (pa.array([dt.datetime(1969, 1, 2, 3, 4, 5, 67)]), ["1969-01-02 03:04:05.000067"]),
    "nanos": (pa.array([1_700_000_000_000_001_000], pa.timestamp("ns")), ["2023-11-14 22:13:20.000001"]),
    "odd nanos": (pa.array([1_700_000_000_000_000_001], pa.timestamp("ns")), ["refused"]),
    "moment": (pa.array([dt.datetime(2026, 1, 2, 3)], pa.timestamp("ms", "Asia/Tokyo")), ["2026-01-02 03:00:00+00"]),
    "time": (pa.array([dt.time(1, 2, 3, 4)]), ["01:02:03.000004"]),
    "time of seconds": (pa.array([dt.time(1, 2, 3)], pa.time32("s")), ["01:02:03"]),
    "duration": (pa.array([dt.timedelta(seconds=90)]), ["00:01:30"]),
    "decimal": (pa.array([Decimal("12.50"), None]), ["12.5", None]),
    "long decimal": (pa.array([Decimal("-0.00000012345678901234567890123")]), ["-0.00000012345678901234567890123"]),
    "numbers": (pa.array([[1, None], [], None]), ["{1,NULL}", "{}", None]),
    "texts": (pa.array([["a", "b,c"]]), ['{a,"b,c"}']),
    "nothing": (pa.nulls(2), [None, None]),
}
TYPES = [
    *(
        "boolean",
        "smallint",
        "integer",
        "bigint",
        "real",
        "double precision",
        "numeric",
        "numeric(6,1)",
        "money",
        "text",
    ),
    *("varchar", "varchar(3)", "char(5)", '"char"', "name", "bytea", "date", "time", "time(0)", "timetz", "timestamp"),
    *(
        "timestamp(0)",
        "timestamptz",
        "interval",
        "interval(0)",
        "uuid",
        "json",
        "jsonb",
        "xml",
        "inet",
        "bit(64)",
        "oid",
    ),
    *("bigint[]", "integer[]", "text[]", "varchar(1)[]", "point", "tid", "int8range", "a_mood", "a_count", "a_price"),
]
# Where a column must take values that tabkd or this server writes; elsewhere it may as well be refused.
TAKEN = {
    ("int32", "integer"), ("small int64", "integer"), ("small int64", "smallint"), ("small int64", "a_count"),
    ("int64", "bigint"), ("uint64", "numeric"), ("float", "real"), ("float", "double precision"),
    ("double", "double precision"), ("text", "varchar"), ("category", "a_mood"), ("category", "text"),
    ("uuid", "uuid"), ("number", "numeric"), ("json", "json"), ("decimal", "numeric(6,1)"), ("decimal", "a_price"),
    ("date", "date"), ("micros", "timestamp"), ("moment", "timestamptz"), ("seconds", "timestamp(0)"),
    ("time", "time"), ("numbers", "bigint[]"), ("nothing", "integer"), ("whole text", "bigint"),
    ("whole text", "smallint"), ("whole text", "a_count"), ("whole text", "numeric"), ("largest text", "bigint"),
    ("day as text", "date"),
}  # fmt: skip


@pytest.fixture(scope="module")
def types(server):
    import adbc_driver_postgresql.dbapi as driver

    with driver.connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TYPE a_mood AS ENUM ('sad', 'ok')")
        cursor.execute("CREATE DOMAIN a_count AS integer CHECK (VALUE < 100)")
        cursor.execute("CREATE DOMAIN a_price AS numeric(8, 2)")


def written(sql, values):
    """Put values into the column x of `a_table`, as jobs do."""
    rows = pa.table({"x": values})
    sql.execute("SELECT to_regclass('a_table')::oid::bigint")
    table = sql.fetchone()[0]
    columns = made(rows.schema) if table is None else matched("a_table", columns_of(sql, table), rows.schema)
    given = pa.table({"x": sent(rows.column("x"), columns["x"])})
    sql.adbc_ingest("a_table", given, mode="create" if table is None else "append")


def stored(sql, table="a_table"):
    sql.execute(f"SELECT x::text FROM {table}")
    return [row[0] for row in sql.fetchall()]


def read(sql, literals, kind):
    """What PostgreSQL makes of literals as a type; None where it refuses them or would change them."""
    found = []
    for literal in literals:
        given = "NULL" if literal is None else "'" + literal.replace("'", "''") + "'"
        try:
            sql.execute(f"SELECT {given}::{kind}::text")
        except Exception:
            return None
        found.append(sql.fetchone()[0])
    return found


@pytest.mark.parametrize("name", VALUES)
def test_a_table_that_a_job_makes_holds_its_values(sql, name):
    values, literals = VALUES[name]
    sql.execute("DROP TABLE IF EXISTS a_table")
    if literals == ["refused"]:
        with pytest.raises(pa.ArrowInvalid, match="would lose data"):
            written(sql, values)
        return
    written(sql, values)
    assert stored(sql) == literals
    # And what it has made it can add to.
    written(sql, values)
    assert stored(sql) == literals * 2


def same(stored, literal):
    """Whether a text says the same as another, be it a number with more zeros."""
    try:
        return stored == literal or Decimal(stored) == Decimal(literal)
    except (ArithmeticError, TypeError):
        return False


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.date32()])
def test_infinite_moments_and_those_that_would_overflow_are_refused(sql, kind):
    sql.execute("DROP TABLE IF EXISTS a_table")
    most = 2 ** (kind.bit_width - 1)
    for number in (most - 1, -most + 1, -most, -most + 10_957, -most + 946_684_800_000_000 - 1):
        if -most <= number < most:
            with pytest.raises(pa.ArrowInvalid, match=r"its year is out of range|overflow"):
                written(sql, pa.array([number], f"int{kind.bit_width}").cast(kind))


@pytest.mark.parametrize("kind", TYPES)
def test_a_table_that_is_there_holds_the_values_or_they_are_refused(sql, types, kind):
    sql.execute("DROP TABLE IF EXISTS a_table")
    sql.execute(f"CREATE TABLE a_table (x {kind})")
    sql.execute(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'a_table'::regclass AND attnum = 1"
    )
    shown = sql.fetchone()[0]
    for name, (values, literals) in VALUES.items():
        refused = None
        try:
            written(sql, values)
        except (ValueError, adbc_driver_manager.Error) as error:
            refused = error
        if refused is not None:
            assert (name, kind) not in TAKEN, (name, refused)
            if isinstance(refused, pa.ArrowInvalid):  # a value
                continue
            # Else a type, or a rule that the server has for a type.
            of_type = f"column 'x' of 'a_table' is {shown}, which cannot hold values of type {values.type}"
            of_server = ("COPY a_table, line 1, column x", "violates check constraint")
            assert any(part in str(refused) for part in (of_type, *of_server)), (name, refused)
        else:
            found = stored(sql)
            assert all(map(same, found, read(sql, literals, kind))), (name, found)
            if kind == "char(5)":  # which is padded
                found = [value and value.rstrip() for value in found]
                literals = [literal and literal.rstrip() for literal in literals]
            assert all(map(same, found, literals)), (name, found)
            sql.execute("TRUNCATE a_table")
        assert stored(sql) == []


@pytest.mark.parametrize("kind", ["smallint", "integer", "bigint", "numeric"])
@pytest.mark.parametrize("text", ["007", "00", "-05", "+5", "1e3", "0x1f", "1_000", "٣", " 5", "5.", "", "nan"])
def test_text_that_is_not_the_one_way_to_write_a_number_does_not_become_one(sql, kind, text):
    sql.execute("DROP TABLE IF EXISTS a_table")
    sql.execute(f"CREATE TABLE a_table (x {kind})")
    with pytest.raises(pa.ArrowInvalid, match="number written like 42 or -42"):
        written(sql, pa.array(["1", text]))
    assert stored(sql) == []


@pytest.mark.parametrize(("kind", "text"), [("smallint", "32768"), ("integer", "-2147483649"), ("bigint", str(2**63))])
def test_text_of_a_whole_number_too_large_for_its_column_is_refused(sql, kind, text):
    sql.execute("DROP TABLE IF EXISTS a_table")
    sql.execute(f"CREATE TABLE a_table (x {kind})")
    with pytest.raises(pa.ArrowInvalid):
        written(sql, pa.array([text]))
    assert stored(sql) == []


@pytest.mark.parametrize("text", ["2026-02-30", "24/10/2026", "2026-10-24T00:00:00", "0000-01-01", "2026-1-2"])
def test_text_that_is_no_day_in_iso_8601_does_not_become_a_date(sql, text):
    sql.execute("DROP TABLE IF EXISTS a_table")
    sql.execute("CREATE TABLE a_table (x date)")
    with pytest.raises(pa.ArrowInvalid):
        written(sql, pa.array(["2026-10-24", text]))
    assert stored(sql) == []
