"""The exported: any frame in, the model's own scores out; clear errors; nothing heavy imported."""

import os
import pickle
import subprocess
import sys
import time

import numpy as np
import onnx
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.pipeline import make_pipeline

import tabkd
from tabkd import DistilledClassifier, DistilledRegressor
from tabkd._cli.table_codes import TableCodes
from tabkd.batch import score_dataset
from tabkd.scoring import ExportedStudent
from tabkd.scoring import _wire as wire
from tabkd.students import STUDENTS, MLPStudent
from tests.small_tables import category_frame, mixed_frame

FAST = {"n_synthetic": 500, "random_state": 0}


def student():
    return MLPStudent(max_iter=3, hidden_layer_sizes=(8,))


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(300, 5)), columns=list("abcde")).assign(n=rng.integers(0, 9, 300))
    y = np.where(frame["a"] + frame["n"] / 4 > 1, "hi", "lo")
    model = DistilledClassifier(RandomForestClassifier(5), student=student(), **FAST).fit(frame, y)
    path = tmp_path_factory.mktemp("numbers") / "model.onnx"
    model.to_onnx(path)
    return model, frame, path


@pytest.fixture(scope="module")
def categories(tmp_path_factory):
    frame = category_frame(300)
    y = (frame["country"] == "de") | (frame["amount"].fillna(0) > 12)
    teacher = HistGradientBoostingClassifier(max_iter=5, categorical_features="from_dtype")
    model = DistilledClassifier(teacher, student=student(), **FAST).fit(frame, y)
    path = tmp_path_factory.mktemp("categories") / "model.onnx"
    model.to_onnx(path)
    return model, frame, path


def test_attributes(categories):
    _, frame, path = categories
    exported = tabkd.load(path)
    assert exported.feature_names_in_.tolist() == list(frame)
    assert exported.n_features_in_ == frame.shape[1]
    assert exported.classes_.tolist() == [False, True]
    assert exported.n_bytes == path.stat().st_size
    country = exported.metadata["columns"][list(frame).index("country")]
    assert country["categories"] == ["de", "at", "ch", "be"]
    assert "classification" in repr(exported)
    assert exported.predict_proba(frame).dtype == np.float64


@pytest.mark.parametrize("fixture", ["numbers", "categories"])
def test_same_scores_in_every_container(fixture, request):
    model, frame, path = request.getfixturevalue(fixture)
    exported = tabkd.load(path)
    expected = model.predict_proba(frame)
    objects = frame.astype(dict.fromkeys(frame.select_dtypes("category"), object))
    for X in (
        frame,
        frame[frame.columns[::-1]],
        frame.astype(dict.fromkeys(frame.select_dtypes("category"), "str")),
        objects,
        pl.from_pandas(objects),
        pl.from_pandas(objects)[:, ::-1],
        frame.convert_dtypes(),
        frame.set_index(np.arange(len(frame)) + 7),
        objects.to_numpy(),
    ):
        np.testing.assert_allclose(exported.predict_proba(X), expected, atol=1e-5)
        np.testing.assert_array_equal(exported.predict(X), model.predict(frame))
    np.testing.assert_allclose(exported.predict_proba(frame[:1]), expected[:1], atol=1e-5)


def test_arrays_without_names(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    model = DistilledClassifier(RandomForestClassifier(5), student="tree", **FAST).fit(X, X[:, 0] > 0)
    model.to_onnx(tmp_path / "model.onnx")
    exported = tabkd.load(tmp_path / "model.onnx")
    assert exported.feature_names_in_.tolist() == ["x0", "x1", "x2"]
    for given_ in (X, np.asfortranarray(X), X.tolist(), pd.DataFrame(X), X.astype(np.float32)):
        np.testing.assert_allclose(exported.predict_proba(given_), model.predict_proba(X.astype(np.float32)), atol=1e-6)


@pytest.mark.parametrize("names", [[0, 1, 2], [("a", 1), ("a", 2), ("b", 1)], [0.5, 1.5, 2.5]])
def test_names_of_any_type(names, tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(200, 3)), columns=pd.Index(names, tupleize_cols=False))
    model = DistilledClassifier(RandomForestClassifier(5), student="tree", **FAST).fit(X, X.iloc[:, 0] > 0)
    model.to_onnx(tmp_path / "model.onnx")
    exported = tabkd.load(tmp_path / "model.onnx")
    for given_ in (X, X[X.columns[::-1]]):
        np.testing.assert_allclose(exported.predict_proba(given_), model.predict_proba(X), atol=1e-6)


def test_big_batches_are_scored_in_parts(categories):
    model, frame, path = categories
    big = frame.iloc[np.resize(np.arange(len(frame)), 20_000)]
    np.testing.assert_allclose(tabkd.load(path, n_jobs=2).predict_proba(big), model.predict_proba(big), atol=1e-5)


@pytest.mark.parametrize("fixture", ["numbers", "categories"])
def test_no_rows(fixture, request):
    _, frame, path = request.getfixturevalue(fixture)
    exported = tabkd.load(path)
    assert exported.predict_proba(frame[:0]).shape == (0, 2)
    assert exported.predict(frame[:0]).shape == (0,)
    with pytest.raises(ValueError, match="seen at fit time, yet now missing"):
        exported.predict(frame[:0].drop(columns=frame.columns[0]))


@pytest.mark.parametrize("fixture", ["numbers", "categories"])
def test_bad_tables(fixture, request):
    _, frame, path = request.getfixturevalue(fixture)
    exported, first = tabkd.load(path), frame.columns[0]
    with pytest.raises(ValueError, match=rf"yet now missing:\n- {first}"):
        exported.predict(frame.drop(columns=first))
    for value in (np.inf, -np.inf):
        with pytest.raises(ValueError, match=rf"Column '{first}' contains infinity"):
            exported.predict(frame.assign(**{first: [value] + [0.0] * (len(frame) - 1)}))
    with pytest.raises(ValueError, match=rf"Column '{first}' was numeric at fit.*'word'"):
        exported.predict(frame.assign(**{first: pd.Series(["word"] * len(frame), dtype=object)}))
    with pytest.raises(ValueError, match="Column"):
        exported.predict(frame.assign(**{first: pd.Timestamp("2020-01-01")}))
    with pytest.raises(ValueError, match=r"features"):
        exported.predict(np.zeros((2, 3)))


@pytest.mark.parametrize("student", STUDENTS)
def test_matrices_with_missing_and_constant_columns(student, tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    X[:, 1], X[::5, 2] = 7.0, np.nan
    model = DistilledClassifier(RandomForestClassifier(5), student=student, **FAST).fit(X, X[:, 0] > 0)
    model.to_onnx(tmp_path / "model.onnx")
    exported = tabkd.load(tmp_path / "model.onnx", n_jobs=2)
    big = np.where(rng.random((9000, 4)) < 0.2, np.nan, rng.normal(size=(9000, 4)))
    for rows in (big, big[:1], big[np.isfinite(big).all(axis=1)], big.astype(np.float32), np.asfortranarray(big)):
        np.testing.assert_allclose(exported.predict_proba(rows), model.predict_proba(rows), atol=1e-5)
    for row, column in ((8000, 0), (8999, 1), (3, 3)):
        bad = big.copy()
        bad[row, column] = np.inf
        with pytest.raises(ValueError, match=rf"Column {column} contains infinity .*row {row}:"):
            exported.predict_proba(bad)
        with pytest.raises(ValueError, match=rf"Column {column} contains infinity .*row 0:"):
            exported.predict_proba(bad[row : row + 1])


def test_a_category_of_another_type(categories):
    _, frame, path = categories
    with pytest.raises(ValueError, match=r"Column 'shop' had categories such as 'books' at fit, but holds 3"):
        tabkd.load(path).predict(frame.assign(shop=3))


def test_numbers_beyond_float32_are_the_largest(numbers, categories):
    for model, frame, path in (numbers, categories):
        X = frame.assign(**{frame.columns[0]: 1e300})
        np.testing.assert_allclose(tabkd.load(path).predict_proba(X), model.predict_proba(X), atol=1e-5)


def test_regression_of_several_targets(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(200, 3)), columns=list("abc"))
    model = DistilledRegressor(RandomForestRegressor(5), student="tree", **FAST).fit(frame, frame[["a", "b"]])
    model.to_onnx(tmp_path / "model.onnx")
    exported = tabkd.load(tmp_path / "model.onnx")
    assert not hasattr(exported, "classes_")
    np.testing.assert_allclose(exported.predict(frame), model.predict(frame), atol=1e-5)
    assert exported.predict(frame[:0]).shape == (0, 2)


def test_pickles(categories):
    _, frame, path = categories
    exported = tabkd.load(path, n_jobs=1)
    again = pickle.loads(pickle.dumps(exported))
    assert again.n_jobs == 1
    np.testing.assert_array_equal(again.predict_proba(frame), exported.predict_proba(frame))


@pytest.mark.parametrize("n_jobs", [0, 0.5, "all"])
def test_what_is_no_number_of_threads_is_refused(categories, n_jobs):
    with pytest.raises(ValueError, match=f"n_jobs is {n_jobs!r}; expected a number of threads"):
        tabkd.load(categories[2], n_jobs=n_jobs)


def test_threads_change_no_score(categories):
    _, frame, path = categories
    big = frame.iloc[np.resize(np.arange(len(frame)), 20_000)]
    expected = tabkd.load(path, n_jobs=1).predict_proba(big)
    for n_jobs in (None, 3, -1, -2):
        np.testing.assert_array_equal(tabkd.load(path, n_jobs=n_jobs).predict_proba(big), expected)


def test_what_has_no_end_or_is_too_large_for_onnx_is_refused_before_it_is_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.onnx")
    for endless in (tmp_path / "pipe.onnx", "/dev/zero"):
        with pytest.raises(ValueError, match="is a pipe, socket or device"):
            tabkd.load(endless)
    with (tmp_path / "huge.onnx").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ValueError, match=r"huge\.onnx' has 1,099,511,627,776 bytes"):
        tabkd.load(tmp_path / "huge.onnx")


def test_bad_files(numbers, tmp_path):
    content = numbers[2].read_bytes()
    path = tmp_path / "model.onnx"
    with pytest.raises(FileNotFoundError, match="to_onnx"):
        tabkd.load(path)
    with pytest.raises(ValueError, match="is a folder"):
        tabkd.load(tmp_path)
    for broken in (b"", b"no model at all", content[:100], content[: len(content) // 2], content[:-7]):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"model\.onnx"):
            tabkd.load(path)
    foreign = onnx.load(numbers[2])
    del foreign.metadata_props[:]
    onnx.save(foreign, path)
    with pytest.raises(ValueError, match="not one that tabkd wrote"):
        tabkd.load(path)
    later = content.replace(b'"format":1,', b'"format":9,')
    path.write_bytes(later)
    with pytest.raises(ValueError, match="format 9"):
        tabkd.load(path)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(cut=st.integers(0, 10**6), byte=st.integers(0, 255))
def test_a_damaged_file_is_an_error_or_still_a_model(numbers, cut, byte):
    content = bytearray(numbers[2].read_bytes())
    content[cut % len(content)] = byte
    try:
        ExportedStudent(bytes(content))
    except ValueError:
        return


def test_nothing_heavy_is_imported(numbers):
    code = f"""
import sys, pandas, tabkd
exported = tabkd.load({str(numbers[2])!r})
exported.predict_proba(pandas.DataFrame([[0.0] * 6], columns=list("abcden")))
heavy = {{"jax", "optax", "lightgbm", "xgboost", "skl2onnx", "onnx"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_wire_reads_what_onnx_reads(categories):
    content = categories[2].read_bytes()
    model = onnx.load_from_string(content)
    assert wire.metadata(content) == {p.key: p.value for p in model.metadata_props}
    found = wire.nodes(content)
    assert [node.type for node in found] == [node.op_type for node in model.graph.node]
    for ours, theirs in zip(found, model.graph.node, strict=True):
        assert (ours.inputs, ours.outputs) == (list(theirs.input), list(theirs.output))
        if ours.type == "LabelEncoder":
            read = {a.name: onnx.helper.get_attribute_value(a) for a in theirs.attribute}
            read["keys_strings"] = [key.decode() for key in read["keys_strings"]]
            assert wire.attributes(ours) == read


def test_a_batch_is_fast(categories, numbers):
    """Far above what it takes (a tenth of it), so that only a fall off the fast path is noticed."""
    for _, frame, path in (numbers, categories):
        exported, batch = tabkd.load(path), frame[:256]
        exported.predict_proba(batch)
        times = []
        for _ in range(20):
            start = time.perf_counter()
            exported.predict_proba(batch)
            times.append(time.perf_counter() - start)
        assert min(times) < 2e-3


def test_every_dtype_of_pandas(tmp_path):
    frame = mixed_frame(300)
    y = frame["visits"] > 12
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    text = ["country", "shop"]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    teacher = make_pipeline(
        make_column_transformer((encoder, text), ("passthrough", ["amount", "visits"])),
        RandomForestClassifier(5),
    )
    model = DistilledClassifier(teacher, student=student(), **FAST).fit(frame, y)
    model.to_onnx(tmp_path / "model.onnx")
    exported = tabkd.load(tmp_path / "model.onnx")
    np.testing.assert_allclose(exported.predict_proba(frame), model.predict_proba(frame), atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_rows(categories, data):
    model, frame, path = categories
    if not hasattr(model, "_scorer"):
        model._scorer = tabkd.load(path)
    number = st.floats(allow_infinity=False)
    word = st.one_of(st.none(), st.sampled_from(["de", "at", "books", "toys", "", "nan", "None"]), st.text(max_size=3))
    rows = data.draw(st.lists(st.tuples(number, number, st.booleans(), word, word), min_size=1, max_size=10))
    X = pd.DataFrame(rows, columns=list(frame)).astype({"country": object, "shop": object})
    if data.draw(st.booleans()):
        X = X.astype({"country": "category", "shop": "str"})
    np.testing.assert_allclose(model._scorer.predict_proba(X), model.predict_proba(X), atol=1e-5)


def test_a_damaged_file_is_never_scored(numbers, tmp_path):
    content = numbers[2].read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(len(content), size=100):
        damaged = bytearray(content)
        damaged[place] ^= 1 << rng.integers(8)
        (tmp_path / "model.onnx").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"model\.onnx"):
            tabkd.load(tmp_path / "model.onnx")


def test_strings_for_numeric_categories_are_read_as_in_python(tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"level": pd.Categorical(rng.integers(0, 4, 300)), "x": rng.normal(size=300)})
    y = X["x"] + (X["level"] == 2) > 0
    model = DistilledClassifier(n_synthetic=300, random_state=0).fit(X, y)
    model.to_onnx(tmp_path / "model.onnx")
    text = X.assign(level=X["level"].astype(str))
    scores = tabkd.load(tmp_path / "model.onnx").predict_proba(text)
    np.testing.assert_allclose(scores, model.predict_proba(text), atol=1e-5)


def zip_codes(kind):
    """A model that knows the codes 01234, 10115 and 80331, as they are, and rows with them as whole numbers."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"zip": rng.choice(["01234", "10115", "80331"], 300), "amount": rng.normal(size=300)})
    teacher = RandomForestRegressor(5, random_state=0)
    model = DistilledRegressor(make_pipeline(TableCodes(), teacher), student="tree", **FAST)
    model.fit(X, (X["zip"] == "01234") * 1.0)
    whole = X.assign(zip=X["zip"].astype(int))
    others = {"dict": lambda: whole.to_dict("list"), "polars": lambda: pl.from_pandas(whole)}
    return model, X, others[kind]() if kind in others else whole.astype({"zip": kind})


@pytest.mark.parametrize("kind", ["int64", "Int64", "category", "object", "polars", "dict"])
def test_whole_numbers_are_no_codes_that_have_zeros_in_front(tmp_path, kind):
    model, X, whole = zip_codes(kind)
    model.to_onnx(tmp_path / "model.onnx")
    exported = tabkd.load(tmp_path / "model.onnx")
    with pytest.raises(ValueError, match=r"'zip' had categories such as '01234' at fit, .* lost the leading zeros"):
        exported.predict(whole)
    nothing = X.assign(zip=pd.array([None] * 300, "Int64"))
    np.testing.assert_allclose(exported.predict(nothing), model.predict(X.assign(zip=None)), atol=1e-5)
    if kind in ("int64", "category"):
        whole.to_feather(tmp_path / "rows.arrow")
        with pytest.raises(ValueError, match=r"row 0: column 'zip' is '\d+': .* lost the leading zeros"):
            score_dataset(exported, [str(tmp_path / "rows.arrow")], str(tmp_path / "out.csv"))
        assert not (tmp_path / "out.csv").exists()
