"""ONNX: every way into skl2onnx, parity on hard tables, the gate, and the files."""

import json
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import skl2onnx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OrdinalEncoder, StandardScaler

import tabkd
from tabkd import DistilledClassifier, DistilledRegressor
from tabkd.onnx import ParityError
from tabkd.scoring import Scorer
from tabkd.students import BoostedTreesStudent, MLPStudent, TableEncoder, TreeStudent

FAST = {"n_synthetic": 500, "random_state": 0}


def small_students():
    return {
        "mlp": MLPStudent(max_iter=3, hidden_layer_sizes=(8,)),
        "tree": TreeStudent(),
        "boosted_trees": BoostedTreesStudent(n_estimators=8, n_jobs=1),
    }


def classifier(student="mlp", **params):
    return DistilledClassifier(
        RandomForestClassifier(5, random_state=0),
        student=small_students().get(student, student),
        **FAST,
        **params,
    )


def mixed_table(n=400, seed=0):
    """Numbers, big numbers, strings, categories of each kind, missing values, and the names of outputs."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "amount (EUR)": np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(size=n)),
            "label": rng.choice(np.array(["x", "y", "ü", "", None], dtype=object), n),
            "probabilities": rng.choice(["p", "nan"], n).astype(object),
            "time": 1_700_000_000.0 + rng.integers(0, 5000, n) + 0.25,
            "count": rng.integers(0, 9, n),
            "flag": rng.random(n) < 0.5,
            "code": pd.Categorical(rng.integers(0, 5, n)),
            "id": pd.Categorical(rng.choice([2**24 + 1, 2**24 + 2, 2**40], n)),
            "rate": pd.Categorical(rng.choice([0.1, 0.2, 0.3 + 1e-12], n)),
            "many": rng.choice([f"m{i}" for i in range(90)], n).astype(object),
            "constant": 1.0,
        }
    )
    signal = frame["amount (EUR)"].fillna(0) + (frame["label"] == "x") + (frame["time"] - 1.7e9) / 2500
    signal += frame["code"].astype(int) / 5 + (frame["many"] < "m3") + (frame["id"] == 2**24 + 1)
    return frame, signal.to_numpy()


def teacher(kind=RandomForestClassifier):
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    text = ["label", "probabilities", "many"]
    columns = ColumnTransformer([("text", ordinal, text)], remainder="passthrough")
    return make_pipeline(columns, kind(5, random_state=0))


def run(proto, feeds):
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def feeds_of(proto, X):
    if isinstance(X, np.ndarray):
        return {proto.graph.input[0].name: X}
    return {i.name: X[[c]].to_numpy() for i, c in zip(proto.graph.input, X.columns, strict=True)}


def assert_same(proto, model, X, rtol=1e-5):
    got = run(proto, feeds_of(proto, X))
    if hasattr(model, "predict_proba"):
        assert list(got) == ["label", "probabilities"]
        np.testing.assert_allclose(got["probabilities"], model.predict_proba(X), atol=1e-5)
        assert got["probabilities"].dtype == np.float32
        assert np.mean(got["label"] == model.predict(X)) > 0.99
    else:
        said = np.asarray(model.predict(X) if hasattr(model, "predict") else model.transform(X))
        said = said.reshape(len(said), -1)
        assert list(got) == ["variable"]
        np.testing.assert_allclose(got["variable"], said, atol=rtol * (said.std() + 1e-3))


@pytest.fixture(scope="module")
def numbers():
    X, y = load_breast_cancer(return_X_y=True)
    return X[:, :12].astype(np.float32), y


@pytest.fixture(scope="module")
def distilled(numbers):
    return classifier().fit(*numbers)


@pytest.fixture(scope="module")
def pipeline(numbers):
    return make_pipeline(StandardScaler(), classifier()).fit(*numbers)


@pytest.fixture(scope="module", params=["mlp", "tree", "boosted_trees"])
def mixed(request):
    X, signal = mixed_table()
    y = np.where(signal > np.median(signal), "yes", "nö")
    student = small_students()[request.param]
    if request.param == "mlp":
        student.set_params(max_levels=20)
    return DistilledClassifier(teacher(), student=student, **FAST).fit(X, y), X


# --- skl2onnx ------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("student", ["mlp", "tree", "boosted_trees"])
@pytest.mark.parametrize("targets", ["probabilities", "one", "several"])
def test_students_on_their_own(numbers, student, targets):
    X, y = numbers
    P = np.column_stack([1 - y, y]) * 0.8 + 0.1
    T = {"probabilities": P, "one": X[:, 0] * 2.0, "several": X[:, :3].astype(np.float64)}[targets]
    model = small_students()[student].fit(X, T)
    assert_same(skl2onnx.to_onnx(model, X[:1]), model, X)
    model = make_pipeline(StandardScaler(), small_students()[student]).fit(X, T)
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
        make_pipeline(OrdinalEncoder(), RandomForestClassifier(3)), student=small_students()["mlp"], **FAST
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


# --- to_onnx -------------------------------------------------------------------------------------------


def test_mixed_table(mixed):
    model, X = mixed
    proto = model.to_onnx()
    onnx.checker.check_model(proto)
    names = [entry.name for entry in proto.graph.input]
    assert names == ["label_" if n == "label" else "probabilities_" if n == "probabilities" else n for n in X]
    kinds = {entry.name: entry.type.tensor_type.elem_type for entry in proto.graph.input}
    double, single, text = onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT, onnx.TensorProto.STRING
    assert (kinds["time"], kinds["id"], kinds["rate"]) == (double, double, double)
    assert (kinds["count"], kinds["code"], kinds["label_"]) == (single, single, text)
    assert model.parity_["rows"] > 500
    assert model.parity_["max_difference"] < 1e-6


def test_metadata(mixed):
    model, X = mixed

    class Report:
        skill_kept = 0.97

    entry, seal = model.to_onnx(report=Report()).metadata_props
    facts = json.loads(entry.value)
    assert entry.key == "tabkd"
    assert seal.key == "tabkd_sha256"
    assert facts["tabkd"] == tabkd.__version__
    assert facts["classes"] == ["nö", "yes"]
    assert facts["skill_kept"] == 0.97
    assert facts["teacher"] == type(model.teacher_.steps[-1][1]).__name__
    assert facts["student"] == type(model.student_).__name__
    assert facts["task"] == "classification"
    assert [column["name"] for column in facts["columns"]] == list(X)
    amount, label = facts["columns"][:2]
    assert (amount["low"], amount["high"]) == (X["amount (EUR)"].min(), X["amount (EUR)"].max())
    assert (amount["has_missing"], amount["kind"], amount["dtype"]) == (True, "numeric", "float64")
    assert (label["input"], label["type"]) == ("label_", "STRING")
    assert "None" in label["missing"]


@pytest.mark.parametrize("student", ["mlp", "tree", "boosted_trees"])
def test_epoch_seconds_lose_nothing(student):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"time": 1_700_000_000 + rng.integers(0, 600, 500), "x": rng.random(500)})
    y = (X["time"] - 1_700_000_000).to_numpy() % 200 > 100
    model = classifier(student).fit(X, y)
    proto = model.to_onnx()
    assert proto.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.DOUBLE
    got = run(proto, {"X": X.to_numpy(dtype=np.float64)})
    np.testing.assert_allclose(got["probabilities"], model.predict_proba(X), atol=1e-6)
    assert len(np.unique(got["probabilities"][:, 1])) > 2


@pytest.mark.parametrize("classes", [["b", "a"], [5, -3], [True, False], [2.0, 1.0], ["ü", "", "x"]])
def test_classes_keep_their_type(classes, tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = np.array(classes)[(X[:, 0] > 0).astype(int) + (X[:, 1] > 1) * (len(classes) - 2)]
    model = classifier("tree").fit(X, y)
    model.to_onnx(tmp_path / "model.onnx")
    scorer = tabkd.load(tmp_path / "model.onnx")
    assert scorer.classes_.tolist() == model.classes_.tolist()
    assert scorer.classes_.dtype.kind == model.classes_.dtype.kind
    np.testing.assert_array_equal(scorer.predict(X), model.predict(X))


@pytest.mark.parametrize("student", ["mlp", "tree", "boosted_trees"])
@pytest.mark.parametrize("far", [0, 1e7])
def test_regression(student, far, tmp_path):
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    T = np.column_stack([y, -y, y * 2]) + far
    for target in (y + far, T):
        model = DistilledRegressor(RandomForestRegressor(5), student=small_students()[student], **FAST)
        model.fit(X, target)
        proto = model.to_onnx(tmp_path / "model.onnx")
        kind = proto.graph.output[0].type.tensor_type
        assert proto.graph.output[0].name == "variable"
        # Far from zero float32 would lose what the targets differ by.
        assert kind.elem_type == (onnx.TensorProto.DOUBLE if far else onnx.TensorProto.FLOAT)
        scorer = tabkd.load(tmp_path / "model.onnx")
        assert scorer.predict(X).shape == target.shape
        np.testing.assert_allclose(scorer.predict(X), model.predict(X), atol=1e-5 * y.std())
        with pytest.raises(AttributeError, match="regressor"):
            scorer.predict_proba(X)


@pytest.mark.parametrize("student", ["mlp", "tree"])
@pytest.mark.parametrize("temperature", [0.5, 4.0])
def test_temperature(numbers, student, temperature):
    model = classifier(student, temperature=temperature).fit(*numbers)
    assert_same(model.to_onnx(), model, numbers[0])


@pytest.mark.parametrize("student", [RandomForestRegressor(3, random_state=0), LinearRegression()])
def test_students_of_scikit_learn(numbers, student):
    model = classifier(student).fit(*numbers)
    assert_same(model.to_onnx(), model, numbers[0])
    assert_same(skl2onnx.to_onnx(model, numbers[0][:1], options={"zipmap": False}), model, numbers[0])


def test_a_student_that_skl2onnx_does_not_know(numbers):
    class Unknown(LinearRegression):
        pass

    model = classifier(Unknown()).fit(*numbers)
    with pytest.raises(NotImplementedError, match=r"student Unknown cannot be written as ONNX.*'mlp'"):
        model.to_onnx()


def test_a_table_that_says_nothing():
    X = pd.DataFrame({"a": np.ones(60), "b": ["x"] * 60, "c": pd.Categorical([7] * 60), "d": np.arange(60.0)})
    y = np.arange(60) % 2
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    for columns in (list("abc"), list("abcd")):
        teacher = make_pipeline(ordinal, RandomForestClassifier(3))
        model = DistilledClassifier(teacher, student=small_students()["mlp"], **FAST).fit(X[columns], y)
        scorer = Scorer(model.to_onnx().SerializeToString())
        np.testing.assert_allclose(scorer.predict_proba(X[columns]), model.predict_proba(X[columns]), atol=1e-5)


def test_thirty_columns_stay_small_and_the_selection_is_folded(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 30))
    student = MLPStudent(max_iter=1)
    model = DistilledClassifier(RandomForestClassifier(5), student=student, **FAST).fit(X, X[:, 0] * X[:, 1] > 0)
    model.to_onnx(tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").stat().st_size <= 100_000
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), options, providers=["CPUExecutionProvider"])
    kept = {node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node}
    assert "OneHot" not in kept


def test_raw_onnx_runtime_reads_missing_strings_as_python_does(mixed):
    model, X = mixed
    proto = model.to_onnx()
    rows = pd.concat([X[:4]] * 2, ignore_index=True)
    rows["label"] = pd.Series(["x", None, np.nan, "<NA>", "None", "unseen", "", "ü"], dtype=object)
    feeds = {}
    for entry, name in zip(proto.graph.input, rows, strict=True):
        kind = {1: np.float32, 11: np.float64, 8: object}[entry.type.tensor_type.elem_type]
        feeds[entry.name] = rows[[name]].to_numpy().astype(kind)
    np.testing.assert_allclose(run(proto, feeds)["probabilities"], model.predict_proba(rows), atol=1e-5)


# --- the gate ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["weights", "rows", "labels"])
def test_the_gate_goes_red_and_nothing_is_written(part, tmp_path, monkeypatch):
    X, signal = mixed_table()
    X = X[["amount (EUR)", "label"]]
    y = signal > np.median(signal)
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    model = DistilledClassifier(
        make_pipeline(ordinal, RandomForestClassifier(5)), student=small_students()["mlp"], **FAST
    ).fit(X, y)
    from tabkd.onnx import export

    whole = export.build

    def corrupt(*args):
        proto = whole(*args)
        for tensor in proto.graph.initializer:
            if part == "weights" and tensor.name == "tabkd_weights":
                values = onnx.numpy_helper.to_array(tensor) * 1.01
                tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        for node in proto.graph.node:
            for attribute in node.attribute:
                if part == "rows" and attribute.name == "default_int64":
                    attribute.i = 0
            if part == "labels" and node.op_type == "ArgMax":
                node.op_type = "ArgMin"
        return proto

    monkeypatch.setattr(export, "build", corrupt)
    with pytest.raises(ParityError, match=r"nothing was written: .* for the row amount \(EUR\)=.*label=") as error:
        model.to_onnx(tmp_path / "model.onnx")
    assert isinstance(error.value, RuntimeError)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(export, "build", whole)
    (tmp_path / "model.onnx").write_text("old")
    model.to_onnx(tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_unwritable_paths(distilled, tmp_path):
    for path in (tmp_path, tmp_path / "no" / "model.onnx"):
        with pytest.raises(OSError, match="cannot write"):
            distilled.to_onnx(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("student", ["tree", "boosted_trees"])
def test_values_next_to_thresholds(numbers, student):
    from tabkd.onnx.probes import _beside, _thresholds

    X, y = numbers
    model = classifier(student).fit(X, y)
    rows = []
    for i, _, edges in _thresholds(model.student_):
        for value in _beside(edges):
            rows.append(X[len(rows) % len(X)].astype(np.float64))
            rows[-1][i] = value
    rows = np.array(rows)
    assert len(rows) > 10
    got = run(model.to_onnx(), {"X": rows.astype(np.float32)})
    np.testing.assert_allclose(got["probabilities"], model.predict_proba(rows), atol=1e-6)


def test_missing_values_in_trees_go_the_same_way():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 4))
    X[rng.random(X.shape) < 0.3] = np.nan
    y = np.isnan(X[:, 0]) ^ (np.nan_to_num(X[:, 1]) > 0)
    for student in ("tree", "boosted_trees", "mlp"):
        model = classifier(student).fit(X, y)
        assert_same(model.to_onnx(), model, X.astype(np.float32))


# --- Hypothesis ----------------------------------------------------------------------------------------

TEXT = st.one_of(st.none(), st.sampled_from(["x", "y", "ü", "", "nan", "None", "<NA>"]), st.text(max_size=4))
AMOUNT = st.one_of(
    st.just(float("nan")), st.floats(-10, 10, width=32), st.floats(allow_nan=False, allow_infinity=False)
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "amount (EUR)": AMOUNT,
            "label": TEXT,
            "probabilities": TEXT,
            "time": st.one_of(AMOUNT, st.floats(1.7e9, 1.7e9 + 6000)),
            "count": st.integers(-(2**31), 2**31),
            "flag": st.booleans(),
            "code": st.one_of(st.none(), st.integers(-2, 9)),
            "id": st.one_of(st.none(), st.integers(2**24 - 1, 2**24 + 4), st.just(2**40)),
            "rate": st.one_of(st.none(), st.sampled_from([0.1, 0.2, 0.3, 0.3 + 1e-12, 0.1 + 1e-16])),
            "many": TEXT,
            "constant": AMOUNT,
        }
    ),
    min_size=1,
    max_size=20,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_python_and_onnx_agree_on_any_rows(mixed, rows):
    model, X = mixed
    if not hasattr(model, "_scorer"):
        model._scorer = Scorer(model.to_onnx().SerializeToString())
    frame = pd.DataFrame(rows, columns=list(X))
    for name in ("label", "probabilities", "many"):
        frame[name] = frame[name].astype(object)
    for name in ("code", "id", "rate"):
        frame[name] = frame[name].astype(float)
    np.testing.assert_allclose(model._scorer.predict_proba(frame), model.predict_proba(frame), atol=1e-5)


def test_boosted_trees_around_zero():
    """LightGBM reads numbers up to 1e-35 as zero, on the far side of a threshold of that size."""
    X = pd.DataFrame({"balance": np.random.default_rng(0).integers(-3, 4, 600).astype(float)})
    model = DistilledClassifier(RandomForestClassifier(5), student="boosted_trees", n_synthetic=600, random_state=0)
    model.fit(X, X["balance"] >= 0).to_onnx()
    assert model.parity_["max_difference"] < 1e-5


def test_every_spelling_of_missing_is_a_category():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=500), "c": rng.choice(["nan", "x", "None", "<NA>"], 500)})
    model = DistilledClassifier(n_synthetic=500, random_state=0).fit(X, X["a"] + (X["c"] == "nan") > 0)
    model.to_onnx()
    assert model.parity_["max_difference"] < 1e-5
