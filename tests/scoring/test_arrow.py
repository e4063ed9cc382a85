"""Scoring Arrow tables and batches: the same scores and errors as for frames."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

import tabkd
from tabkd import DistilledClassifier
from tabkd.students import MLPStudent
from tests.small_tables import category_frame

FAST = {"student": MLPStudent(max_iter=3, hidden_layer_sizes=(8,)), "n_synthetic": 500, "random_state": 0}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    frame = category_frame(300)
    teacher = HistGradientBoostingClassifier(max_iter=5, categorical_features="from_dtype")
    return _scorer(DistilledClassifier(teacher, **FAST).fit(frame, frame["country"] == "de"), tmp_path_factory), frame


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    """Columns of several types; the seconds of a day lie too far from zero for float32."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(300, 2)), columns=["a", "b"])
    frame = frame.assign(n=rng.integers(0, 9, 300), when=1.7e9 + rng.uniform(0, 86_400, 300), flag=frame["a"] > 0)
    return _scorer(
        DistilledClassifier(RandomForestClassifier(5), **FAST).fit(frame, frame["b"] > 0), tmp_path_factory
    ), frame


def _scorer(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    model.to_onnx(path)
    return tabkd.load(path)


@pytest.mark.parametrize("fixture", ["mixed", "numbers"])
def test_same_scores_as_for_frames(fixture, request):
    exported, frame = request.getfixturevalue(fixture)
    expected = exported.predict_proba(frame)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    plain = pa.table({name: column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
                      for name, column in zip(table.schema.names, table.columns, strict=True)})  # fmt: skip
    for X in (
        table,
        plain,
        plain.select(table.schema.names[::-1]),
        pa.concat_tables([plain[:100], plain[100:]]),
        plain.to_batches()[0],
        plain.cast(
            pa.schema([(f.name, pa.large_string() if pa.types.is_string(f.type) else f.type) for f in plain.schema])
        ),
    ):
        np.testing.assert_array_equal(exported.predict_proba(X), expected)
        np.testing.assert_array_equal(exported.predict(X), exported.predict(frame))
    np.testing.assert_array_equal(exported.predict_proba(table[7:9]), expected[7:9])
    assert exported.predict_proba(table[:0]).shape == (0, 2)


def test_numbers_of_every_type(numbers):
    exported, frame = numbers
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for kind in (
        pa.int8(),
        pa.uint64(),
        pa.float32(),
        pa.float64(),
        pa.decimal128(21, 1),
        pa.dictionary(pa.int8(), pa.int64()),
    ):
        column = (
            table["n"].cast(pa.int64()).cast(kind)
            if not pa.types.is_dictionary(kind)
            else table["n"].dictionary_encode()
        )
        X = table.set_column(2, "n", column)
        np.testing.assert_allclose(exported.predict_proba(X), exported.predict_proba(frame), atol=1e-6)
    gaps = table.set_column(2, "n", pa.array([None] * 300, pa.int64())).set_column(0, "a", pa.nulls(300))
    np.testing.assert_array_equal(
        exported.predict_proba(gaps), exported.predict_proba(frame.assign(n=np.nan, a=np.nan))
    )


def test_the_same_errors_as_for_frames(numbers, mixed):
    for exported, frame in (numbers, mixed):
        table, first = pa.Table.from_pandas(frame, preserve_index=False), frame.columns[0]
        with pytest.raises(ValueError, match=rf"yet now missing:\n- {first}"):
            exported.predict(table.drop_columns([first]))
        with pytest.raises(ValueError, match=rf"\['{first}'\] occur more than once"):
            exported.predict(table.append_column(first, table.column(0)))
    exported, frame = numbers
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with pytest.raises(ValueError, match=r"Column 'a' contains infinity .*row 4"):
        exported.predict(table.set_column(0, "a", pa.array([0.0] * 4 + [np.inf] + [0.0] * 295)))
    for words in (pa.array(["word"] * 300), pa.array(["word"] * 300).dictionary_encode()):
        with pytest.raises(ValueError, match=r"Column 'a' was numeric at fit.*word"):
            exported.predict(table.set_column(0, "a", words))
    with pytest.raises(TypeError, match=r"Column 'a' .*b'word'"):
        exported.predict(table.set_column(0, "a", pa.array([b"word"] * 300)))


def test_dictionaries_that_pandas_would_not_take(mixed):
    exported, frame = mixed
    table = pa.Table.from_pandas(frame, preserve_index=False)
    i = table.schema.names.index("country")
    odd = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, None]), pa.array(["de", None, "de"]))
    X = table[:4].set_column(i, "country", odd)
    expected = frame[:4].assign(country=pd.Categorical(["de", None, "de", None], frame["country"].cat.categories))
    np.testing.assert_array_equal(exported.predict_proba(X), exported.predict_proba(expected))
