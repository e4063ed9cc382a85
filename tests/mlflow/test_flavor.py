"""Students in MLflow's own hands: what is stored, its signature, and what `python_function` answers."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.tree import DecisionTreeRegressor

import tabkd.mlflow
from tabkd import DistilledClassifier, DistilledRegressor, ExportedStudent, __version__, load
from tests.small_tables import mixed_frame, numeric_frame, targets

mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")

# MLflow imports its parts when they are used, and they warn then.
pytestmark = pytest.mark.filterwarnings("default")

ROWS, MORE = mixed_frame(400), mixed_frame(60, seed=1)


def fitted(estimator, X, y):
    return estimator.set_params(student="tree", n_synthetic=300, random_state=0).fit(X, y)


@pytest.fixture(scope="module")
def model():
    return fitted(DistilledClassifier(), ROWS, targets(ROWS, "binary"))


@pytest.fixture(scope="module")
def student(model):
    return ExportedStudent(model.to_onnx().SerializeToString())


@pytest.fixture
def saved(tmp_path):
    """Save a model, and load it as `python_function`."""

    def save(model, **options):
        tabkd.mlflow.save_model(model, tmp_path / "model", **options)
        return mlflow.pyfunc.load_model(str(tmp_path / "model"))

    return save


def specs(schema):
    return [(spec.name, spec.to_dict()["type"], spec.required) for spec in schema.inputs]


def test_the_folder_holds_the_file_and_what_a_scoring_host_installs(student, tmp_path):
    tabkd.mlflow.save_model(student, tmp_path / "model", input_example=MORE[:2], metadata={"team": "risk"})
    folder = tmp_path / "model"
    assert (folder / "data" / "student.onnx").read_bytes() == student.content
    assert not list(folder.rglob("*.pkl"))
    packages = (folder / "requirements.txt").read_text().split()
    assert [package.partition("==")[0] for package in packages] == ["mlflow", "tabkd-core", "onnxruntime"]
    assert f"tabkd-core=={__version__}" in packages
    described = yaml.safe_load((folder / "MLmodel").read_text())
    assert described["flavors"]["tabkd"] == {"tabkd_version": __version__, "data": "data/student.onnx"}
    assert described["metadata"] == {"team": "risk"}
    assert json.loads((folder / "input_example.json").read_text())["columns"] == list(MORE)


def test_requirements_can_be_added_and_replaced(student, tmp_path):
    options = ({"extra_pip_requirements": ["polars"]}, {"pip_requirements": ["tabkd-core"]})
    found = []
    for k, option in enumerate(options):
        tabkd.mlflow.save_model(student, tmp_path / str(k), **option)
        lines = (tmp_path / str(k) / "requirements.txt").read_text().split()
        found.append([line.partition("==")[0] for line in lines])
    assert found == [["mlflow", "tabkd-core", "onnxruntime", "polars"], ["mlflow", "tabkd-core"]]


def test_the_signature_names_columns_types_and_which_may_be_missing(student, saved):
    signature = saved(student, pyfunc_predict_fn="predict_proba").metadata.signature
    assert specs(signature.inputs) == [
        ("amount", "double", False),
        ("visits", "any", True),
        ("online", "any", True),
        ("age", "any", False),
        ("member", "any", False),
        ("country", "any", False),
        ("grade", "any", True),
        ("shop", "string", False),
    ]
    assert specs(signature.outputs) == [("probability_no", "double", True), ("probability_yes", "double", True)]


def test_labels_are_the_default_answer(student, saved):
    loaded = saved(student)
    assert specs(loaded.metadata.signature.outputs) == [(None, "string", True)]
    np.testing.assert_array_equal(loaded.predict(MORE), student.predict(MORE))
    assert loaded.get_raw_model().content == student.content


def test_probabilities_have_the_names_of_classes_and_the_rows_of_the_table(student, saved):
    found = saved(student, pyfunc_predict_fn="predict_proba").predict(MORE[::-1])
    assert list(found) == ["probability_no", "probability_yes"]
    np.testing.assert_array_equal(found.sort_index(), student.predict_proba(MORE))


def test_columns_with_missing_values_at_fit_may_be_left_out(student, saved):
    optional = ["amount", "age", "member", "country", "shop"]
    loaded = saved(student, pyfunc_predict_fn="predict_proba")
    expected = student.predict_proba(MORE.assign(**dict.fromkeys(optional)))
    np.testing.assert_array_equal(loaded.predict(MORE.drop(columns=optional)), expected)
    with pytest.raises(mlflow.MlflowException, match=r"missing inputs \['visits'\]"):
        loaded.predict(MORE.drop(columns="visits"))


def test_whole_numbers_and_booleans_may_miss_at_scoring_alone(student, saved):
    rows = MORE.assign(
        visits=MORE["visits"].where(MORE["visits"] > 5), online=MORE["online"].astype(object).where(MORE["visits"] > 9)
    )
    found = saved(student, pyfunc_predict_fn="predict_proba").predict(rows)
    np.testing.assert_array_equal(found, student.predict_proba(rows))
    assert not np.array_equal(found, student.predict_proba(MORE))


def test_a_value_that_cannot_be_read_is_an_error_of_mlflow_with_its_column(student, saved):
    with pytest.raises(mlflow.MlflowException, match="Column 'visits' was numeric at fit, but has dtype str now"):
        saved(student).predict(MORE.assign(visits="three"))


@pytest.mark.parametrize(
    ("task", "predict_fn", "outputs"),
    [
        ("multiclass", "predict", [(None, "long")]),
        (
            "multiclass",
            "predict_proba",
            [("probability_3", "double"), ("probability_5", "double"), ("probability_7", "double")],
        ),
        ("regression", "predict", [(None, "double")]),
        ("pairs", "predict", [("prediction_0", "double"), ("prediction_1", "double")]),
    ],
)
def test_each_task_answers_like_the_model(saved, task, predict_fn, outputs):
    estimator = (
        DistilledClassifier() if task == "multiclass" else DistilledRegressor(DecisionTreeRegressor(max_depth=4))
    )
    X = numeric_frame(300)
    model = fitted(estimator, X, targets(X, task))
    loaded = saved(model, pyfunc_predict_fn=predict_fn)
    assert [(name, kind) for name, kind, _ in specs(loaded.metadata.signature.outputs)] == outputs
    np.testing.assert_allclose(loaded.predict(X), getattr(model, predict_fn)(X), atol=1e-5)


def test_boolean_labels_are_boolean(saved):
    X = numeric_frame(300)
    loaded = saved(fitted(DistilledClassifier(), X, X["amount"].to_numpy() > 7))
    assert specs(loaded.metadata.signature.outputs) == [(None, "boolean", True)]
    assert loaded.predict(X).dtype == bool


@pytest.mark.parametrize("make", [lambda frame: frame.to_numpy(float), lambda frame: frame.set_axis(range(4), axis=1)])
def test_columns_without_names_go_by_position(saved, make):
    X = make(numeric_frame(300))
    model = fitted(DistilledRegressor(DecisionTreeRegressor(max_depth=4)), X, targets(numeric_frame(300), "regression"))
    np.testing.assert_allclose(saved(model, input_example=X[:2]).predict(X), model.predict(X), atol=1e-5)


def test_a_student_of_an_array_scores_frames_with_any_names(saved):
    X = numeric_frame(300).astype(float)
    regressor = DistilledRegressor(DecisionTreeRegressor(max_depth=4))
    model = fitted(regressor, X.to_numpy(), targets(X, "regression"))
    np.testing.assert_allclose(saved(model).predict(X), model.predict(X.to_numpy()), atol=1e-5)


def test_names_that_mlflow_takes_for_positions_are_refused(tmp_path):
    X = numeric_frame(300).set_axis([2, 0, 1, 3], axis=1)
    model = fitted(DistilledRegressor(DecisionTreeRegressor(max_depth=4)), X, targets(numeric_frame(300), "regression"))
    with pytest.raises(ValueError, match="The model has a column named 2, which MLflow takes for a position"):
        tabkd.mlflow.save_model(model, tmp_path / "model")


def test_an_mlflow_that_mixes_up_rows_is_refused(student, saved, tmp_path, monkeypatch):
    saved(student)
    monkeypatch.setattr(mlflow, "__version__", "3.16.1")
    for use in (mlflow.pyfunc.load_model, lambda path: tabkd.mlflow.save_model(student, path)):
        with pytest.raises(ImportError, match=r"MLflow 3\.16\.1 mixes up the rows .* `pip install 'mlflow>=3\.17'`"):
            use(str(tmp_path / "model"))


def test_a_file_a_student_and_a_model_are_the_same_student(model, student, tmp_path):
    model.to_onnx(tmp_path / "student.onnx")
    for k, given in enumerate([tmp_path / "student.onnx", str(tmp_path / "student.onnx"), student, model]):
        tabkd.mlflow.save_model(given, tmp_path / str(k))
        loaded = tabkd.mlflow.load_model(str(tmp_path / str(k)), n_jobs=1)
        assert (loaded.content, loaded.n_jobs) == (student.content, 1)


def test_contributions_travel_with_the_file(model, tmp_path):
    model.to_onnx(tmp_path / "student.onnx", contributions=True)
    tabkd.mlflow.save_model(tmp_path / "student.onnx", tmp_path / "model")
    found = tabkd.mlflow.load_model(str(tmp_path / "model")).contributions(MORE)
    np.testing.assert_array_equal(found.values, load(tmp_path / "student.onnx").contributions(MORE).values)


def test_what_cannot_be_saved_is_refused(student, tmp_path):
    regressor = fitted(DistilledRegressor(), numeric_frame(300), targets(numeric_frame(300), "regression"))
    wrong = [
        (pd.DataFrame(), {}, TypeError, "model is of type DataFrame; give a fitted model of tabkd"),
        (
            student,
            {"pyfunc_predict_fn": "score"},
            ValueError,
            "pyfunc_predict_fn='score' is not one of predict, predict_proba",
        ),
        (
            regressor,
            {"pyfunc_predict_fn": "predict_proba"},
            ValueError,
            "a regressor has no probabilities; give 'predict'",
        ),
    ]
    for model, options, kind, message in wrong:
        with pytest.raises(kind, match=message):
            tabkd.mlflow.save_model(model, tmp_path / "model", **options)
    assert not (tmp_path / "model").exists()


def test_a_model_of_another_flavor_is_refused(tmp_path):
    mlflow.models.Model(flavors={"sklearn": {}}).save(tmp_path / "MLmodel")
    with pytest.raises(ValueError, match=r"has the flavors \['sklearn'\], but not 'tabkd'"):
        tabkd.mlflow.load_model(str(tmp_path))


def test_a_logged_model_is_registered_and_found_again(student, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    with mlflow.start_run() as run:
        info = tabkd.mlflow.log_model(student, name="student", registered_model_name="fraud", tags={"team": "risk"})
    assert set(info.flavors) == {"tabkd", "python_function"}
    assert mlflow.get_logged_model(info.model_id).source_run_id == run.info.run_id
    for uri in (info.model_uri, "models:/fraud/1", f"runs:/{run.info.run_id}/student"):
        assert tabkd.mlflow.load_model(uri).content == student.content
