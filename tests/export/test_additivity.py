"""Contributions in the graph, and the gate that proves them before a file is written."""

import json

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from tabkd import DistilledClassifier, DistilledRegressor, ExportedStudent
from tabkd.onnx import ParityError
from tabkd.scoring import _wire as wire
from tabkd.students import STUDENTS, TreeStudent
from tests.export.hard import FAST, classifier, fast_students, feeds_of, mixed_table, run, teacher


def distilled(name, task, X, signal, **params):
    student = fast_students()[name] if isinstance(name, str) else name
    if task == "regression":
        y = np.column_stack([signal, 1e6 + signal**2])
        return DistilledRegressor(teacher(RandomForestRegressor), student=student, **FAST).fit(X, y)
    y = np.digitize(signal, np.quantile(signal, [0.5] if task == "binary" else [0.4, 0.8]))
    return DistilledClassifier(teacher(RandomForestClassifier), student=student, **FAST, **params).fit(X, y)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("name", STUDENTS)
def test_the_graph_gives_contributions_that_add_up(name, task, tmp_path):
    X, signal = mixed_table()
    model = distilled(name, task, X, signal)
    plain = model.to_onnx().SerializeToString()
    assert "additivity" not in model.parity_
    proto = model.to_onnx(tmp_path / "model.onnx", contributions=True)
    assert model.parity_["additivity"] < 1e-4
    assert model.to_onnx().SerializeToString() == plain
    numbers = X.assign(flag=X["flag"].astype(float))
    feeds = {
        entry.name: _feed(numbers.iloc[:, i], entry.type.tensor_type.elem_type)
        for i, entry in enumerate(proto.graph.input)
    }
    got = run(proto, feeds)["contributions"]
    expected = model.contributions(X).values
    assert got.shape == ((len(X), 11) if task == "binary" else (len(X), {"multiclass": 3, "regression": 2}[task], 11))
    got = got if task == "binary" else np.moveaxis(got, 1, 2)
    np.testing.assert_allclose(got, expected, atol=1e-3 * expected.std() + 1e-9)
    facts = ExportedStudent(proto.SerializeToString()).metadata
    np.testing.assert_allclose(facts["contributions"]["baseline"], model._base_values())


def _feed(series, kind):
    if kind == 8:
        return series.astype(object).where(series.notna(), None).to_numpy(object)[:, None]
    return series.to_numpy(np.float32 if kind == 1 else np.float64, na_value=np.nan)[:, None]


@pytest.mark.parametrize("name", STUDENTS)
def test_scores_come_from_the_same_nodes_as_without_contributions(name, numbers):
    model = classifier(name).fit(*numbers)
    without = ExportedStudent(model.to_onnx().SerializeToString())
    explained = ExportedStudent(model.to_onnx(contributions=True).SerializeToString())
    graphs = [exported._graph.cut("probabilities") for exported in (without, explained)]
    assert [node.type for node in wire.nodes(graphs[0])] == [node.type for node in wire.nodes(graphs[1])]
    assert abs(len(graphs[0]) - len(graphs[1])) < len(json.dumps(explained.metadata["contributions"])) + 200
    X = numbers[0]
    np.testing.assert_array_equal(without.predict_proba(X), explained.predict_proba(X))
    assert without._graph.block_rows["probabilities"] == explained._graph.block_rows["probabilities"]


def test_a_matrix_of_numbers_is_explained_in_any_batch(numbers):
    X, y = numbers
    model = classifier("mlp").fit(X, y)
    proto = model.to_onnx(contributions=True)
    whole = run(proto, feeds_of(proto, X))["contributions"]
    one = np.vstack([run(proto, feeds_of(proto, X[i : i + 1]))["contributions"] for i in range(20)])
    np.testing.assert_allclose(one, whole[:20], atol=1e-5)


class Louder(TreeStudent):
    """A tree whose graph gives contributions that are too large."""

    def write_contributions(self, graph, inputs):
        return graph.node("Mul", [super().write_contributions(graph, inputs), graph.float32(1.01)])


class Biased(TreeStudent):
    """A tree whose contributions do not add up, in Python and in the graph."""

    def base_values(self):
        return super().base_values() + 0.5


class Swapped(TreeStudent):
    """A tree whose graph gives each contribution to another column."""

    def write_contributions(self, graph, inputs):
        return graph.columns(super().write_contributions(graph, inputs), np.arange(11)[::-1])


class Halved(TreeStudent):
    """A tree that explains something else than it predicts."""

    def raw_scores(self, codes):
        return super().raw_scores(codes) / 2

    def explain_codes(self, codes):
        return super().explain_codes(codes) / 2

    def write_contributions(self, graph, inputs):
        return graph.node("Mul", [super().write_contributions(graph, inputs), graph.float32(0.5)])


@pytest.mark.parametrize(
    ("student", "message"),
    [
        (Louder, r"the baseline -?[\d.]+ and the contributions add up to -?[\d.]+, but the score is -?[\d.]+"),
        (Biased, r"the baseline .* and the contributions add up to .*, but the score is"),
        (Swapped, r"column '.*' contributes .* in Python, but .* in ONNX"),
        (Halved, r"raw_scores, which contributions add up to, mean that the probability of \d is .* predicts"),
    ],
)
def test_wrong_contributions_do_not_pass_the_gate(student, message, tmp_path):
    X, signal = mixed_table()
    model = distilled(student(min_samples_leaf=5, random_state=0), "binary", X, signal)
    with pytest.raises(ParityError, match=rf"{student.__name__} are wrong, so nothing was written: {message}.*label="):
        model.to_onnx(tmp_path / "model.onnx", contributions=True)
    assert list(tmp_path.iterdir()) == []
    model.to_onnx(tmp_path / "model.onnx")


class Costly(TreeStudent):
    """A tree that is said to take as many numbers for each explanation as thousands of columns do."""

    def values_per_explanation(self):
        return 1 << 24

    def explain_codes(self, codes):
        self.n_explained = len(codes)
        return super().explain_codes(codes)


def test_python_explains_only_some_rows_again_where_that_takes_long():
    X, signal = mixed_table()
    model = distilled(Costly(min_samples_leaf=5, random_state=0), "binary", X, signal)
    model.to_onnx(contributions=True)
    assert model.student_.n_explained == 8 < model.parity_["rows"] / 10


@pytest.mark.parametrize("name", ["mlp", "tree"])
def test_a_table_of_constants_and_one_of_a_single_column_are_explained(name):
    y = np.arange(200) % 3 == 0
    constant = classifier(name).fit(np.zeros((200, 2)), y)
    proto = constant.to_onnx(contributions=True)
    assert not ExportedStudent(proto.SerializeToString()).contributions(np.zeros((2, 2))).values.any()
    single = classifier(name).fit(np.arange(200.0)[:, None], y)
    single.to_onnx(contributions=True)
    assert single.parity_["additivity"] < 1e-4


def test_an_own_student_can_explain_itself(tmp_path):
    X, signal = mixed_table()

    class Own(TreeStudent):
        pass

    model = distilled(Own(min_samples_leaf=5), "binary", X, signal)
    model.to_onnx(tmp_path / "model.onnx", contributions=True)
    assert model.parity_["additivity"] < 1e-4
