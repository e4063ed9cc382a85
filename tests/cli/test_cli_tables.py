"""The tables that `tabkd distill` learns from, read like those that are scored."""

import csv
import datetime
import json
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

import tabkd
from tabkd._cli.distill import distill
from tabkd._cli.errors import CommandError, options_of
from tabkd._cli.table_files import read_table, to_frame
from tabkd._options import called_as
from tabkd.batch._dialect import Dialect
from tabkd.batch._job import score_dataset
from tests.cli.commands import SMALL, refused, run

N_ROWS = 300


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    amount = rng.lognormal(6, 1.5, N_ROWS).round(2)
    frame = pd.DataFrame({"amount": amount, "shop": rng.choice(["Köln", "a b", "c"], N_ROWS)})
    return frame.assign(hour=rng.integers(0, 24, N_ROWS), fraud=np.where(amount > 500, "yes", "no"))


def table_of(content, tmp_path, dialect=None, wanted=()):
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with called_as(options_of(distill)):
        return read_table(path, dialect or Dialect(), wanted)


def spelt(rows, delimiter=",", decimal=".", thousands=""):
    amount = [f"{value:_.2f}".replace(".", decimal).replace("_", thousands) for value in rows["amount"]]
    return rows.assign(amount=amount).to_csv(index=False, sep=delimiter)


# Types


def test_types_are_those_of_all_rows_and_text_stays_as_it_was(tmp_path):
    first = "007,1,2026-10-24,\n" * 200_000  # more than a block of Arrow's
    frame = table_of("code,n,day,flag\n" + first + "x,2.5,soon,true\n", tmp_path)
    assert frame["code"].iloc[[0, -1]].tolist() == ["007", "x"]
    assert frame["n"].iloc[[0, -1]].tolist() == [1.0, 2.5]
    assert frame["day"].iloc[[0, -1]].tolist() == ["2026-10-24", "soon"]
    assert str(frame["flag"].dtype) == "boolean"
    assert frame.index[-1] == 200_000


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_days_and_moments_have_an_order(tmp_path, suffix):
    days = [datetime.date(2026, 10, 24), None, datetime.date(1815, 12, 10)]
    times = [
        datetime.datetime(2026, 10, 24, 12, 30, tzinfo=datetime.UTC),
        None,
        datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    ]
    table = pa.table({"day": days, "when": pa.array(times, pa.timestamp("us", "UTC"))})
    if suffix == "csv":
        pa.csv.write_csv(table, tmp_path / "t.csv")
    else:
        pa.parquet.write_table(table, tmp_path / "t.parquet")
    frame = read_table(tmp_path / f"t.{suffix}")
    for name in ("day", "when"):
        assert pd.api.types.is_datetime64_any_dtype(frame[name].dtype)
    assert frame["day"].sort_values().index.tolist() == [2, 0, 1]
    assert frame["when"].sort_values().index.tolist() == [2, 0, 1]
    assert frame["day"].iloc[0] == pd.Timestamp("2026-10-24")


@pytest.mark.parametrize("index_type", [pa.int8(), pa.uint8(), pa.uint64()], ids=str)
@pytest.mark.parametrize("kind", [pa.string(), pa.string_view(), pa.large_string()], ids=str)
def test_dictionaries_of_parquet(tmp_path, index_type, kind):
    values = pa.array(["a", None, "b"], kind)
    column = pa.DictionaryArray.from_arrays(pa.array([0, None, 1, 2], index_type), values)
    assert texts(to_frame(pa.table({"x": column})), "x") == ["a", None, None, "b"]
    if kind == pa.string_view():  # which Arrow does not write to Parquet
        return
    column = pa.DictionaryArray.from_arrays(pa.array([0, None, 1], index_type), pa.array(["a", "b"], kind))
    pa.parquet.write_table(pa.table({"x": column}), tmp_path / "t.parquet")
    found = read_table(tmp_path / "t.parquet")
    assert texts(found, "x") == ["a", None, "b"]
    assert str(found["x"].dtype) == "category"


# Dialects


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(("decimal", "thousands"), [(".", ""), (",", ""), (",", "."), (".", ","), (",", " ")])
def test_every_dialect_is_one_table(rows, tmp_path, delimiter, decimal, thousands):
    dialect = Dialect(decimal=decimal, thousands=thousands or None)
    frame = table_of(spelt(rows, delimiter, decimal, thousands), tmp_path, dialect, ["fraud"])
    pd.testing.assert_frame_equal(frame, rows)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1", "cp1252"])
def test_every_encoding_is_one_table(rows, tmp_path, encoding):
    dialect = Dialect(encoding=None if encoding.startswith("utf") else encoding)
    pd.testing.assert_frame_equal(table_of(spelt(rows).encode(encoding), tmp_path, dialect), rows)


def test_the_command_takes_the_options_and_says_what_it_found(rows, tmp_path):
    (tmp_path / "t.csv").write_bytes(spelt(rows, ";", ",", ".").encode("utf-16"))
    arguments = ("--target", "fraud", "--teacher", "lightgbm", "--output", tmp_path / "out", *SMALL)
    output = run("distill", tmp_path / "t.csv", *arguments, "--decimal", ",", "--thousands", ".").stdout
    assert f"'{tmp_path / 't.csv'}' is read in UTF-16, by its byte order mark." in output
    assert "is read with the delimiter ';', which gives the needed columns." in output
    assert len([n for n in json.loads((tmp_path / "out" / "report.json").read_text())["notes"] if "is read" in n]) == 2
    model = tmp_path / "out" / "student.onnx"
    options = {"decimal": ",", "thousands": "."}
    score_dataset(model, [tmp_path / "t.csv"], tmp_path / "o.parquet", **options)
    found = pa.parquet.read_table(tmp_path / "o.parquet")["probability_yes"]
    expected = tabkd.load(model).predict_proba(rows.drop(columns="fraud"))[:, 1]
    np.testing.assert_allclose(found, expected, atol=1e-7)
    (tmp_path / "test.csv").write_text(spelt(rows, "|"))
    again = ("--test", tmp_path / "test.csv", "--decimal", ",", "--thousands", ".")
    message = refused("distill", tmp_path / "t.csv", *arguments, *again)
    assert "test.csv': column 'amount' would be a category" in message
    assert "(row 0 has" in message
    assert "--decimal '.'" in message


@pytest.mark.parametrize(
    ("decimal", "thousands", "remedy"),
    [(",", "", "--decimal ','"), (",", ".", "--thousands '.' --decimal ','"), (".", ",", "--thousands ','")],
)
def test_numbers_of_another_dialect_are_no_text(rows, tmp_path, decimal, thousands, remedy):
    rows = rows.assign(amount=rows["amount"] + 1000)
    content = spelt(rows, ";", decimal, thousands)
    path, common = tmp_path / "t.csv", ("--teacher", "lightgbm", "--output", tmp_path / "out", *SMALL)
    path.write_text(content)
    message = refused("distill", path, "--target", "fraud", *common)
    assert "column 'amount' would be a category of" in message
    assert "(row 0 has" in message
    assert f"read it with {remedy} --numeric 'amount';" in message
    options = remedy.replace("'", "").split()
    run("distill", path, "--target", "fraud", *options, "--numeric", "amount", *common)
    run("distill", path, "--target", "fraud", "--drop", "amount", *common)


def test_another_encoding_is_named_as_the_remedy(rows, tmp_path):
    with pytest.raises(
        CommandError, match=r"'shop' of .* is not text in UTF-8: row 3 has 'K\\\\xf6ln'.*--encoding 'lat"
    ):
        table_of("shop,n\na,1\nb,2\nc,3\nKöln,4\n".encode("latin-1"), tmp_path)
    with pytest.raises(CommandError, match=r"its header is not text in UTF-8; .*--encoding 'latin-1'"):
        table_of("größe,n\na,1\n".encode("latin-1"), tmp_path)
    with pytest.raises(CommandError, match=r"cannot read .* as CSV: .*Name its encoding, as in --encoding 'latin-1'"):
        table_of(b"shop,n\n\x81,1\n", tmp_path, Dialect(encoding="cp1252"))


def test_spaces_around_names_are_around_values_too(rows, tmp_path):
    frame = table_of(spelt(rows).replace(",", ", ").replace("Köln", '"Köln"'), tmp_path)
    pd.testing.assert_frame_equal(frame, rows)
    frame = table_of("a, b,  c\n1, 2, x\n3, , \n5,  7,\n", tmp_path)
    assert frame["b"].tolist()[::2] == [2, 7]
    assert np.isnan(frame["b"].iloc[1])
    assert [None if pd.isna(v) else v for v in frame["c"]] == ["x", None, None]


# Missing values and ""


def texts(frame, name):
    return [None if pd.isna(value) else value for value in frame[name]]


def test_empty_text_in_quotes_is_a_category(tmp_path):
    frame = table_of('n,s\n1,""\n,a\n3,\n', tmp_path)
    assert texts(frame, "s") == ["", "a", None]
    assert texts(frame, "n") == [1, None, 3]
    # Nothing else is missing that is text.
    assert texts(table_of('n,s\n1,NA\n2,null\n3,"a"\n', tmp_path), "s") == ["NA", "null", "a"]


@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
def test_a_file_that_writes_missing_values_in_quotes(tmp_path, quoting):
    frame = pd.DataFrame({"n": [1.5, np.nan, 3, 4], "s": ["a", "b", None, "a"], "t": ["x", "y", "z", "x"]})
    found = table_of(frame.to_csv(index=False, quoting=quoting), tmp_path)
    assert texts(found, "s") == ["a", "b", None, "a"]
    assert texts(found, "n") == [1.5, None, 3, 4]
    found = table_of(frame[["s", "t"]].to_csv(index=False, quoting=quoting), tmp_path)
    assert texts(found, "s") == ["a", "b", None, "a"]
    # Numbers are not in quotes here, so that "" is text.
    found = table_of('"n","s"\n1.5,""\n2,"a"\n', tmp_path)
    assert texts(found, "s") == ["", "a"]


def test_what_is_learnt_from_a_csv_scores_alike_from_it(tmp_path):
    rng = np.random.default_rng(0)
    shop = rng.choice(["", "a", None], N_ROWS)
    lines = [f"{i % 5}," + ("" if s is None else f'"{s}"') + f",{s == ''}" for i, s in enumerate(shop)]
    (tmp_path / "t.csv").write_text("n,shop,y\n" + "\n".join(lines) + "\n")
    run("distill", tmp_path / "t.csv", "--target", "y", "--teacher", "random-forest", "--output", tmp_path, *SMALL)
    model = tmp_path / "student.onnx"
    score_dataset(model, [tmp_path / "t.csv"], tmp_path / "o.parquet")
    found = pa.parquet.read_table(tmp_path / "o.parquet").to_pandas()["probability_True"]
    X = pd.DataFrame({"n": np.arange(N_ROWS) % 5, "shop": pd.Series(shop, dtype=object)})
    np.testing.assert_allclose(found, tabkd.load(model).predict_proba(X)[:, 1], atol=1e-7)
    assert found[shop == ""].min() > 0.9
    assert found[shop != ""].max() < 0.1


# Lines and headers


def test_a_line_of_other_length_is_named(tmp_path):
    for lines, row in (("1,2\n3\n", 1), ("1,2,3\n", 0), ("1,2\n" * 300_000 + "1,2,\xff\n", 300_000)):
        with pytest.raises(
            CommandError, match=rf"t\.csv' as CSV: row {row:,}, '.*', has . values where the header has 2"
        ):
            table_of(f"a,b\n{lines}".encode("latin-1"), tmp_path)


def test_headers_alone_and_none(tmp_path):
    for content in ("a,b", "a,b\n", "\n\na,b\n\n"):
        with pytest.raises(CommandError, match="is empty: 0 rows, 2 columns"):
            table_of(content, tmp_path)
    for content in ("", "\n"):
        with pytest.raises(CommandError, match="it is empty: not even a header is in it"):
            table_of(content, tmp_path)
    with pytest.raises(ValueError, match="more than one column named 'a'"):
        table_of("a,a\n1,2\n", tmp_path)


def test_wide_tables_take_seconds(tmp_path):
    names = ",".join(f"{i:x>50}" for i in range(30_000))  # more than a megabyte
    start = time.perf_counter()
    frame = table_of(names + ("\n" + ",".join(["1.5"] * 29_999) + ",") * 20 + "\n", tmp_path)
    assert time.perf_counter() - start < 20
    assert frame.shape == (20, 30_000)
    assert (frame.iloc[:, 0] == 1.5).all()


# Teachers of files


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost", "onnx", "skops"])
def test_booleans_with_gaps_reach_every_teacher(tmp_path, kind):
    rng = np.random.default_rng(0)
    flag = rng.choice([1.0, 0.0, np.nan], N_ROWS)
    X = pd.DataFrame({"x": rng.normal(size=N_ROWS), "flag": flag})
    y = ((X["x"] > 0) ^ (flag == 1)).astype(int)
    path = tmp_path / {"lightgbm": "t.txt", "xgboost": "t.json", "onnx": "t.onnx", "skops": "t.skops"}[kind]
    trusted = ()
    if kind == "lightgbm":
        import lightgbm

        lightgbm.LGBMClassifier(n_estimators=20, verbose=-1).fit(X, y).booster_.save_model(path)
    elif kind == "xgboost":
        import xgboost

        xgboost.XGBClassifier(n_estimators=20).fit(X, y).save_model(path)
    elif kind == "onnx":
        from sklearn.ensemble import HistGradientBoostingClassifier

        from tabkd import DistilledClassifier

        DistilledClassifier(HistGradientBoostingClassifier(max_iter=20), student="tree", n_synthetic=500).fit(
            X, y
        ).to_onnx(path)
    else:
        import skops.io
        from sklearn.ensemble import HistGradientBoostingClassifier

        skops.io.dump(HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(X, y), path)
        trusted = [part for name in skops.io.get_untrusted_types(file=path) for part in ("--trust", name)]
    spelt = pd.Series(flag).map({1.0: "true", 0.0: "false"})
    X.assign(flag=spelt, y=y).to_csv(tmp_path / "t.csv", index=False)
    arguments = ("--target", "y", "--teacher", path, "--output", tmp_path / "out", *trusted, *SMALL)
    run("distill", tmp_path / "t.csv", *arguments)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["metrics"]["teacher"]["roc_auc"] > 0.9
