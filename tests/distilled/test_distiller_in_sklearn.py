"""Distilled estimators as parts of scikit-learn: clones, searches, metadata, weights, seeds."""

import pickle
import sys
import warnings

import joblib
import numpy as np
import pytest
import rich
import rich.console
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor
from xgboost import XGBClassifier

from tabkd import DistilledClassifier
from tabkd._progress import TextLines
from tabkd.augment import Marginal
from tabkd.students import STUDENTS, MLPStudent, TreeStudent
from tabkd.teachers._default import DefaultTeacherClassifier
from tests.distilled.quick import QUICK, QUICK_MLP, Recording, classifier, forest, regressor
from tests.small_tables import mixed_frame, targets

# A part of scikit-learn


def test_clone_copies_every_parameter():
    model = classifier(student=QUICK_MLP, augmenter=Marginal(), cv=3, temperature=2.0, alpha=0.5, verbose=1)
    copied = clone(model)
    assert copied.get_params(deep=False).keys() == model.get_params(deep=False).keys()
    assert repr(copied) == repr(model)
    assert copied.student is not model.student


def test_fit_changes_no_parameter(X, y):
    model = classifier(student="tree", teacher=None, n_synthetic=50)
    before = repr(model), repr(model.get_params())
    model.fit(X, y)
    assert (repr(model), repr(model.get_params())) == before


@pytest.mark.parametrize("student", QUICK)
def test_pickle_and_joblib_keep_predictions(student, tmp_path):
    X = mixed_frame(200)
    model = DistilledClassifier(student=QUICK[student], n_synthetic=200, random_state=0).fit(
        X, targets(X, "multiclass")
    )
    expected = model.predict_proba(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), expected)
    joblib.dump(model, tmp_path / "model.joblib")
    np.testing.assert_array_equal(joblib.load(tmp_path / "model.joblib").predict_proba(X), expected)


def test_a_grid_search_reaches_into_students_by_name(X, y):
    search = GridSearchCV(
        DistilledClassifier(forest(), n_synthetic=0, random_state=0),
        {"student__hidden_layer_sizes": [(4,), (6, 4)], "student__max_iter": [2], "student__n_knots": [8]},
        cv=2,
    ).fit(X, y)
    assert search.best_params_["student__hidden_layer_sizes"] in [(4,), (6, 4)]
    assert isinstance(search.best_estimator_.student, MLPStudent)
    assert len(search.best_estimator_.student_.coefs_[0]) > 1


def test_parameters_behind_names_can_be_set():
    model = DistilledClassifier(augmenter="munge")
    model.set_params(student="tree", student__max_depth=2, augmenter__p=0.2, teacher__n_estimators=7)
    assert isinstance(model.student, TreeStudent)
    assert (model.student.max_depth, model.augmenter.p, model.teacher.n_estimators) == (2, 0.2, 7)
    with pytest.raises(ValueError, match="Invalid parameter 'depth'"):
        model.set_params(student__depth=3)


def test_setting_a_parameter_of_a_name_keeps_the_defaults_of_n_jobs():
    model = DistilledClassifier(n_jobs=3).set_params(student__max_iter=3)
    assert model.student.n_jobs == 3


def test_parameters_behind_names_are_listed_as_they_would_be_used():
    model = DistilledClassifier(n_jobs=3)
    params = model.get_params()
    for name, part in {"student": MLPStudent(n_jobs=3), "teacher": DefaultTeacherClassifier(n_jobs=3)}.items():
        listed = {k.removeprefix(f"{name}__"): v for k, v in params.items() if k.startswith(f"{name}__")}
        assert listed == part.get_params()
    assert "augmenter__n_jobs" in params
    assert params["student"] == "mlp"
    assert "student__max_leaf_nodes" in DistilledClassifier(student="tree").get_params()
    assert "teacher__n_estimators" not in DistilledClassifier(FrozenEstimator(forest())).get_params()
    assert not [name for name in model.get_params(deep=False) if "__" in name]


@pytest.mark.parametrize("params", [{}, {"student": "tree", "n_jobs": 2}, {"student": QUICK_MLP, "augmenter": None}])
def test_parameters_that_are_set_to_what_they_are_change_nothing(params):
    model = DistilledClassifier(**params)
    before = repr(model)
    assert repr(model.set_params(**model.get_params())) == before
    other = DistilledClassifier().set_params(**model.get_params())
    assert (repr(other), repr(other.get_params())) == (before, repr(model.get_params()))
    assert repr(clone(model)) == before


def test_a_parameter_of_a_name_that_does_not_exist_leaves_the_name():
    model = DistilledClassifier()
    with pytest.raises(ValueError, match="Invalid parameter 'depth'"):
        model.set_params(student__depth=3)
    assert model.student == "mlp"


def test_cross_validation_pipelines_and_calibration(X, y):
    assert cross_val_score(classifier(), X, y, cv=3).mean() > 0.6
    pipeline = make_pipeline(StandardScaler(), classifier()).fit(X, y)
    assert pipeline.score(X, y) > 0.8
    calibrated = CalibratedClassifierCV(classifier(), cv=2).fit(X, y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)
    assert calibrated.score(X, y) > 0.8
    assert cross_val_score(regressor(), X, targets(X, "multioutput"), cv=2).mean() > 0.4


def test_pandas_output_of_a_pipeline_is_matched_by_name(X, y):
    scaler = StandardScaler().set_output(transform="pandas")
    pipeline = make_pipeline(scaler, classifier()).fit(X, y)
    assert pipeline[-1].feature_names_in_.tolist() == X.columns.tolist()
    assert pipeline.score(X[X.columns], y) > 0.8


def test_names_and_numbers_of_features_are_learnt(X, y):
    model = classifier().fit(X, y)
    assert model.n_features_in_ == X.shape[1]
    assert model.feature_names_in_.tolist() == X.columns.tolist()
    assert model.student_.feature_names_in_.tolist() == X.columns.tolist()
    model.fit(X.to_numpy(dtype=float), y)
    assert not hasattr(model, "feature_names_in_")


# Metadata routing


def test_routed_weights_reach_the_teacher(routing, X, y):
    weights = np.where(y == "yes", 5.0, 1.0)
    teacher = Recording().set_fit_request(sample_weight=True)
    classifier(teacher, cv=None).set_fit_request(sample_weight=True).fit(X, y, sample_weight=weights)
    np.testing.assert_array_equal(Recording.fits[-1][1], weights)


def test_weights_that_a_teacher_does_not_ask_for_stay_with_the_student(routing, X, y):
    teacher = Recording().set_fit_request(sample_weight=False)
    classifier(teacher).set_fit_request(sample_weight=True).fit(X, y, sample_weight=np.ones(300))
    assert Recording.fits[-1][1] is None


def test_weights_that_nobody_decided_on_are_refused(routing, X, y):
    with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
        classifier(Recording()).fit(X, y, sample_weight=np.ones(300))


def test_weights_are_routed_through_cross_validation(routing, X, y):
    teacher = forest().set_fit_request(sample_weight=True)
    model = classifier(teacher).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    assert cross_val_score(model, X, y, cv=2, params={"sample_weight": np.ones(300)}).mean() > 0.6


@pytest.mark.parametrize("cv", [None, 2])
def test_weights_are_routed_through_a_teacher_that_is_a_pipeline(routing, X, y, cv):
    first = StandardScaler().set_fit_request(sample_weight=False)
    last = DummyClassifier().set_fit_request(sample_weight=True)
    model = classifier(make_pipeline(first, last), cv=cv).set_fit_request(sample_weight=True)
    weights = np.where(y == "yes", 1.0, 1e-6)
    assert (model.fit(X, y, sample_weight=weights).predict(X) == "yes").all()


@pytest.mark.parametrize("teacher", [DummyClassifier(), XGBClassifier(n_estimators=2, n_jobs=1)])
def test_routed_weights_reach_out_of_fold_teachers(routing, X, y, teacher):
    teacher = clone(teacher).set_fit_request(sample_weight=True)
    weights = np.where(y == "yes", 1.0, 1e-6)
    model = classifier(teacher, cv=2, n_synthetic=0).set_fit_request(sample_weight=True)
    assert (model.fit(X, y, sample_weight=weights).predict(X) == "yes").all()


def test_other_metadata_goes_to_the_teacher(routing, X, y):
    class Told(Recording):
        def fit(self, X, y, sample_weight=None, hint=None):
            self.hint_ = hint
            return super().fit(X, y, sample_weight)

    model = classifier(Told().set_fit_request(hint=True)).fit(X, y, hint=7)
    assert model.teacher_.hint_ == 7


def test_other_metadata_without_routing_is_refused(X, y):
    with pytest.raises(TypeError, match=r"fit got \['hint'\].*enable_metadata_routing"):
        classifier().fit(X, y, hint=7)


# Sample weights


def test_weights_reach_the_teacher(X, y, fits):
    weights = np.random.default_rng(0).uniform(size=300)
    classifier(Recording(), cv=None).fit(X, y, weights)
    np.testing.assert_array_equal(fits[-1][1], weights)
    classifier(Recording(), cv=None).fit(X, y)
    assert fits[-1][1] is None


@pytest.mark.parametrize(
    "student", [*QUICK.values(), DecisionTreeRegressor(max_depth=4)], ids=lambda s: type(s).__name__
)
def test_weights_reach_the_student(X, y, student):
    """Rows of no weight have the other label: a frozen teacher that says so leaves all to the weights."""

    class Contrary:
        classes_ = np.array(["no", "yes"])

        def predict_proba(self, X):
            return np.full((len(X), 2), 0.5)

    labels = np.where(np.arange(300) % 2, "yes", "no")
    weights = np.where(labels == "yes", 1.0, 0.0)
    student = clone(student).set_params(random_state=0)
    if isinstance(student, MLPStudent):
        student.set_params(max_iter=60)
    model = classifier(Contrary(), student=student, alpha=0.0, n_synthetic=0).fit(X, labels, weights)
    assert model.predict_proba(X)[:, 1].mean() > 0.9


def test_weights_reach_the_last_step_of_a_pipeline(X, y):
    weights = np.where(y == "yes", 1.0, 1e-6)
    for last in (DummyClassifier(), XGBClassifier(n_estimators=2, n_jobs=1)):
        model = classifier(make_pipeline(StandardScaler(), last)).fit(X, y, weights)
        assert (model.predict(X) == "yes").all()


@pytest.mark.parametrize("wrap", [lambda t: t, lambda t: make_pipeline(StandardScaler(), t)], ids=["alone", "pipeline"])
def test_weights_reach_out_of_fold_teachers(X, y, wrap):
    weights = np.where(y == "yes", 1.0, 1e-6)
    teacher = wrap(DummyClassifier())
    model = classifier(teacher, cv=2, n_synthetic=0).fit(X, y, weights)
    assert (model.predict(X) == "yes").all()


def test_a_teacher_that_takes_no_weights_is_refused_them(X, y):
    with pytest.raises(ValueError, match="fit of KNeighborsClassifier does not take it"):
        classifier(KNeighborsClassifier()).fit(X, y, np.ones(300))
    fitted = FrozenEstimator(KNeighborsClassifier().fit(X, y))
    assert classifier(fitted).fit(X, y, np.ones(300)).score(X, y) > 0.7


def test_a_student_that_takes_no_weights_is_refused_them(X, y):
    assert classifier(student=KNeighborsRegressor(5)).fit(X, y).score(X, y) > 0.7
    with pytest.raises(ValueError, match="fit of KNeighborsRegressor does not take it"):
        classifier(student=KNeighborsRegressor(5)).fit(X, y, np.arange(300.0))


def test_negative_weights_are_refused(X, y):
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        classifier().fit(X, y, np.full(300, -1.0))


# Random states


@pytest.mark.parametrize("student", STUDENTS)
def test_the_same_seed_gives_the_same_student(student):
    X = mixed_frame(200)
    y = targets(X, "binary")

    def predictions(seed):
        student_ = clone(QUICK[student])
        return DistilledClassifier(student=student_, n_synthetic=300, random_state=seed).fit(X, y).predict_proba(X)

    np.testing.assert_array_equal(predictions(1), predictions(1))
    assert np.abs(predictions(1) - predictions(2)).max() > 1e-3
    np.testing.assert_array_equal(predictions(np.random.RandomState(1)), predictions(np.random.RandomState(1)))


def test_a_random_state_object_moves_on(X, y):
    rng = np.random.RandomState(0)
    first, second = (classifier(RandomForestClassifier(10), random_state=rng).fit(X, y) for _ in range(2))
    assert (first.predict_proba(X) != second.predict_proba(X)).any()


def test_the_global_random_state_is_left_alone(X, y):
    np.random.seed(0)
    expected = np.random.RandomState(0).rand()
    classifier(student=QUICK_MLP).fit(X, y)
    assert np.random.rand() == expected


# Progress


def test_verbose_names_the_stages(X, y, capsys):
    classifier(verbose=1).fit(X, y)
    out = capsys.readouterr().out
    for stage in ("teacher", "soft targets", "synthetic rows"):
        assert stage in out
    assert "400/400" in out


def test_a_notebook_without_widgets_shows_lines_and_one_hint(X, y, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    monkeypatch.setattr(rich, "_console", rich.console.Console(force_jupyter=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier(verbose=1).fit(X, y)
    out = capsys.readouterr().out
    assert out.count("pip install ipywidgets") == 1
    lines = out.splitlines()[1:]
    assert lines[::2] == ["teacher …", "soft targets …", "augmenter …", "synthetic rows …"]
    assert lines[-1].startswith("synthetic rows 400/400 (")
    assert len(lines) == 8


def test_lines_of_a_long_stage_are_few(capsys, monkeypatch):
    now = iter(range(1000))
    monkeypatch.setattr("tabkd._progress.time.monotonic", lambda: next(now))
    lines = TextLines()
    lines.stage("synthetic rows", total=100)
    for _ in range(100):
        lines.advance()
    assert 5 <= capsys.readouterr().out.count("\n") <= 15


def test_nothing_is_printed_by_default(X, y, capfd):
    DistilledClassifier(student=QUICK_MLP, n_synthetic=100, random_state=0).fit(X, y)
    assert capfd.readouterr() == ("", "")
