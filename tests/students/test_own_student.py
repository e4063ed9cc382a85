"""Students that are written outside of the package."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.tree import DecisionTreeRegressor

import tabkd
from tabkd import DistilledClassifier, DistilledRegressor
from tabkd.onnx import Front, ParityError
from tabkd.students import Student, TableEncoder, Tensors, to_float32
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
    assert exported.metadata["further_outputs"] == ["units"]
    units = model.student_.encoder_.transform(table[0])
    assert exported.further_outputs_ == {"units": units.shape[1]}
    np.testing.assert_allclose(exported.output(table[0], "units"), units, atol=1e-6)
    assert exported.output(table[0][:0], "units").shape == (0, units.shape[1])
    with pytest.raises(ValueError, match=r"name is 'shap', but the further outputs of '.*own.onnx' are \['units'\]"):
        exported.output(table[0], "shap")


def test_an_encoder_may_be_written_twice(table, tmp_path):
    class Twice(WithUnits):
        def write_onnx(self, graph, inputs):
            return Both(super().write_onnx(graph, inputs).targets, self.encoder_.write_onnx(graph, inputs))

    model = distilled("classification", Twice(), table)
    model.to_onnx(tmp_path / "own.onnx")
    units = model.student_.encoder_.transform(table[0])
    np.testing.assert_allclose(tabkd.load(tmp_path / "own.onnx").output(table[0], "units"), units, atol=1e-6)


def test_an_output_may_read_a_part_of_what_the_targets_read(table, tmp_path):
    class OfNumbers(WithUnits):
        def further_outputs(self):
            return {"units": len(self.encoder_.front().positions)}

        def write_onnx(self, graph, inputs):
            front = self.encoder_.front()
            return Both(super().write_onnx(graph, inputs).targets, inputs.values(front.positions, front.centers))

    distilled("regression", OfNumbers(), table).to_onnx(tmp_path / "own.onnx")
    assert tabkd.load(tmp_path / "own.onnx").output(table[0], "units").shape[0] == len(table[0])


def test_an_output_of_columns_that_the_student_does_not_name_is_refused(table, tmp_path):
    class Beside(WithUnits):
        def further_outputs(self):
            return {"units": 1}

        def write_onnx(self, graph, inputs):
            return Both(super().write_onnx(graph, inputs).targets, inputs.values([0], [0.25]))

    with pytest.raises(ValueError, match="The graph of student Beside cannot be scored"):
        distilled("regression", Beside(), table).to_onnx(tmp_path / "own.onnx")
    assert list(tmp_path.iterdir()) == []


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


class Variant(RidgeStudent):
    """A ridge regression of which one method is replaced."""

    def __init__(self, predicts=None, writes=None, declares=None):
        super().__init__()
        self.predicts = predicts
        self.writes = writes
        self.declares = declares

    def predict_codes(self, codes):
        targets = super().predict_codes(codes)
        return targets if self.predicts is None else self.predicts(targets)

    def further_outputs(self):
        return {} if self.declares is None else self.declares

    def write_onnx(self, graph, inputs):
        tensors = super().write_onnx(graph, inputs)
        return tensors if self.writes is None else self.writes(graph, tensors.targets)


def first_missing(targets):
    return np.where(np.arange(len(targets))[:, None] == 0, np.nan, targets)


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize(
    ("predicts", "message"),
    [
        (
            lambda targets: targets[:, 0],
            r"predicted targets of shape \(400,\) for 400 rows, but \(400, [13]\) is expect",
        ),
        (np.transpose, r"predicted targets of shape \([13], 400\)"),
        (lambda targets: np.hstack([targets, targets]), r"predicted targets of shape \(400, [26]\)"),
        (lambda targets: None, r"predicted targets of shape \(\) for 400 rows"),
        (first_missing, "student Variant predicted nan for target 0 of row 0.*finite number for every row"),
    ],
)
def test_predictions_that_are_no_targets_are_refused_at_fit(task, predicts, message, table):
    with pytest.raises(ValueError, match=message):
        distilled(task, Variant(predicts), table)


@pytest.mark.parametrize("predicts", [np.float32, np.ndarray.tolist, pd.DataFrame])
def test_predictions_of_any_container_are_float64(predicts, table):
    model = distilled("regression", Variant(predicts), table)
    assert model.predict(table[0]).dtype == model.student_.predict(table[0]).dtype == np.float64
    model.to_onnx()


@pytest.mark.parametrize(
    ("writes", "message"),
    [
        (lambda graph, t: Tensors(graph.concat([t, t])), r"gives \(6,\) scores .* tensors targets: FLOAT \(n, 3\)"),
        (lambda graph, t: Tensors(graph.double(t)), r"cannot be scored: .*double.* tensors targets: FLOAT \(n, 3\)"),
        (lambda graph, t: Tensors(graph.node("Elu", [t])), r"has the operators \['Elu'\], which tabkd.load .*Abs, Add"),
    ],
)
def test_a_graph_that_cannot_be_scored_says_what_was_expected(writes, message, table, tmp_path):
    with pytest.raises(ValueError, match=message):
        distilled("classification", Variant(writes=writes), table).to_onnx(tmp_path / "own.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("returned", [lambda graph, t: t, lambda graph, t: (t,), lambda graph, t: Tensors(None)])
def test_what_is_no_named_tuple_of_tensors_is_refused(returned, table):
    with pytest.raises(TypeError, match=r"write_onnx of Variant returned .*fields \['targets'\].*the name of a tensor"):
        distilled("regression", Variant(writes=returned), table).to_onnx()


@pytest.mark.parametrize("name", ["label", "probabilities", "variable", "X", "targets", "", "two words", "class", "_a"])
def test_names_that_no_further_output_can_have_are_refused(name, table):
    with pytest.raises(ValueError, match=f"further_outputs of Variant declares '{name}', but a name has to be"):
        distilled("classification", Variant(declares={name: 3}), table).to_onnx()


@pytest.mark.parametrize(
    ("width", "message"), [(0, "declares 0 columns for 'twice'"), (5, r"'twice' in shape .*5 col")]
)
def test_widths_other_than_those_of_the_graph_are_refused(width, message, table):
    class Twice(NamedTuple):
        targets: str
        twice: str

    student = Variant(writes=lambda graph, t: Twice(t, graph.concat([t, t])), declares={"twice": width})
    with pytest.raises(ValueError, match=message):
        distilled("classification", student, table).to_onnx()


class FarRidge(RidgeStudent):
    """It learns standard deviations of the target, as the example of `Student` does."""

    def _fit_rows(self, real, synthetic):
        standard = (real.targets - self.target_mean_) / self.target_scale_
        super()._fit_rows(type(real)(real.codes, standard, real.weights), synthetic)

    def predict_codes(self, codes):
        return super().predict_codes(codes) * self.target_scale_ + self.target_mean_

    def write_onnx(self, graph, inputs):
        return Tensors(self.write_values(graph, super().write_onnx(graph, inputs).targets))


def test_targets_far_from_zero_keep_their_digits_by_write_values(table, tmp_path):
    X, signal = table
    far = (X, (signal - signal.mean()) / signal.std() + 1e6)
    model = distilled("regression", FarRidge(), far)
    assert len(np.unique(model.predict(X))) > 300
    model.to_onnx(tmp_path / "far.onnx")
    np.testing.assert_allclose(tabkd.load(tmp_path / "far.onnx").predict(X), model.predict(X), rtol=0, atol=1e-5)
    with pytest.raises(ParityError, match="If the targets are far from zero, use write_values"):
        distilled("regression", RidgeStudent(), far).to_onnx()


class Converted(RidgeStudent):
    """A tree of scikit-learn on the units of the table, written by skl2onnx."""

    def _fit_rows(self, real, synthetic):
        super()._fit_rows(real, synthetic)
        units = self.encoder_.transform_codes(real.codes)
        self.tree_ = DecisionTreeRegressor(max_depth=4, random_state=0).fit(units, real.targets)

    def predict_codes(self, codes):
        return self.tree_.predict(self.encoder_.transform_codes(codes)).reshape(len(codes), -1)

    def write_onnx(self, graph, inputs):
        units = graph.variable(self.encoder_.write_onnx(graph, inputs), self.encoder_.n_features_out_)
        return Tensors(graph.convert(self.tree_, [units])[0])


class TwoNumbers(Student):
    """A linear regression on two columns as they are, without an encoder."""

    answers_any_row = False  # far numbers have no end

    def _fit_rows(self, real, synthetic):
        self.columns_ = self.schema_.positions("numeric")[:2]
        self.linear_ = LinearRegression().fit(self._numbers(real.codes), real.targets)

    def _numbers(self, codes):
        return np.nan_to_num(to_float32(codes[:, self.columns_], np.zeros(2))).astype(float)

    def predict_codes(self, codes):
        return self.linear_.predict(self._numbers(codes)).reshape(len(codes), -1)

    def front(self):
        return Front(self.columns_, np.zeros(2), [])

    def edges(self):
        return []

    def write_onnx(self, graph, inputs):
        numbers = inputs.values(self.columns_, np.zeros(2))
        numbers = graph.node("Where", [graph.node("IsNaN", [numbers]), graph.zeros(numbers, 2), numbers])
        weights = self.linear_.coef_.reshape(self.n_outputs_, 2).T
        return Tensors(graph.gemm(numbers, weights, self.linear_.intercept_))


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("student", [Converted(), TwoNumbers()], ids=lambda s: type(s).__name__)
def test_parts_of_scikit_learn_and_columns_as_they_are_can_be_read(task, student, table):
    model = distilled(task, student, table)
    model.to_onnx()
    assert model.parity_["max_difference"] < 1e-5
