"""Students that are written outside of the package."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import Ridge

import tabkd
from tabkd import DistilledClassifier, DistilledRegressor
from tabkd.onnx import ParityError
from tabkd.students import Student, TableEncoder, Tensors
from tests.export.hard import mixed_table, teacher


class RidgeStudent(Student):
    """A ridge regression on the units of the table."""

    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def _fit_rows(self, real, synthetic):
        self.encoder_ = TableEncoder(n_knots=16, random_state=0).fit_rows(self.schema_, real)
        self.ridge_ = Ridge(self.alpha).fit(self.encoder_.transform_codes(real.codes), real.targets, real.weights)
        self.weights_ = self.ridge_.coef_.reshape(self.n_outputs_, -1).T
        self.bias_ = self.ridge_.intercept_.reshape(-1)

    def predict_codes(self, codes):
        return self.encoder_.transform_codes(codes).astype(float) @ self.weights_ + self.bias_

    def write_onnx(self, graph, inputs):
        return Tensors(graph.gemm(self.encoder_.write_onnx(graph, inputs), self.weights_, self.bias_))


class Both(NamedTuple):
    targets: str
    units: str


class WithUnits(RidgeStudent):
    """It gives the units beside the targets."""

    def further_outputs(self):
        return {"units": self.encoder_.n_features_out_}

    def write_onnx(self, graph, inputs):
        units = self.encoder_.write_onnx(graph, inputs)
        return Both(graph.gemm(units, self.weights_, self.bias_), units)


class Alone(Student):
    def _fit_rows(self, real, synthetic):
        self.mean_ = real.targets.mean(axis=0)

    def predict_codes(self, codes):
        return np.tile(self.mean_, (len(codes), 1))


@pytest.fixture(scope="module")
def table():
    X, signal = mixed_table()
    return X.drop(columns=["time", "id"]), signal


def classes(signal):
    return np.array(["low", "mid", "high"])[np.digitize(signal, np.quantile(signal, [0.4, 0.8]))]


def distilled(task, student, table):
    X, signal = table
    small = {"n_synthetic": 500, "random_state": 0}
    if task == "regression":
        return DistilledRegressor(teacher(RandomForestRegressor), student=student, **small).fit(X, signal)
    return DistilledClassifier(teacher(RandomForestClassifier), student=student, **small).fit(X, classes(signal))


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("student", [RidgeStudent(), WithUnits()], ids=lambda s: type(s).__name__)
def test_a_student_of_ones_own_is_distilled_exported_proven_and_scored(task, student, table, tmp_path):
    model = distilled(task, student, table)
    model.to_onnx(tmp_path / "own.onnx")
    assert model.parity_["max_difference"] < 1e-5
    exported = tabkd.load(tmp_path / "own.onnx")
    said = "predict_proba" if task == "classification" else "predict"
    got, expected = getattr(exported, said)(table[0]), getattr(model, said)(table[0])
    np.testing.assert_allclose(got, expected, atol=1e-4)
    assert exported.metadata["student"] == type(student).__name__


def test_further_outputs_are_declared_in_the_metadata_and_read_by_name(table, tmp_path):
    model = distilled("classification", WithUnits(), table)
    model.to_onnx(tmp_path / "own.onnx")
    exported = tabkd.load(tmp_path / "own.onnx")
    assert exported.metadata["outputs"] == ["label", "probabilities", "units"]
    units = model.student_.encoder_.transform(table[0])
    assert exported.further_outputs_ == {"units": units.shape[1]}
    np.testing.assert_allclose(exported.output(table[0], "units"), units, atol=1e-6)
    assert exported.output(table[0][:0], "units").shape == (0, units.shape[1])
    with pytest.raises(ValueError, match=r"name is 'shap', but the further outputs of '.*own.onnx' are \['units'\]"):
        exported.output(table[0], "shap")


@pytest.mark.parametrize("missing", ["returned", "declared"])
def test_outputs_that_are_not_declared_are_refused(table, missing, monkeypatch):
    if missing == "declared":
        monkeypatch.setattr(WithUnits, "further_outputs", Student.further_outputs)
    else:
        monkeypatch.setattr(WithUnits, "write_onnx", RidgeStudent.write_onnx)
    with pytest.raises(TypeError, match=r"write_onnx of WithUnits returned .* named tuple with the fields \['targets'"):
        distilled("classification", WithUnits(), table).to_onnx()


def test_a_graph_that_says_something_else_does_not_pass_the_gate(table, tmp_path):
    class Off(RidgeStudent):
        def predict_codes(self, codes):
            return super().predict_codes(codes) * [[1.0, 1.2, 0.9]]

    with pytest.raises(ParityError, match="does not reproduce the student Off, so nothing was written"):
        distilled("classification", Off(), table).to_onnx(tmp_path / "off.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_student_without_a_graph_or_an_encoder_says_what_is_missing():
    X, y = pd.DataFrame({"a": np.arange(50.0)}), np.arange(50) % 2
    model = DistilledClassifier(RandomForestClassifier(2), student=Alone(), n_synthetic=0).fit(X, y)
    with pytest.raises(NotImplementedError, match="student Alone cannot be written as ONNX: it has no encoder_"):
        model.to_onnx()
    model.student_.encoder_ = TableEncoder(random_state=0).fit(X, y)
    with pytest.raises(NotImplementedError, match=r"it defines no write_onnx\(graph, inputs\)"):
        model.to_onnx()


def test_a_student_without_a_way_to_learn_cannot_be_made():
    class Empty(Student):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Empty()
