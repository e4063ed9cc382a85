"""AutoGluon itself as a teacher: its predictor goes in as it is.

AutoGluon needs an environment of its own, see CONTRIBUTING.md; without it these tests are skipped.
"""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

import tabkd
from tabkd import DistilledClassifier, DistilledRegressor
from tabkd.evaluation import evaluate
from tests.small_tables import mixed_frame, signal

TabularPredictor = pytest.importorskip(
    "autogluon.tabular", reason="AutoGluon is not installed; CONTRIBUTING.md says how to run its tests"
).TabularPredictor

# Its own warnings, and those of the libraries below it, are not what is tested.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

N_ROWS, N_TRAIN = 8000, 6000
ENSEMBLE = {"GBM": {}, "CAT": {}, "XGB": {}, "RF": {}}
ONE_MODEL = {"GBM": {"num_boost_round": 20}}


def noisy_signal(X):
    return signal(X) + np.random.default_rng(1).normal(size=len(X))


def of_classes(*labels):
    return lambda X: np.array(labels)[np.digitize(noisy_signal(X), [0.5, 2][: len(labels) - 1])]


def with_a_rare_class(X):
    """Of five rows, which are fewer than AutoGluon's models learn from."""
    y = of_classes("a", "b", "c")(X)
    y[:5] = "d"
    return y


@pytest.fixture
def fitted(tmp_path):
    """Fits a predictor on a table and its target."""

    def fit(X, y, problem_type=None, hyperparameters=ONE_MODEL, time_limit=60, **params):
        predictor = TabularPredictor("label", problem_type, path=str(tmp_path / "predictor"), verbosity=0, **params)
        return predictor.fit(X.assign(label=y), time_limit=time_limit, hyperparameters=hyperparameters, num_gpus=0)

    return fit


@pytest.mark.parametrize(
    ("cls", "target"),
    [
        (DistilledClassifier, of_classes("no", "yes")),
        (DistilledClassifier, with_a_rare_class),
        (DistilledRegressor, noisy_signal),
    ],
    ids=["binary", "multiclass", "regression"],
)
def test_a_student_keeps_the_skill_of_an_ensemble(fitted, tmp_path, cls, target):
    X = mixed_frame(N_ROWS)
    y = target(X)
    predictor = fitted(X[:N_TRAIN], y[:N_TRAIN], hyperparameters=ENSEMBLE)
    predictor.persist()
    model = cls(predictor, random_state=0).fit(X[:N_TRAIN], y[:N_TRAIN])
    assert model.teacher_ is predictor
    model.to_onnx(tmp_path / "student.onnx")
    exported = tabkd.load(tmp_path / "student.onnx")
    report = evaluate(model, X[N_TRAIN:], y[N_TRAIN:], exported=exported)
    print(f"{report.skill_kept:.1%} of the skill kept in {report.n_bytes} bytes of {predictor.disk_usage()}")
    assert report.skill_kept > 0.95
    assert report.n_bytes < 100_000
    if cls is DistilledClassifier:
        assert model.classes_.tolist() == sorted(set(y))
        assert np.mean(exported.predict(X) == model.predict(X)) > 0.999


@pytest.mark.parametrize("labels", [(0, 1), (False, True), (0.0, 1.0), ("0", "1"), (3, 5, 7), ("3", "5", "7")], ids=str)
def test_the_classes_are_those_of_the_users_labels(fitted, labels):
    X = mixed_frame(600)
    y = of_classes(*labels)(X)
    model = DistilledClassifier(fitted(X, y), student="tree", n_synthetic=500, random_state=0).fit(X, y)
    assert model.classes_.tolist() == list(labels)
    assert model.score(X, y) > 0.6


def test_the_positive_class_does_not_change_which_is_which(fitted):
    X = mixed_frame(600)
    y = of_classes("no", "yes")(X)
    predictor = fitted(X, y, learner_kwargs={"positive_class": "no"})
    assert predictor.class_labels == ["yes", "no"]
    model = DistilledClassifier(predictor, student="boosted_trees", n_synthetic=2000, random_state=0).fit(X, y)
    assert model.classes_.tolist() == ["no", "yes"]
    said = predictor.predict_proba(X)["yes"].to_numpy()
    assert np.corrcoef(model.predict_proba(X)[:, 1], said)[0, 1] > 0.9


def test_an_array_has_the_columns_that_the_predictor_was_fitted_on(fitted):
    X = mixed_frame(600)[["amount", "visits"]].assign(constant=1)
    y = of_classes(0, 1)(mixed_frame(600))
    model = DistilledClassifier(fitted(X, y), student="tree", n_synthetic=500, random_state=0)
    assert model.fit(X.to_numpy(), y).score(X.to_numpy(), y) > 0.6
    with pytest.raises(ValueError, match="fitted on 3 columns"):
        model.fit(X.to_numpy()[:, :2], y)


def test_a_predictor_is_shared_by_clones_and_survives_pickling(fitted):
    X = mixed_frame(600)
    y = of_classes(0, 1)(X)
    predictor = fitted(X, y)
    for teacher in (predictor, FrozenEstimator(predictor)):
        model = clone(DistilledClassifier(teacher, student="tree", n_synthetic=500, random_state=0)).fit(X, y)
        assert model.teacher_ is teacher
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(again.fit(X, y).predict(X), model.predict(X))
        assert len(repr(model)) < 400


def test_predictors_that_cannot_teach_say_why(fitted, tmp_path):
    X = mixed_frame(600)
    with pytest.raises(NotFittedError, match="TabularPredictor is not fitted yet"):
        DistilledClassifier(TabularPredictor("label", path=str(tmp_path / "unfitted"))).fit(X, of_classes(0, 1)(X))
    of_values = fitted(X, noisy_signal(X))
    with pytest.raises(TypeError, match="TabularPredictor is a regressor; use DistilledRegressor"):
        DistilledClassifier(of_values).fit(X, of_classes(0, 1)(X))


def test_quantiles_are_refused(fitted):
    X = mixed_frame(600)
    predictor = fitted(X, noisy_signal(X), "quantile", {"RF": {"n_estimators": 5}}, quantile_levels=[0.1, 0.9])
    with pytest.raises(TypeError, match="problem_type 'quantile', which no student learns"):
        DistilledRegressor(predictor).fit(X, noisy_signal(X))
