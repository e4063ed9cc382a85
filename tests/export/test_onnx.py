"""ONNX: parity on hard tables, and what is in the files."""

import json

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import skl2onnx
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

import tabkd
from tabkd import DistilledClassifier, DistilledRegressor
from tabkd._cli.table_codes import TableCodes
from tabkd._export import build
from tabkd.onnx._types import TensorType
from tabkd.scoring import ExportedStudent
from tabkd.scoring._column_facts import column_facts
from tabkd.students import STUDENTS, MLPStudent
from tests.export.hard import FAST, assert_same, classifier, fast_students, run


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
        skill_kept, metric = 0.97, "roc_auc"
        doubt = None

    entry, seal = model.to_onnx(report=Report()).metadata_props
    facts = json.loads(entry.value)
    assert entry.key == "tabkd"
    assert seal.key == "tabkd_sha256"
    assert facts["tabkd"] == tabkd.__version__
    assert facts["classes"] == ["nö", "yes"]
    assert (facts["skill_kept"], facts["skill_metric"]) == (0.97, "roc_auc")
    assert facts["teacher"] == type(model.teacher_.steps[-1][1]).__name__
    assert facts["student"] == type(model.student_).__name__
    assert facts["task"] == "classification"
    assert [column["name"] for column in facts["columns"]] == list(X)
    amount, label = (column_facts(column, "column") for column in facts["columns"][:2])
    assert (amount["low"], amount["high"]) == (X["amount (EUR)"].min(), X["amount (EUR)"].max())
    assert (amount["has_missing"], amount["kind"], amount["dtype"]) == (True, "numeric", "float64")
    assert (label["input"], label["type"]) == ("label_", "STRING")
    assert "None" in label["missing"]


@pytest.mark.parametrize("student", STUDENTS)
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
    exported = tabkd.load(tmp_path / "model.onnx")
    assert exported.classes_.tolist() == model.classes_.tolist()
    assert exported.classes_.dtype.kind == model.classes_.dtype.kind
    np.testing.assert_array_equal(exported.predict(X), model.predict(X))


@pytest.mark.parametrize("student", STUDENTS)
@pytest.mark.parametrize("far", [0, 1e7])
def test_regression(student, far, tmp_path):
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    T = np.column_stack([y, -y, y * 2]) + far
    for target in (y + far, T):
        model = DistilledRegressor(RandomForestRegressor(5), student=fast_students()[student], **FAST)
        model.fit(X, target)
        proto = model.to_onnx(tmp_path / "model.onnx")
        kind = proto.graph.output[0].type.tensor_type
        assert proto.graph.output[0].name == "variable"
        # Far from zero float32 would lose what the targets differ by.
        assert kind.elem_type == (onnx.TensorProto.DOUBLE if far else onnx.TensorProto.FLOAT)
        exported = tabkd.load(tmp_path / "model.onnx")
        assert exported.predict(X).shape == target.shape
        np.testing.assert_allclose(exported.predict(X), model.predict(X), atol=1e-5 * y.std())
        with pytest.raises(AttributeError, match="regressor"):
            exported.predict_proba(X)


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


CODED_VALUES = make_pipeline(TableCodes(), RandomForestRegressor(5, random_state=0))
CODED_CLASSES = make_pipeline(TableCodes(), RandomForestClassifier(5, random_state=0))


def mixed_columns(n=400):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a b": rng.normal(size=n), "gap": rng.normal(size=n), "town": rng.choice(["x", "y", "z"], n)})
    X["gap"] = X["gap"].mask(rng.random(n) < 0.2)
    X["grade"] = pd.Categorical(rng.integers(1, 4, n))
    return X, (X["a b"] + 2 * (X["town"] == "x") + X["grade"].astype(int)).to_numpy()


ONE_HOT = OneHotEncoder(handle_unknown="ignore")
BY_COLUMN = {
    "names": make_column_transformer((ONE_HOT, ["town"]), (SimpleImputer(), ["gap", "a b"])),
    "positions": make_column_transformer((ONE_HOT, [2]), (SimpleImputer(), [0, 1])),
    "text alone": make_column_transformer((ONE_HOT, ["town"])),
    "numbers alone": make_column_transformer((SimpleImputer(), ["gap"])),
    "the rest": make_column_transformer((SimpleImputer(), ["gap"]), (ONE_HOT, ["town"]), remainder="passthrough"),
}


def assert_scored_as_in_python(model, X):
    exported, method = ExportedStudent(model.to_onnx().SerializeToString()), "predict"
    if isinstance(model, DistilledClassifier):
        method = "predict_proba"
    np.testing.assert_allclose(getattr(exported, method)(X), getattr(model, method)(X), atol=1e-4)


@pytest.mark.parametrize("name", BY_COLUMN)
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_pipeline_of_scikit_learn_is_a_student_of_a_mixed_table(name, task):
    X, y = mixed_columns()
    X, student = X.drop(columns="grade"), make_pipeline(BY_COLUMN[name], Ridge())
    if task == "regression":
        model = DistilledRegressor(CODED_VALUES, student=student, n_synthetic=300, random_state=0).fit(X, y)
    else:
        model = DistilledClassifier(CODED_CLASSES, student=student, n_synthetic=300, random_state=0).fit(X, y > 3)
    assert_scored_as_in_python(model, X)


def test_numbers_as_categories_reach_a_pipeline_as_numbers():
    X, y = mixed_columns()
    steps = make_column_transformer((ONE_HOT, ["town", "grade"]), ("passthrough", ["a b"]))
    options = {"student": make_pipeline(steps, Ridge()), "random_state": 0}
    assert_scored_as_in_python(DistilledRegressor(CODED_VALUES, augmenter=None, **options).fit(X, y), X)
    # Synthetic rows have grades that nobody has seen: skl2onnx has no way for them.
    model = DistilledRegressor(CODED_VALUES, n_synthetic=300, **options).fit(X, y)
    with pytest.raises(NotImplementedError, match="student Pipeline cannot be written as ONNX: skl2onnx fails, "):
        model.to_onnx()


def test_a_long_reason_of_the_converter_is_cut(numbers, monkeypatch):
    def fail(*args):
        raise ValueError("Unable to create node with " + "0, " * 10_000)

    monkeypatch.setattr("tabkd.onnx._graph.Graph.convert", fail)
    model = classifier(LinearRegression()).fit(*numbers)
    with pytest.raises(NotImplementedError, match="Unable to create node") as raised:
        model.to_onnx()
    assert len(str(raised.value)) < 1_000


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
        model = DistilledClassifier(teacher, student=fast_students()["mlp"], **FAST).fit(X[columns], y)
        exported = ExportedStudent(model.to_onnx().SerializeToString())
        np.testing.assert_allclose(exported.predict_proba(X[columns]), model.predict_proba(X[columns]), atol=1e-5)


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


def test_types_have_the_numbers_of_onnx():
    assert {kind.name: int(kind) for kind in TensorType} == {
        kind.name: onnx.TensorProto.DataType.Value(kind.name) for kind in TensorType
    }


def test_domains_are_in_one_order():
    """skl2onnx lists them in the order of a set, which differs from process to process."""
    opsets = [onnx.helper.make_opsetid(domain, 1) for domain in ("ai.onnx.ml", "")]
    proto = onnx.helper.make_model(onnx.GraphProto(), opset_imports=opsets)
    build._tidy(proto)
    assert [opset.domain for opset in proto.opset_import] == ["", "ai.onnx.ml"]
