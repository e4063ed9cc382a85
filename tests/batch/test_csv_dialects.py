"""CSV files as people have them: other delimiters, decimals and encodings, quotes, headers of any width."""

import csv
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline

import tabkd
from tabkd import DistilledClassifier
from tabkd._cli import app
from tabkd._cli.table_codes import TableCodes
from tabkd.batch._job import StoppedError, score_dataset
from tabkd.batch._rejects import TooManyRejectsError

N_ROWS = 400


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    amount = (rng.lognormal(6, 1.5, N_ROWS)).round(2)
    amount[::9] = np.nan
    shop = rng.choice(["Köln", "a b", "", None], N_ROWS)
    return pd.DataFrame({"id": np.arange(N_ROWS), "amount": amount, "shop": pd.Series(shop, dtype=object)})


def distilled(frame, path, student="tree"):
    teacher = make_pipeline(TableCodes(), RandomForestClassifier(10, random_state=0))
    model = DistilledClassifier(teacher, student=student, n_synthetic=1000, random_state=0)
    y = (frame["amount"].fillna(100) > 400) ^ (frame["shop"].fillna("none").isin(["Köln", "none"]))
    model.fit(frame[["amount", "shop"]], y).to_onnx(path)
    return path


@pytest.fixture(scope="module")
def model(frame, tmp_path_factory):
    """A model that knows the category "", and tells it from a missing value."""
    return distilled(frame, tmp_path_factory.mktemp("model") / "m.onnx")


@pytest.fixture(scope="module")
def expected(frame, model):
    return tabkd.load(model).predict_proba(frame[["amount", "shop"]])[:, 1]


def scores(model, path, tmp_path, **options):
    done = score_dataset(model, [path], tmp_path / "o.parquet", keep=["id"], **options)
    return done, pa.parquet.read_table(tmp_path / "o.parquet")["probability_True"].to_numpy()


def written(frame, decimal=".", thousands="", delimiter=",", missing=""):
    """A CSV in which "" stands in quotes, and missing values are empty."""

    def number(value):
        text = missing if np.isnan(value) else f"{value:_.2f}".replace(".", decimal).replace("_", thousands)
        return f'"{text}"' if delimiter in text else text

    def text(value):
        return missing if pd.isna(value) else f'"{value}"'

    rows = zip(frame["id"], frame["amount"], frame["shop"], strict=True)
    lines = [delimiter.join([str(i), number(amount), text(shop)]) for i, amount, shop in rows]
    return "\n".join([delimiter.join(["id", "amount", "shop"]), *lines, ""])


# Delimiters, decimals, thousands


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(("decimal", "thousands"), [(".", None), (",", None), (",", "."), (".", ","), (",", " ")])
def test_every_dialect_scores_alike(frame, model, expected, tmp_path, delimiter, decimal, thousands):
    path = tmp_path / "in.csv"
    path.write_text(written(frame, decimal, thousands or "", delimiter), encoding="utf-8")
    done, found = scores(model, path, tmp_path, decimal=decimal, thousands=thousands)
    np.testing.assert_allclose(found, expected, atol=1e-7)
    said = f"'{path}' is read with the delimiter {delimiter!r}, which gives the needed columns"
    assert (said in done.warnings) == (delimiter != ",")
    done, found = scores(model, path, tmp_path, decimal=decimal, thousands=thousands, delimiter=delimiter)
    np.testing.assert_allclose(found, expected, atol=1e-7)
    assert not [warning for warning in done.warnings if "is read" in warning]


@pytest.mark.parametrize(
    ("value", "options", "remedy"),
    [
        ("12,5", {}, "decimal=','"),
        ("1.234,50", {}, "thousands='.' decimal=','"),
        ("1 234.5", {}, "thousands=' '"),
        ("12.5", {"decimal": ","}, "decimal='.'"),
        ("1.234.567", {"decimal": ","}, "thousands='.'"),
        ("1,23,4", {"thousands": ","}, None),
        ("12.5.1", {}, None),
        ("#REF!", {}, None),
    ],
)
def test_a_number_of_another_dialect_is_rejected_with_its_remedy(model, tmp_path, value, options, remedy):
    (tmp_path / "in.csv").write_text(f'id,amount,shop\n0,7,a\n1,"{value}",a\n')
    reason = f"not a number; to read it as one, add {remedy}" if remedy else "not a number"
    rejects = {"rejects": tmp_path / "r.csv", "max_rejects": 1}
    scores(model, tmp_path / "in.csv", tmp_path, **rejects, **options)
    found = pd.read_csv(tmp_path / "r.csv")
    assert found[["row", "column", "value", "reason"]].astype(str).values.tolist() == [["1", "amount", value, reason]]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"delimiter": ";;"}, "delimiter is ';;'; expected one character"),
        ({"delimiter": "§"}, "delimiter is '§'; expected an ASCII character"),
        ({"decimal": "0"}, "decimal is '0'"),
        ({"thousands": "."}, r"thousands and decimal are both '\.'"),
        ({"encoding": "utf-99"}, "encoding='utf-99' is not known"),
    ],
)
def test_options_that_make_no_sense(model, tmp_path, options, words):
    (tmp_path / "in.csv").write_text("id,amount,shop\n")
    with pytest.raises(ValueError, match=words):
        scores(model, tmp_path / "in.csv", tmp_path, **options)


def test_a_job_of_another_dialect_is_another_job(frame, model, expected, tmp_path):
    (tmp_path / "in.csv").write_text(written(frame, ",", ".", ";"))
    options = {"decimal": ",", "thousands": ".", "resume": True, "batch_size": 10}
    with pytest.raises(StoppedError):
        scores(model, tmp_path / "in.csv", tmp_path, stop=lambda: True, **options)
    with pytest.raises(ValueError, match=r"unfinished job of another delimiter"):
        scores(model, tmp_path / "in.csv", tmp_path, delimiter=";", **options)
    with pytest.raises(ValueError, match=r"unfinished job of another thousands"):
        scores(model, tmp_path / "in.csv", tmp_path, **options | {"thousands": None})
    _, found = scores(model, tmp_path / "in.csv", tmp_path, **options)
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_the_commands_have_the_options(frame, model, expected, tmp_path):
    (tmp_path / "in.csv").write_bytes(written(frame, ",", ".", "|").encode("cp1252"))
    command = ["score", model, tmp_path / "in.csv", "--output", tmp_path / "o.csv", "--keep", "id"]
    options = ["--decimal", ",", "--thousands", ".", "--encoding", "cp1252"]
    result = CliRunner().invoke(app, list(map(str, [*command, *options])))
    assert result.exit_code == 0, result.output
    assert "is read with the delimiter '|'" in result.stderr
    np.testing.assert_allclose(pd.read_csv(tmp_path / "o.csv")["probability_True"], expected, atol=1e-7)


def test_a_database_has_no_dialect(model, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    duckdb.connect(str(tmp_path / "t.duckdb")).close()
    with pytest.raises(ValueError, match="decimal is for files"):
        score_dataset(model, [tmp_path / "t.duckdb"], tmp_path / "o.csv", query="SELECT 1", decimal=",")


# Encodings


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le", "latin-1", "cp1252"])
@pytest.mark.parametrize("batch_size", [7, 65_536])
def test_every_encoding_scores_alike(frame, model, expected, tmp_path, encoding, batch_size):
    path = tmp_path / "in.csv"
    path.write_bytes(written(frame).encode(encoding))
    shown = encoding in ("utf-8-sig", "utf-16", "utf-32")
    done, found = scores(model, path, tmp_path, batch_size=batch_size, **({} if shown else {"encoding": encoding}))
    np.testing.assert_allclose(found, expected, atol=1e-7)
    said = f"'{path}' is read in {encoding.upper()}, by its byte order mark"
    assert (said in done.warnings) == (encoding in ("utf-16", "utf-32"))


def test_the_mark_of_the_bytes_is_not_in_a_quoted_name(model, tmp_path):
    (tmp_path / "in.csv").write_bytes('"amount, or so","shop","id"\n1,a,2\n'.encode("utf-8-sig"))
    done, _ = scores(model, tmp_path / "in.csv", tmp_path, column_map={"amount": "amount, or so"})
    assert done.read == 1


def test_another_encoding_is_named_as_the_remedy(frame, model, tmp_path):
    content = written(frame.assign(shop="Köln"))
    (tmp_path / "in.csv").write_bytes(content.encode("latin-1"))
    with pytest.raises(TooManyRejectsError, match=r"row 0: column 'shop' is 'K\\\\xf6ln': .*encoding='latin-1'"):
        scores(model, tmp_path / "in.csv", tmp_path)
    (tmp_path / "in.csv").write_bytes(content.replace("id", "größe").encode("latin-1"))
    with pytest.raises(ValueError, match=r"its header is not text in UTF-8; name its encoding, as in encoding='latin"):
        scores(model, tmp_path / "in.csv", tmp_path)
    (tmp_path / "in.csv").write_bytes(content.encode("utf-16-le"))
    with pytest.raises(ValueError, match=r"is it UTF-16\? Then add encoding='utf-16-le'"):
        scores(model, tmp_path / "in.csv", tmp_path)
    (tmp_path / "in.csv").write_bytes(content.replace("Köln", "K\x81ln").encode("latin-1"))
    with pytest.raises(ValueError, match=r"cannot read .*in\.csv' as CSV: .*Name its encoding, as in encoding='latin"):
        scores(model, tmp_path / "in.csv", tmp_path, encoding="cp1252")


def test_a_malformed_line_that_is_no_text_is_rejected_in_silence(model, tmp_path, capfd):
    (tmp_path / "in.csv").write_bytes(b"id,amount,shop\n0,7,K\xc3\xb6ln\n1,\xff,\xc3\xb6,3\n2,7,K\xc3\xb6ln\n")
    done, found = scores(model, tmp_path / "in.csv", tmp_path, rejects=tmp_path / "r.csv", max_rejects=1)
    assert (done.read, len(found)) == (3, 2)
    reject = pd.read_csv(tmp_path / "r.csv").iloc[0]
    assert (reject["row"], reject["value"]) == (1, r"1,\xff,ö,3")
    assert capfd.readouterr().err == ""


# Quotes and spaces


def test_empty_text_in_quotes_is_no_missing_value(frame, model, expected, tmp_path):
    for missing in ("", '""'):  # of a number, both are
        text = written(frame).replace(",,", f",{missing},")
        (tmp_path / "in.csv").write_text(text)
        _, found = scores(model, tmp_path / "in.csv", tmp_path)
        np.testing.assert_allclose(found, expected, atol=1e-7)
    known = frame["shop"].notna() & (frame["shop"] != "")
    assert np.abs(expected[known] - expected[0]).max() > 0.01


def test_where_every_value_is_in_quotes(frame, model, tmp_path):
    """A model that knows the category "" takes it for that; to another it is a missing value."""
    frame.to_csv(tmp_path / "in.csv", index=False, quoting=csv.QUOTE_ALL)
    exported = tabkd.load(model)
    _, found = scores(model, tmp_path / "in.csv", tmp_path)
    same = frame.assign(shop=frame["shop"].fillna(""))
    np.testing.assert_allclose(found, exported.predict_proba(same[["amount", "shop"]])[:, 1], atol=1e-7)
    without = frame.assign(shop=frame["shop"].replace("", None))
    other = distilled(without, tmp_path / "other.onnx")
    _, found = scores(other, tmp_path / "in.csv", tmp_path)
    expected = tabkd.load(other).predict_proba(without[["amount", "shop"]])[:, 1]
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_kept_text_keeps_the_difference(frame, model, tmp_path):
    (tmp_path / "in.csv").write_text(written(frame))
    for other in (model, distilled(frame.assign(shop=frame["shop"].replace("", None)), tmp_path / "other.onnx")):
        score_dataset(other, [tmp_path / "in.csv"], tmp_path / "o.parquet", keep=["shop"])
        assert pa.parquet.read_table(tmp_path / "o.parquet")["shop"].to_pylist() == frame["shop"].tolist()
    score_dataset(model, [tmp_path / "in.csv"], tmp_path / "o.csv", keep=["shop"])
    again = score_dataset(model, [tmp_path / "in.csv"], tmp_path / "o2.parquet", keep=["shop"])
    assert again.read == N_ROWS
    lines = (tmp_path / "o.csv").read_text().splitlines()[1:]
    empty = [line.startswith('"",') for line in lines]
    assert empty == (frame["shop"] == "").tolist()


def test_spaces_around_names_are_around_values_too(frame, model, expected, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text(written(frame).replace(",", ", "))
    done, found = scores(model, path, tmp_path)
    np.testing.assert_allclose(found, expected, atol=1e-7)
    assert f"'{path}' is read without the spaces around its names and values" in done.warnings
    # A name that is wanted as it is, or is one of two without its space, stays.
    path.write_text("id, amount,shop\n1,2, a\n")
    done, _ = scores(model, path, tmp_path, column_map={"amount": " amount"})
    assert not done.warnings
    path.write_text("id,amount, shop,shop\n1,2, a,b\n")
    assert not scores(model, path, tmp_path)[0].warnings


# Headers


def test_a_header_alone_is_a_file_without_rows(model, tmp_path):
    for content in ("id,amount,shop", "id,amount,shop\n", "\n\nid,amount,shop\n\n"):
        (tmp_path / "in.csv").write_text(content)
        done, found = scores(model, tmp_path / "in.csv", tmp_path)
        assert (done.read, len(found)) == (0, 0)
    for content in ("", "\n\n"):
        (tmp_path / "in.csv").write_text(content)
        with pytest.raises(ValueError, match=r"cannot read '.*in\.csv' as CSV: it is empty: not even a header"):
            scores(model, tmp_path / "in.csv", tmp_path)


def test_blank_lines_before_and_between_rows(model, tmp_path):
    (tmp_path / "in.csv").write_text("\n\nid,amount,shop\n0,7,a\n\n1,x,a\n2,7,a\n")
    with pytest.raises(TooManyRejectsError, match="row 1: column 'amount' is 'x'"):
        scores(model, tmp_path / "in.csv", tmp_path)


def test_missing_columns_are_named_with_their_spaces_and_delimiters(model, tmp_path):
    (tmp_path / "in.csv").write_text("id^amount^shop\n1^2^a\n")
    with pytest.raises(ValueError, match=r"has no column 'amount', 'shop', .*; it has 'id\^amount\^shop'"):
        scores(model, tmp_path / "in.csv", tmp_path)
    (tmp_path / "in.csv").write_text("id;amount;shop\n1;2;a\n")
    with pytest.raises(ValueError, match=r"is the delimiter ';'\? Then add delimiter"):
        scores(model, tmp_path / "in.csv", tmp_path, delimiter=",")


@pytest.mark.parametrize(("n_columns", "options"), [(4000, {}), (30_000, {}), (10, {"batch_size": 100_000_000})])
def test_wide_files_take_seconds(frame, model, expected, tmp_path, n_columns, options):
    names = [f"c{i}" for i in range(n_columns)]
    others = ",1" * n_columns
    lines = written(frame[:20]).splitlines()
    # More than a megabyte of header, for the widest.
    text = "\n".join(
        [",".join([lines[0], *(name.rjust(40, "x") for name in names)]), *(line + others for line in lines[1:])]
    )
    (tmp_path / "in.csv").write_text(text)
    start = time.perf_counter()
    _, found = scores(model, tmp_path / "in.csv", tmp_path, **options)
    assert time.perf_counter() - start < 20
    np.testing.assert_allclose(found, expected[:20], atol=1e-7)
    # What is wrong in it is found as well.
    (tmp_path / "in.csv").write_text(text + "\n1,2\n")
    with pytest.raises(TooManyRejectsError, match=r"row 20: '1,2': 2 values where the header has"):
        scores(model, tmp_path / "in.csv", tmp_path, **options)


def test_a_wide_model(tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(60, 800))).add_prefix("c")
    model = DistilledClassifier(RandomForestClassifier(3, random_state=0), student="tree", n_synthetic=0)
    model.fit(X, X["c7"] > 0).to_onnx(tmp_path / "m.onnx")
    X.iloc[:, ::-1].to_csv(tmp_path / "in.csv", index=False)
    start = time.perf_counter()
    score_dataset(tmp_path / "m.onnx", [tmp_path / "in.csv"], tmp_path / "o.parquet")
    assert time.perf_counter() - start < 20
    found = pa.parquet.read_table(tmp_path / "o.parquet")["probability_True"]
    np.testing.assert_allclose(found, model.predict_proba(X)[:, 1], atol=1e-6)
