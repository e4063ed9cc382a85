"""A column of true and false is read as such, however it is spelt, and whatever comes first."""

import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline

import tabkd
from tabkd import DistilledClassifier
from tabkd._cli.table_codes import TableCodes
from tabkd._cli.table_files import read_table
from tabkd.batch._job import score_dataset
from tabkd.batch._rejects import TooManyRejectsError

TRUE = ["true", "True", "TRUE", "1", "1.0", "t", " true ", "1e0"]
FALSE = ["false", "False", "FALSE", "0", "0.0", "f", "False ", "-0.0"]
GAPS = ["", "NA", "null", "NaN"]
N_ROWS = 600


def distilled(frame, path):
    teacher = make_pipeline(TableCodes(), RandomForestClassifier(10, random_state=0))
    model = DistilledClassifier(teacher, student="tree", n_synthetic=1000, random_state=0)
    model.fit(frame, (frame["amount"] > 0) ^ (frame["paid"].astype(float) > 0.5)).to_onnx(path)
    return model


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    paid = rng.choice([True, False, None], N_ROWS)
    return pd.DataFrame({"amount": rng.normal(size=N_ROWS).round(6), "paid": pd.Series(paid, dtype=object)})


def as_boolean(frame):
    return frame.astype({"paid": "boolean"})


def of_csv(frame):
    """What `tabkd distill` makes of the same rows in a CSV."""
    return read_table_of(frame.to_csv(index=False).encode())


def read_table_of(content):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.csv"
        path.write_bytes(content)
        return read_table(path)


def as_polars(frame):
    import polars as pl

    return pl.from_pandas(as_boolean(frame))


def without_gaps(frame):
    return frame.assign(paid=frame["paid"].fillna(False).astype(bool))


@pytest.fixture(scope="module", params=["objects", "nullable", "arrow", "csv", "no gaps"])
def model(request, frame, tmp_path_factory):
    """A model of a column of true and false, of each kind that there is, with gaps and without."""
    forms = {
        "objects": lambda f: f,
        "nullable": as_boolean,
        "arrow": lambda f: f.astype({"paid": pd.ArrowDtype(pa.bool_())}),
        "csv": of_csv,
        "no gaps": without_gaps,
    }
    path = tmp_path_factory.mktemp("model") / "m.onnx"
    distilled(forms[request.param](frame), path)
    return path


@pytest.fixture
def expected(model, frame):
    return tabkd.load(model).predict_proba(frame.assign(paid=frame["paid"].astype("boolean")))[:, 1]


def spelt(frame, true, false, gap):
    return frame["paid"].map({True: true, False: false}).where(frame["paid"].notna(), gap)


@pytest.mark.parametrize("order", ["gaps first", "as it is", "gaps last"])
def test_a_csv_reads_alike_whatever_comes_first(model, frame, expected, tmp_path, order, monkeypatch):
    from tabkd.batch import _csv_header as csv_header

    # Blocks of few rows: none of them says of what type the others are.
    monkeypatch.setattr(csv_header, "_LEAST_BLOCK", 200)
    monkeypatch.setattr(csv_header, "_VALUE_BYTES", 1)
    rows = np.argsort(frame["paid"].isna().to_numpy(), kind="stable")
    rows = {"gaps first": rows[::-1], "as it is": np.arange(N_ROWS), "gaps last": rows}[order]
    for true, false in zip(TRUE, FALSE, strict=True):
        text = frame.assign(paid=spelt(frame, true, false, "")).iloc[rows]
        text.to_csv(tmp_path / "in.csv", index=False)
        score_dataset(model, [tmp_path / "in.csv"], tmp_path / "o.parquet", batch_size=50)
        found = pa.parquet.read_table(tmp_path / "o.parquet")["probability_True"]
        np.testing.assert_allclose(found, expected[rows], atol=1e-7, err_msg=f"{true} {false}")


def test_spellings_may_be_mixed(model, frame, expected, tmp_path):
    spellings = {True: itertools.cycle(TRUE), False: itertools.cycle(FALSE), None: itertools.cycle(GAPS)}
    text = frame.assign(paid=[next(spellings[value]) for value in frame["paid"]])
    text.to_csv(tmp_path / "in.csv", index=False)
    pa.parquet.write_table(pa.table({"amount": text["amount"], "paid": text["paid"].tolist()}), tmp_path / "in.parquet")
    for name in ("in.csv", "in.parquet"):
        score_dataset(model, [tmp_path / name], tmp_path / "o.parquet")
        found = pa.parquet.read_table(tmp_path / "o.parquet")["probability_True"]
        np.testing.assert_allclose(found, expected, atol=1e-7, err_msg=name)


def test_text_of_duckdb(model, frame, expected, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(str(tmp_path / "t.duckdb")) as connection:
        rows = pa.table({"amount": frame["amount"], "paid": pa.array(frame["paid"].tolist())})
        connection.register("given", rows)
        connection.sql("CREATE TABLE t AS SELECT * FROM given")
    for kind in ("VARCHAR", "TINYINT", "DOUBLE", "BOOLEAN"):
        query = f"SELECT amount, paid::{kind} AS paid FROM t"
        score_dataset(model, [tmp_path / "t.duckdb"], tmp_path / "o.parquet", query=query)
        found = pa.parquet.read_table(tmp_path / "o.parquet")["probability_True"]
        np.testing.assert_allclose(found, expected, atol=1e-7, err_msg=kind)


@pytest.mark.parametrize("value", ["yes", "2", "0.5", "-1", "tru", "inf"])
def test_what_is_neither_is_rejected(model, frame, tmp_path, value):
    text = frame.assign(paid=spelt(frame, "true", "false", ""))
    text.loc[300, "paid"] = value
    text.to_csv(tmp_path / "in.csv", index=False)
    with pytest.raises(TooManyRejectsError, match=rf"row 300: column 'paid' is '{value}': neither true nor false"):
        score_dataset(model, [tmp_path / "in.csv"], tmp_path / "o.parquet")


def test_true_is_no_number_where_there_were_numbers(frame, tmp_path):
    distilled(frame.assign(paid=frame["paid"].map({True: 1.5, False: 0.0})), tmp_path / "m.onnx")
    for values in (["1.5", "", "true"], ["true", "", "1.5"]):
        (tmp_path / "in.csv").write_text("amount,paid\n" + "".join(f"1,{value}\n" for value in values))
        with pytest.raises(TooManyRejectsError, match=rf"row {values.index('true')}: .*'true': not a number"):
            score_dataset(tmp_path / "m.onnx", [tmp_path / "in.csv"], tmp_path / "o.parquet")


def test_a_model_of_polars(frame, tmp_path):
    model = tmp_path / "m.onnx"
    X = as_polars(frame)
    teacher = make_pipeline(TableCodes(), RandomForestClassifier(10, random_state=0))
    fitted = DistilledClassifier(teacher, student="tree", n_synthetic=1000, random_state=0)
    fitted.fit(X, (frame["paid"] == True).to_numpy()).to_onnx(model)  # noqa: E712
    frame.assign(paid=spelt(frame, "true", "false", "")).to_csv(tmp_path / "in.csv", index=False)
    score_dataset(model, [tmp_path / "in.csv"], tmp_path / "o.parquet")
    found = pa.parquet.read_table(tmp_path / "o.parquet")["probability_True"]
    np.testing.assert_allclose(found, fitted.predict_proba(X)[:, 1], atol=1e-7)


@pytest.mark.parametrize("values", [["", "true", "false"], ["true", "false", ""], ["1", "0", "true"]])
def test_training_takes_them_whatever_comes_first(values):
    for order in itertools.permutations(values):
        lines = [value for value in order for _ in range(150_000)]  # more than a block of each
        frame = read_table_of(("n,flag\n" + "".join(f"{i % 7},{value}\n" for i, value in enumerate(lines))).encode())
        assert str(frame["flag"].dtype) == ("boolean" if "" in values else "bool")
        meant = {"": pd.NA, "true": True, "false": False, "1": True, "0": False}
        assert frame["flag"].iloc[::150_000].tolist() == [meant[value] for value in order]
