"""The gate in front of a file, and parity on any rows."""

import numpy as np
import onnx
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from tabkd import DistilledClassifier
from tabkd._export.probes import beside
from tabkd.onnx import ParityError
from tabkd.scoring import ExportedStudent
from tabkd.students import STUDENTS
from tests.export.hard import FAST, assert_same, classifier, fast_students, mixed_table, run


@pytest.mark.parametrize("part", ["weights", "rows", "labels"])
def test_the_gate_goes_red_and_nothing_is_written(part, tmp_path, monkeypatch):
    X, signal = mixed_table()
    X = X[["amount (EUR)", "label"]]
    y = signal > np.median(signal)
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    model = DistilledClassifier(
        make_pipeline(ordinal, RandomForestClassifier(5)), student=fast_students()["mlp"], **FAST
    ).fit(X, y)
    from tabkd._export import build as export

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


def test_a_temperature_that_float32_cannot_turn_back_is_named(tmp_path):
    X = np.random.default_rng(0).normal(size=(300, 3))
    model = DistilledClassifier(
        GradientBoostingClassifier(n_estimators=30, random_state=0), student="tree", temperature=0.05, **FAST
    ).fit(X, X[:, 0] + X[:, 1] > 0)
    with pytest.raises(ParityError, match=r"temperature is 0.05: .* Fit it again with a temperature closer"):
        model.to_onnx(tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_unwritable_paths(distilled, tmp_path):
    for path in (tmp_path, tmp_path / "no" / "model.onnx"):
        with pytest.raises(OSError, match="cannot write"):
            distilled.to_onnx(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("student", STUDENTS)
def test_values_next_to_thresholds(numbers, student):
    X, y = numbers
    model = classifier(student).fit(X, y)
    rows = []
    for i, _, edges in model.student_.edges():
        for value in beside(edges):
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
    for student in STUDENTS:
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
        model._scorer = ExportedStudent(model.to_onnx().SerializeToString())
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
