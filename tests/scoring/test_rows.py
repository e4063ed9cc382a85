"""Rows as services have them: dicts, lists of dicts, dicts of columns; and columns beside those of the model."""

import datetime
import json
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

import tabkd
from tabkd import DistilledClassifier
from tabkd.scoring import ExportedStudent
from tests.small_tables import category_frame, numeric_frame

FAST = {"n_synthetic": 300, "random_state": 0}


@pytest.fixture(scope="module", params=["categories", "numbers"])
def scored(request, tmp_path_factory):
    """A exported, rows of its table, and their probabilities."""
    frame = category_frame(200) if request.param == "categories" else numeric_frame(200)
    teacher = HistGradientBoostingClassifier(max_iter=3, categorical_features="from_dtype")
    model = DistilledClassifier(teacher, student="tree", **FAST).fit(frame, frame["visits"] > 12)
    path = tmp_path_factory.mktemp(request.param) / "m.onnx"
    model.to_onnx(path)
    return tabkd.load(path), frame, model.predict_proba(frame)


def records(frame):
    """Rows as JSON brings them."""
    return json.loads(frame.to_json(orient="records", double_precision=15))


def test_a_dict_is_a_row(scored):
    exported, frame, expected = scored
    for row, scores in zip(records(frame[:20]), expected[:20], strict=True):
        found = exported.predict_proba(row)
        assert found.shape == (1, 2)
        np.testing.assert_allclose(found[0], scores, atol=1e-5)
        assert exported.predict(row).tolist() == [bool(scores.argmax())]
        np.testing.assert_array_equal(exported.predict_proba(dict(reversed(row.items())) | {"other": "x"}), found)


def test_a_list_of_dicts_has_rows(scored):
    exported, frame, expected = scored
    rows = [row | {"id": i, "note": [1, 2]} for i, row in enumerate(records(frame))]
    np.testing.assert_allclose(exported.predict_proba(rows), expected, atol=1e-5)
    np.testing.assert_allclose(exported.predict_proba(tuple(rows[:1])), expected[:1], atol=1e-5)
    for none in ([], {name: [] for name in frame}):
        assert exported.predict_proba(none).shape == (0, 2)
        assert exported.predict(none).shape == (0,)


def test_a_dict_of_columns(scored):
    exported, frame, expected = scored
    lists = {name: [row[name] for row in records(frame)] for name in frame}
    text = frame.astype(dict.fromkeys(frame.select_dtypes("category"), object))
    for columns in (
        lists,
        {name: np.array(values, object) for name, values in lists.items()},
        {name: frame[name] for name in frame},
        {name: text[name].set_axis(np.arange(len(text))[::-1]) for name in text},
        {name: pl.Series(values) for name, values in lists.items()},
        {name: pa.array(values) for name, values in lists.items()},
        {name: pa.chunked_array([pa.array(values[:50]), pa.array(values[50:])]) for name, values in lists.items()},
        lists | {"amount": frame["amount"].to_numpy()},
    ):
        np.testing.assert_allclose(exported.predict_proba(columns | {"other": 7}), expected, atol=1e-5)


def test_values_of_all_kinds_of_numbers(scored):
    exported, frame, expected = scored
    row = records(frame[:1])[0]
    amount = row["amount"]
    for value in (np.float64(amount), Decimal(repr(amount))):
        np.testing.assert_allclose(exported.predict_proba(row | {"amount": value}), expected[:1], atol=1e-5)
    for visits in (np.int8(row["visits"]), float(row["visits"]), Decimal(row["visits"])):
        np.testing.assert_allclose(exported.predict_proba(row | {"visits": visits}), expected[:1], atol=1e-5)
    missing = [
        exported.predict_proba(row | {"amount": value}) for value in (None, float("nan"), pd.NA, np.float32("nan"))
    ]
    assert all(np.array_equal(found, missing[0]) for found in missing)
    np.testing.assert_array_equal(missing[0], exported.predict_proba(frame[:1].assign(amount=np.nan)))


def test_a_key_that_is_missing_is_named(scored):
    exported, frame, _ = scored
    rows = records(frame[:3])
    without = [{key: value for key, value in row.items() if key != "visits"} for row in rows]
    for X in (without[0], without, {key: [1] for key in without[0]}):
        with pytest.raises(ValueError, match="yet now missing:\n- visits"):
            exported.predict_proba(X)
    with pytest.raises(ValueError, match="Row 1 has no key 'visits', which other rows have"):
        exported.predict_proba([rows[0], without[1], rows[2]])
    with pytest.raises(ValueError, match="Row 0 has no key 'visits', which other rows have"):
        exported.predict_proba([without[0], rows[1]])
    with pytest.raises(TypeError, match="Row 1 is of type list"):
        exported.predict_proba([rows[0], [1, 2]])


@pytest.mark.parametrize("value", ["12.5", "", b"1", [1], {"a": 1}, datetime.date(2026, 1, 1), 1j, object()])
def test_what_is_no_number_is_named_with_its_row(scored, value):
    exported, frame, _ = scored
    rows = records(frame[:3])
    with pytest.raises(ValueError, match=r"Column 'visits'.*in row 2|Column 'visits'") as error:
        exported.predict_proba([*rows[:2], rows[2] | {"visits": value}])
    assert type(value).__name__ in str(error.value)
    assert "in row 2" in str(error.value)


def test_infinite_numbers_are_refused_as_in_a_frame(scored):
    exported, frame, _ = scored
    row = records(frame[:1])[0]
    for value in (float("inf"), 10**400, -(10**400)):
        with pytest.raises(ValueError, match="Column 'amount' contains infinity"):
            exported.predict_proba(row | {"amount": value})


def test_columns_of_other_lengths_are_refused(scored):
    exported, frame, _ = scored
    columns = {name: list(frame[name][:3]) for name in frame}
    with pytest.raises(ValueError, match="Column 'amount' has 3 values, but column 'visits' has 2 values"):
        exported.predict_proba(columns | {"visits": [1, 2]})
    with pytest.raises(ValueError, match="Column 'amount' has 3 values, but column 'visits' has one value"):
        exported.predict_proba(columns | {"visits": 1})
    with pytest.raises(ValueError, match="Column 'visits' has 2 dimensions"):
        exported.predict_proba(columns | {"visits": np.ones((3, 2))})


def test_categories_of_rows_are_those_of_frames():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"level": pd.Categorical(rng.integers(0, 4, 300)), "x": rng.normal(size=300)})
    model = DistilledClassifier(n_synthetic=300, random_state=0).fit(frame, frame["x"] + (frame["level"] == 2) > 0)
    exported = ExportedStudent(model.to_onnx().SerializeToString())
    for level in (0, 1, 2, 3, 2.0, "2", 9, None, np.float32("nan"), True, 2**53 + 1, Decimal(2)):
        expected = exported.predict_proba(pd.DataFrame({"level": [level], "x": [0.1]}))
        np.testing.assert_array_equal(exported.predict_proba({"level": level, "x": 0.1}), expected)
    with pytest.raises(ValueError, match=r"Column 'level' holds \[1\] \(list\) in row 0"):
        exported.predict_proba([{"level": [1], "x": 0.1}])


def test_numbered_columns_and_arrays(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    for table, keys in ((X, ["x0", "x1", "x2"]), (pd.DataFrame(X), [0, 1, 2]), (pd.DataFrame(X), ["0", "1", "2"])):
        model = DistilledClassifier(RandomForestClassifier(3), student="tree", **FAST).fit(table, X[:, 0] > 0)
        model.to_onnx(tmp_path / "m.onnx")
        exported = tabkd.load(tmp_path / "m.onnx")
        expected = exported.predict_proba(table[:5])
        rows = [dict(zip(keys, row, strict=True)) for row in X[:5].tolist()]
        np.testing.assert_array_equal(exported.predict_proba(rows), expected)
        with pytest.raises(ValueError, match="4 features"):
            exported.predict_proba(np.zeros((2, 4)))


@pytest.mark.parametrize("rows", [200, 0])
def test_columns_that_the_model_does_not_know_are_ignored(scored, rows):
    exported, frame, expected = scored
    text = frame.astype(dict.fromkeys(frame.select_dtypes("category"), object))
    wide = text.assign(when=pd.Timestamp("2026-01-01"), note="x", z=1j)[:rows]
    wide = wide[["note", *reversed(frame.columns), "when", "z"]]
    simple = wide.drop(columns="z")
    nested = pl.from_pandas(simple).with_columns(pl.lit([1, 2]).alias("list"))
    for X in (wide, simple, nested, pa.Table.from_pandas(simple, preserve_index=False)):
        np.testing.assert_allclose(exported.predict_proba(X), expected[:rows], atol=1e-5)
        assert len(exported.predict(X)) == rows
    missing = simple.drop(columns="visits")
    for X in (missing, pl.from_pandas(missing), pa.Table.from_pandas(missing, preserve_index=False)):
        with pytest.raises(ValueError, match="yet now missing:\n- visits"):
            exported.predict_proba(X)
