"""Rows that cannot be scored are set aside, each with its reason, and all others keep their scores; alerts."""

from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

import tabkd
from tabkd import DistilledClassifier
from tabkd._cli.table_codes import TableCodes
from tabkd.batch._dialect import Dialect
from tabkd.batch._job import score_dataset
from tabkd.batch._rejects import TooManyRejectsError, failures, failures_by_value
from tabkd.batch._scored import Columns
from tabkd.batch._sources import in_batches
from tabkd.batch._text import convert, wrong_values
from tabkd.scoring import ExportedStudent

N_ROWS = 3000


def scored(path, source, output, **options):
    return score_dataset(tabkd.load(path), [str(source)], str(output), keep=["id"], **options)


# Rows that cannot be scored


def test_every_bad_row_of_a_csv_is_set_aside_with_its_reason(path, frame, expected, tmp_path):
    lines = frame.to_csv(index=False, lineterminator="\r\n").encode().splitlines(keepends=True)
    # A category has a line break in it, and takes two lines.
    text = b"".join(lines).split(b"\r\n")
    text[11] = b"10,12;5,a,True"
    text[21] = b"20,inf,a,True"
    text[31] = b"30,1.5,a"
    text[41] = b"40,1.5,a,True,more"
    text[51] = b"50,1.5,\xff,True"
    text[61] = b"60,1.5,a,perhaps"
    text[71] = b"70,,,"
    (tmp_path / "in.csv").write_bytes(b"\r\n".join(text))
    with pytest.raises(TooManyRejectsError, match=r"in\.csv, row .*max_rejects is 0.*rejects"):
        scored(path, tmp_path / "in.csv", tmp_path / "out.parquet")
    with pytest.raises(TooManyRejectsError, match="At least 6 rows"):
        scored(path, tmp_path / "in.csv", tmp_path / "out.csv", rejects=str(tmp_path / "r.csv"), max_rejects=5)
    assert [file.name for file in tmp_path.iterdir()] == ["in.csv"]
    counts = scored(path, tmp_path / "in.csv", tmp_path / "out.parquet", rejects=str(tmp_path / "r.csv"), max_rejects=6)
    assert (counts.read, counts.scored, counts.rejected, counts.written) == (N_ROWS, N_ROWS - 6, 6, N_ROWS - 6)
    rejects = pd.read_csv(tmp_path / "r.csv").sort_values("row")
    assert rejects["source"].unique().tolist() == [str(tmp_path / "in.csv")]
    assert rejects[["row", "column", "value", "reason"]].astype(object).values.tolist() == [
        [10, "amount", "12;5", "not a number"],
        [20, "amount", "inf", "infinite"],
        [30, np.nan, "30,1.5,a", "3 values where the header has 4"],
        [40, np.nan, "40,1.5,a,True,more", "5 values where the header has 4"],
        [50, "shop", "\\xff", "not text in UTF-8; if it has another encoding, name it, as in encoding='latin-1'"],
        [60, "paid", "perhaps", "neither true nor false"],
    ]
    scores = pd.read_parquet(tmp_path / "out.parquet").set_index("id")
    good = [i for i in range(N_ROWS) if i not in (10, 20, 30, 40, 50, 60, 70)]
    np.testing.assert_array_equal(scores.loc[[str(i) for i in good], "probability_True"], expected[good])


def test_a_block_of_bad_lines_alone(path, frame, expected, tmp_path, monkeypatch):
    from tabkd.batch import _csv_header as csv_header

    monkeypatch.setattr(csv_header, "_LEAST_BLOCK", 100)
    monkeypatch.setattr(csv_header, "_VALUE_BYTES", 1)
    lines = frame.assign(shop="a")[:60].to_csv(index=False).splitlines()
    lines[20:50] = ["too,few"] * 30
    (tmp_path / "in.csv").write_text("\n".join(lines))
    options = {"rejects": str(tmp_path / "r.parquet"), "max_rejects": 30, "batch_size": 5}
    counts = scored(path, tmp_path / "in.csv", tmp_path / "out.parquet", **options)
    assert (counts.read, counts.rejected) == (60, 30)
    assert pd.read_parquet(tmp_path / "r.parquet")["row"].tolist() == list(range(19, 49))
    assert pd.read_parquet(tmp_path / "out.parquet")["id"].astype(int).tolist() == [*range(19), *range(49, 60)]


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_whatever_lines_are_broken_all_others_keep_their_scores(path, frame, expected, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("broken")
    rows = [f"{row.id},{row.amount},a,{row.paid}" for row in frame[:300].itertuples()]
    same = frame[:300].assign(shop="a")
    bad = data.draw(st.sets(st.integers(0, 299), max_size=20))
    for i in bad:
        rows[i] = data.draw(st.sampled_from(["x", f"{i},nul,a,True", f"{i},1,a,b,c,d", f'{i},"1 2",a,False', ","]))
    (folder / "in.csv").write_text("id,amount,shop,paid\n" + "\n".join(rows) + "\n")
    counts = scored(path, folder / "in.csv", folder / "o.parquet", rejects=str(folder / "r.parquet"), max_rejects=20)
    assert (counts.read, counts.rejected) == (300, len(bad))
    assert pd.read_parquet(folder / "r.parquet")["row"].tolist() == sorted(bad)
    scores = pd.read_parquet(folder / "o.parquet")
    good = [i for i in range(300) if i not in bad]
    assert scores["id"].tolist() == [str(i) for i in good]
    same = tabkd.load(path).predict_proba(same[["amount", "shop", "paid"]])[good, 1]
    np.testing.assert_array_equal(scores["probability_True"], same)


@pytest.mark.parametrize("batch_size", [13, 65_536])
def test_bad_values_of_typed_columns(path, frame, expected, tmp_path, batch_size):
    values = frame["amount"].astype(object).tolist()
    values[5], values[2999], values[7] = "12 EUR", "NaN?", None
    table = pa.table(
        {
            "id": frame["id"],
            "amount": pa.array([None if v is None else str(v) for v in values]),
            "shop": frame["shop"],
            "paid": frame["paid"],
        }
    )
    pa.parquet.write_table(table, tmp_path / "in.parquet", row_group_size=1000)
    options = {"rejects": str(tmp_path / "r.parquet"), "max_rejects": 9, "batch_size": batch_size}
    counts = scored(path, tmp_path / "in.parquet", tmp_path / "out.parquet", **options)
    assert counts.rejected == 2
    rejects = pd.read_parquet(tmp_path / "r.parquet")
    assert rejects[["row", "column", "value", "reason"]].values.tolist() == [
        [5, "amount", "12 EUR", "not a number"],
        [2999, "amount", "NaN?", "not a number"],
    ]
    scores = pd.read_parquet(tmp_path / "out.parquet").set_index("id")["probability_True"]
    good = [i for i in range(N_ROWS) if i not in (5, 7, 2999)]
    np.testing.assert_array_equal(scores[good], expected[good])


def test_a_column_of_another_type_stops_at_once(path, frame, tmp_path):
    table = pa.table(frame).drop_columns("amount").append_column("amount", pa.array([[1.0]] * N_ROWS))
    pa.parquet.write_table(table, tmp_path / "in.parquet")
    with pytest.raises(TooManyRejectsError, match=r"row 0: column 'amount' is '\[1.0\]': not a number"):
        scored(path, tmp_path / "in.parquet", tmp_path / "out.parquet")


def test_columns_that_the_model_does_not_need_may_be_anything(path, frame, expected, tmp_path):
    table = pa.table(frame)
    others = {
        "when": pa.array([datetime(2026, 1, 1, 12)] * N_ROWS, pa.timestamp("ns", "Europe/Paris")),
        "day": pa.array([date(2026, 1, 1)] * N_ROWS),
        "price": pa.array([Decimal("1.50")] * N_ROWS),
        "list": pa.array([[1, 2]] * N_ROWS),
        "struct": pa.array([{"a": None}] * N_ROWS),
        "": pa.array([b"\xff"] * N_ROWS),
    }
    for name, values in others.items():
        table = table.append_column(name, values)
    pa.parquet.write_table(table, tmp_path / "in.parquet")
    score_dataset(tabkd.load(path), [str(tmp_path / "in.parquet")], str(tmp_path / "out.parquet"), keep=list(others))
    scores = pa.parquet.read_table(tmp_path / "out.parquet")
    np.testing.assert_array_equal(scores["probability_True"], expected)
    assert scores.select(list(others)).equals(table.select(list(others)))


@pytest.mark.parametrize("suffix", ["parquet", "csv", "arrow"])
@pytest.mark.parametrize("n_rows", [0, 1])
def test_no_row_and_one(path, frame, expected, tmp_path, suffix, n_rows):
    source, table = tmp_path / f"in.{suffix}", pa.table(frame[:n_rows])
    if suffix == "parquet":
        pa.parquet.write_table(table, source)
    elif suffix == "csv":
        pa.csv.write_csv(table, source)
    else:
        with pa.ipc.new_file(str(source), table.schema) as writer:
            writer.write_table(table)
    rejects = str(tmp_path / "rejects.parquet")
    for resume in (False, True):
        counts = scored(path, source, tmp_path / "out.parquet", rejects=rejects, resume=resume)
        assert counts.read == counts.written == n_rows
        scores = pd.read_parquet(tmp_path / "out.parquet")
        assert scores.columns.tolist() == ["id", "prediction", "probability_False", "probability_True"]
        np.testing.assert_array_equal(scores["probability_True"], expected[:n_rows])
        assert len(pd.read_parquet(rejects)) == 0


def test_a_file_of_empty_batches(path, frame, tmp_path):
    table = pa.table(frame)
    with pa.ipc.new_file(str(tmp_path / "in.arrow"), table.schema) as writer:
        for batch in (table[:0], table[:0]):
            writer.write_batch(pa.RecordBatch.from_pandas(batch.to_pandas(), schema=table.schema))
    assert scored(path, tmp_path / "in.arrow", tmp_path / "out.parquet").written == 0
    assert len(pd.read_parquet(tmp_path / "out.parquet")) == 0


def test_rejects_need_a_place(path, frame, tmp_path):
    frame.to_parquet(tmp_path / "in.parquet")
    source, output = tmp_path / "in.parquet", tmp_path / "out.parquet"
    with pytest.raises(ValueError, match=r"max_rejects=3 would lose .*rejects"):
        scored(path, source, output, max_rejects=3)
    for taken in (output, source):
        with pytest.raises(ValueError, match=r"rejects=.* is already read or written by this job"):
            scored(path, source, output, rejects=str(taken))
    with pytest.raises(ValueError, match=r"rejects='r\.txt' has the suffix '\.txt'"):
        scored(path, source, output, rejects="r.txt")


@given(st.sets(st.integers(0, 99)))
def test_failures_are_found_one_and_all(bad):
    def check(values):
        if wrong := bad & set(values.to_pylist()):
            raise ValueError(min(wrong))

    assert [i for i, _ in failures(check, pa.array(range(100)))] == sorted(bad)


PIECES = ["0", "1", "7", "12", ".", ",", "'", " ", "\t", "\n", "\0", "e", "E5", "-", "+", "inf", "Infinity", "nan"]
PIECES += [
    "NA",
    "#N/A",
    "null",
    "TRUE",
    "t",
    "f",
    "False",
    "(",
    "x",
    "é",
    "0x",
    "e-400",
    "99999999999999999999",
    "\u00a0",
]
TEXT = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)
DIALECTS = [Dialect(), Dialect(decimal=","), Dialect(decimal=",", thousands="."), Dialect(thousands="'")]


@given(
    st.lists(st.none() | TEXT, max_size=30),
    st.sampled_from([pa.float64(), pa.bool_()]),
    st.sampled_from(DIALECTS),
    st.sampled_from([pa.string(), pa.large_string(), pa.binary()]),
)
@settings(deadline=None, max_examples=300)
def test_wrong_values_are_those_that_are_refused_alone(values, kind, dialect, stored):
    array = pa.array(values, pa.string()).cast(stored)
    if stored == pa.binary():
        array = pa.array([*array.to_pylist(), b"\xff", b"1"], stored)
    slow = [i for i, _ in failures(lambda part: convert(part, kind, dialect), array)]
    assert wrong_values(array, kind, dialect).tolist() == slow
    chunked = pa.chunked_array([array[:2], array[2:]])
    assert wrong_values(chunked, kind, dialect).tolist() == slow


@pytest.mark.parametrize(
    "values",
    [
        pa.array([b"\xff", None, b"a", b"\xe9"]),
        pa.array([1.5, None, float("nan"), 2.0]),
        pa.array([[1], None, []]),
        pa.array([date(2026, 1, 1), None]),
        pa.array([], pa.string()),
        pa.nulls(3, pa.date32()),
    ],
)
def test_wrong_values_of_a_column_of_text_are_those_that_are_refused_alone(values):
    slow = [i for i, _ in failures(lambda part: convert(part, pa.string()), values)]
    assert wrong_values(values, pa.string()).tolist() == slow


@given(st.lists(st.none() | st.integers(0, 9)), st.sets(st.integers(0, 9)), st.none() | st.integers(0, 5))
def test_failures_by_value_are_all_failures(values, bad, most):
    def check(part):
        if wrong := bad & set(part.to_pylist()):
            raise ValueError(min(wrong))

    array = pa.array(values, pa.int64())
    slow = [(i, str(error)) for i, error in failures(check, array)][:most]
    assert [(i, str(error)) for i, error in failures_by_value(check, array, most)] == slow
    chunked = pa.chunked_array([array[:3], array[3:]])
    assert [(i, str(error)) for i, error in failures_by_value(check, chunked, most)] == slow


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        ("amount", [f"{i},5" for i in range(N_ROWS)], "not a number; to read it as one, add"),
        ("amount", ["n/v"] * N_ROWS, "not a number"),
        ("amount", [float("inf")] * N_ROWS, "infinite"),
        ("paid", [f"perhaps {i}" for i in range(N_ROWS)], "neither true nor false"),
        ("shop", [b"\xff%d" % i for i in range(N_ROWS)], "not text in UTF-8"),
        ("shop", [i + 0.5 for i in range(N_ROWS)], "double, but text in the model"),
        ("amount", [[float(i)] for i in range(N_ROWS)], "not a number"),
        ("amount", [date.fromordinal(i + 1) for i in range(N_ROWS)], "not a number"),
    ],
)
def test_a_column_of_wrong_values_takes_few_checks(path, frame, tmp_path, monkeypatch, column, values, reason):
    from tabkd.batch import _text as text

    calls = []

    def counted(check):
        return lambda *args: calls.append(1) or check(*args)

    monkeypatch.setattr(text, "convert", counted(text.convert))
    monkeypatch.setattr(ExportedStudent, "check_column", counted(ExportedStudent.check_column))
    table = pa.table(frame).drop_columns(column).append_column(column, pa.array(values))
    with pa.ipc.new_file(str(tmp_path / "in.arrow"), table.schema) as writer:
        writer.write_table(table)
    options = {"rejects": str(tmp_path / "r.parquet"), "max_rejects": N_ROWS}
    if reason.startswith("double"):  # refused as a whole, before the first row
        with pytest.raises(ValueError, match=reason):
            scored(path, tmp_path / "in.arrow", tmp_path / "out.parquet", **options)
    else:
        assert scored(path, tmp_path / "in.arrow", tmp_path / "out.parquet", **options).rejected == N_ROWS
        rejects = pd.read_parquet(tmp_path / "r.parquet")
        assert rejects["row"].tolist() == list(range(N_ROWS))
        assert rejects["reason"].str.startswith(reason).all()
    assert len(calls) <= 40


@pytest.fixture(scope="module")
def zip_path(frame, tmp_path_factory):
    """A model of text that looks like whole numbers with zeros in front."""
    path = tmp_path_factory.mktemp("zip") / "model.onnx"
    rows = frame[["amount"]].assign(zip=np.where(frame["paid"], "01234", "00567"))
    teacher = make_pipeline(TableCodes(), DecisionTreeClassifier(max_depth=3))
    model = DistilledClassifier(teacher, student="tree", n_synthetic=500, random_state=0)
    model.fit(rows, frame["paid"]).to_onnx(path)
    return path


VALUES = {
    pa.int64(): st.integers(-5, 5),
    pa.uint8(): st.integers(0, 5),
    pa.bool_(): st.booleans(),
    pa.float64(): st.sampled_from([0.0, 1.5, np.nan, np.inf]),
    pa.decimal128(5, 1): st.sampled_from([Decimal("1.5"), Decimal("-2.0")]),
    pa.date32(): st.sampled_from([date(2026, 1, 1), date(1, 1, 1)]),
    pa.duration("s"): st.integers(0, 5),
    pa.binary(): st.sampled_from([b"1", b"\xff"]),
    pa.list_(pa.float64()): st.lists(st.sampled_from([1.0, np.nan]), max_size=2),
    pa.struct([("a", pa.int64())]): st.just({"a": 1}),
}


@given(st.data(), st.sampled_from(["amount", "zip"]), st.sampled_from(list(VALUES)), st.integers(0, 5))
@settings(deadline=None, max_examples=150)
def test_values_of_another_type_are_rejected_as_one_by_one(zip_path, data, column, kind, most):
    exported = tabkd.load(zip_path)
    values = pa.array(data.draw(st.lists(st.none() | VALUES[kind], max_size=8)), kind)
    others = {"amount": pa.array([0.5] * len(values)), "zip": pa.array(["01234"] * len(values))}
    columns = Columns(exported, (), {})
    try:
        (batch,) = in_batches([pa.table(others | {column: values})], columns.known, "x")
    except pa.ArrowNotImplementedError:
        return
    position = exported.feature_names_in_.tolist().index(column)
    left = batch.table.column(column)
    refused = failures(lambda part: exported.check_column(position, part), left)
    slow = sorted([reject.row for reject in batch.rejects] + [int(batch.positions[i]) for i, _ in refused])
    scored = columns.scored(batch, 0, len(values))
    assert [reject.row for reject in scored.rows.rejects] == slow
    assert scored.rows.table.num_rows == len(values) - len(slow)
    if len(slow) > most:
        with pytest.raises(TooManyRejectsError, match="At least"):
            columns.scored(batch, 0, most)


def test_whole_numbers_for_a_code_take_few_checks(zip_path, tmp_path, monkeypatch):
    calls = []
    check = ExportedStudent.check_column
    monkeypatch.setattr(ExportedStudent, "check_column", lambda *args: calls.append(1) or check(*args))
    table = pa.table({"amount": np.zeros(N_ROWS), "zip": pa.array([None, *range(1, N_ROWS)])})
    pa.parquet.write_table(table, tmp_path / "in.parquet")
    options = {"rejects": tmp_path / "r.parquet", "max_rejects": N_ROWS}
    assert score_dataset(zip_path, [tmp_path / "in.parquet"], tmp_path / "out.csv", **options).rejected == N_ROWS - 1
    rejects = pd.read_parquet(tmp_path / "r.parquet")
    assert rejects["value"].tolist() == [str(i) for i in range(1, N_ROWS)]
    assert rejects["reason"].str.endswith("Give the column as text, as it was at fit").all()
    assert len(calls) <= 4


# Alerts


@pytest.mark.parametrize("batch_size", [170, 65_536])
@pytest.mark.parametrize("fraction", [0.0, 0.0004, 0.01, 0.5, 1.0])
def test_the_top_fraction_is_that_of_all_rows(path, frame, expected, tmp_path, fraction, batch_size):
    frame.to_parquet(tmp_path / "in.parquet")
    counts = scored(
        path, tmp_path / "in.parquet", tmp_path / "out.parquet", top_fraction=fraction, batch_size=batch_size
    )
    n = int(np.ceil(round(fraction * N_ROWS, 6)))
    assert (counts.scored, counts.written) == (N_ROWS, n)
    # Of equal rows the first.
    best = np.sort(np.argsort(-expected, kind="stable")[:n])
    assert pd.read_parquet(tmp_path / "out.parquet")["id"].tolist() == best.tolist()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.parquet", "out.parquet"]
