"""Every way into skl2onnx."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import skl2onnx
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OrdinalEncoder, StandardScaler

from tabkd import DistilledClassifier
from tabkd.students import STUDENTS, TableEncoder
from tests.export.hard import FAST, assert_same, classifier, fast_students, feeds_of, mixed_table, run


@pytest.mark.parametrize("zipmap", [False, True])
@pytest.mark.parametrize("spelling", ["none", "plain", "id", "class"])
def test_options_on_the_model(distilled, numbers, spelling, zipmap):
    options = {
        "none": None,
        "plain": {"zipmap": zipmap},
        "id": {id(distilled): {"zipmap": zipmap}},
        "class": {DistilledClassifier: {"zipmap": zipmap}},
    }[spelling]
    assert_same(skl2onnx.to_onnx(distilled, numbers[0][:1], options=options), distilled, numbers[0])


@pytest.mark.parametrize("spelling", ["none", "plain", "id", "step id", "class", "step name"])
def test_options_in_a_pipeline(pipeline, numbers, spelling):
    value = {"zipmap": False}
    options = {
        "none": None,
        "plain": value,
        "id": {id(pipeline): value},
        "step id": {id(pipeline[-1]): {**value, "nocl": True}},
        "class": {DistilledClassifier: value},
        "step name": {"distilledclassifier__zipmap": False},
    }[spelling]
    assert_same(skl2onnx.to_onnx(pipeline, numbers[0][:1], options=options), pipeline, numbers[0])


def test_zipmap_columns_is_refused(distilled, numbers):
    with pytest.raises(ValueError, match=r"'columns'.*for option 'zipmap'"):
        skl2onnx.to_onnx(distilled, numbers[0][:1], options={"zipmap": "columns"})


def test_skl2onnx_loaded_after_the_fit_needs_no_registration():
    code = """
import sys, numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tabkd import DistilledClassifier
X = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
model = DistilledClassifier(RandomForestClassifier(3), student="tree", n_synthetic=100)
pipe = make_pipeline(StandardScaler(), model).fit(X, X[:, 0] > 0)
assert "skl2onnx" not in sys.modules and "onnx" not in sys.modules
import skl2onnx
for model in (pipe, pipe[-1]):
    for options in (None, {"zipmap": False}):
        proto = skl2onnx.to_onnx(model, X[:1], options=options)
        assert [o.name for o in proto.graph.output] == ["label", "probabilities"]
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("inside", [False, True])
def test_grid_search(numbers, inside):
    X, y = numbers
    inner = make_pipeline(StandardScaler(), classifier("tree")) if inside else classifier("tree")
    prefix = "distilledclassifier__" if inside else ""
    search = GridSearchCV(inner, {f"{prefix}student__max_depth": [2, 3]}, cv=2).fit(X, y)
    for options in (None, {"zipmap": False}):
        assert_same(skl2onnx.to_onnx(search, X[:1], options=options), search, X)
    outer = Pipeline([("scale", MinMaxScaler()), ("search", search)]).fit(X, y)
    assert_same(skl2onnx.to_onnx(outer, X[:1], options={"zipmap": False}), outer, X)


def test_feature_union_and_column_transformer_in_front(numbers):
    X, y = numbers
    union = FeatureUnion([("a", StandardScaler()), ("b", MinMaxScaler())])
    model = make_pipeline(union, classifier()).fit(X, y)
    assert_same(skl2onnx.to_onnx(model, X[:1]), model, X)
    frame = pd.DataFrame(X[:, :4].astype(np.float64), columns=list("abcd"))
    columns = ColumnTransformer([("s", StandardScaler(), ["b", "a"]), ("p", "passthrough", ["c", "d"])])
    model = make_pipeline(columns, classifier("tree")).fit(frame, y)
    assert_same(skl2onnx.to_onnx(model, frame[:1], options={"zipmap": False}), model, frame)


def test_a_subclass_converts(numbers):
    class Mine(DistilledClassifier):
        pass

    X, y = numbers
    model = Mine(RandomForestClassifier(3), student="tree", **FAST).fit(X, y)
    assert_same(skl2onnx.to_onnx(model, X[:1], options={Mine: {"zipmap": False}}), model, X)


@pytest.mark.parametrize("student", STUDENTS)
@pytest.mark.parametrize("targets", ["probabilities", "one", "several"])
def test_students_on_their_own(numbers, student, targets):
    X, y = numbers
    P = np.column_stack([1 - y, y]) * 0.8 + 0.1
    T = {"probabilities": P, "one": X[:, 0] * 2.0, "several": X[:, :3].astype(np.float64)}[targets]
    model = fast_students()[student].fit(X, T)
    assert_same(skl2onnx.to_onnx(model, X[:1]), model, X)
    model = make_pipeline(StandardScaler(), fast_students()[student]).fit(X, T)
    assert_same(skl2onnx.to_onnx(model, X[:1]), model, X)


def test_encoder_on_its_own(numbers):
    X, y = numbers
    encoder = TableEncoder(n_knots=40).fit(X, y)
    assert_same(skl2onnx.to_onnx(encoder, X[:1]), encoder, X)
    model = make_pipeline(encoder, LinearRegression()).fit(X, y.astype(float))
    assert_same(skl2onnx.to_onnx(model, X[:1]), model, X)
    frame, signal = mixed_table()
    frame = frame[["amount (EUR)", "label", "many", "code"]].fillna({"label": "y"})
    encoder = TableEncoder(n_knots=40, max_levels=20).fit(frame, signal)
    assert_same(skl2onnx.to_onnx(encoder, frame[:1]), encoder, frame)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int32, bool])
def test_types_that_skl2onnx_guesses(dtype):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2 if dtype is bool else 50, (200, 4)).astype(dtype)
    model = classifier("tree").fit(X, X[:, 0] > X[:, 1])
    assert_same(skl2onnx.to_onnx(model, X[:1]), model, X)


def test_a_matrix_of_strings():
    rng = np.random.default_rng(0)
    X = rng.choice(["a", "b", "ß"], (200, 3)).astype(object)
    model = DistilledClassifier(
        make_pipeline(OrdinalEncoder(), RandomForestClassifier(3)), student=fast_students()["mlp"], **FAST
    ).fit(X, X[:, 0] == "a")
    assert_same(skl2onnx.to_onnx(model, X[:1]), model, X)


def test_columns_in_another_order_are_matched_by_name(mixed):
    model, X = mixed
    types = {
        "O": skl2onnx.common.data_types.StringTensorType,
        "f": skl2onnx.common.data_types.DoubleTensorType,
    }
    turned = X[X.columns[::-1]].astype({"code": float, "id": float, "rate": float, "flag": float, "count": float})
    initial = [(name, types[turned[name].dtype.kind]([None, 1])) for name in turned]
    proto = skl2onnx.convert_sklearn(model, initial_types=initial)
    got = run(proto, feeds_of(proto, turned))
    np.testing.assert_allclose(got["probabilities"], model.predict_proba(X), atol=1e-5)


def test_too_few_columns_are_refused(distilled):
    with pytest.raises(ValueError, match="brings 3 columns to a model that was fitted on 12"):
        skl2onnx.to_onnx(distilled, np.zeros((1, 3), np.float32))
