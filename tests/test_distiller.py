"""The distilled estimators as a part of scikit-learn, and what reaches teacher and student."""

import pickle
import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from small_tables import category_frame, mixed_frame, numeric_frame, signal, targets
from xgboost import XGBClassifier

from tabkd import DistilledClassifier, DistilledRegressor
from tabkd.augment import AUGMENTERS, Marginal
from tabkd.distiller import _CHUNK_ROWS
from tabkd.students import STUDENTS, BoostedTreesStudent, MLPStudent, TreeStudent

QUICK_MLP = MLPStudent(hidden_layer_sizes=(8,), n_knots=16, batch_size=32, max_iter=2)
QUICK = {
    "mlp": QUICK_MLP,
    "tree": TreeStudent(min_samples_leaf=5),
    "boosted_trees": BoostedTreesStudent(n_estimators=20),
}


def forest():
    return RandomForestClassifier(10, random_state=0)


def classifier(teacher="forest", **params):
    teacher = forest() if teacher == "forest" else teacher
    return DistilledClassifier(teacher, **{"student": QUICK["tree"], "n_synthetic": 400, "random_state": 0, **params})


def regressor(teacher="forest", **params):
    teacher = RandomForestRegressor(10, random_state=0) if teacher == "forest" else teacher
    return DistilledRegressor(teacher, **{"student": QUICK["tree"], "n_synthetic": 400, "random_state": 0, **params})


class Recording(ClassifierMixin, BaseEstimator):
    """A teacher that knows the classes' weighted shares; it and its clones note together what they were given."""

    fits: list = []

    def fit(self, X, y, sample_weight=None):
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.share_ = np.bincount(codes, sample_weight) / np.bincount(codes, sample_weight).sum()
        self.fits.append((len(X), sample_weight))
        return self

    def predict_proba(self, X):
        return np.tile(self.share_, (len(X), 1))

    def predict(self, X):
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]


@pytest.fixture(scope="module", name="X")
def numeric_table():
    return numeric_frame(300)


@pytest.fixture(scope="module")
def y(X):
    return targets(X, "binary")


@pytest.fixture(autouse=True)
def fits(monkeypatch):
    monkeypatch.setattr(Recording, "fits", [])
    return Recording.fits


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


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
    classifier(teacher).set_fit_request(sample_weight=True).fit(X, y, sample_weight=weights)
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
    classifier(Recording()).fit(X, y, weights)
    np.testing.assert_array_equal(fits[-1][1], weights)
    classifier(Recording()).fit(X, y)
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


# Frozen teachers and out-of-fold targets


@pytest.mark.parametrize("cv", [None, 3])
def test_a_teacher_is_fitted_as_often_as_it_must(X, y, cv, fits):
    classifier(Recording(), cv=cv).fit(X, y)
    assert [n for n, _ in fits] == ([300] if cv is None else [300, 200, 200, 200])


def test_a_frozen_teacher_is_never_fitted(X, y, fits):
    inner = Recording().fit(X, y)
    model = classifier(FrozenEstimator(inner)).fit(X, y, np.ones(300))
    assert model.teacher_.estimator is inner
    clone(model).fit(X, y)
    assert len(fits) == 1


@pytest.mark.parametrize("cv", [3, KFold(2)])
def test_out_of_fold_targets_of_a_frozen_teacher_are_refused(X, y, cv):
    with pytest.raises(ValueError, match=r"cv=.*teacher RandomForestClassifier is frozen.*Use cv=None"):
        classifier(FrozenEstimator(forest().fit(X, y)), cv=cv).fit(X, y)


def test_out_of_fold_targets_are_not_those_of_memory():
    """A nearest neighbour knows its own rows by heart, and only those."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 2)), rng.integers(0, 2, 300)
    params = {"student": DecisionTreeRegressor(), "n_synthetic": 0}
    by_heart = classifier(KNeighborsClassifier(1), **params).fit(X, y)
    out_of_fold = classifier(KNeighborsClassifier(1), cv=5, **params).fit(X, y)
    assert by_heart.score(X, y) == 1
    assert out_of_fold.score(X, y) < 0.7


def test_out_of_fold_regression(X):
    Y = targets(X, "multioutput")
    assert regressor(cv=3).fit(X, Y).score(X, Y) > 0.4
    assert regressor(cv=3).fit(X, Y[:, 0]).predict(X).shape == (300,)


def test_a_class_of_fewer_rows_than_folds_is_learnt_out_of_fold(X):
    y = np.where(np.arange(300) < 2, "rare", targets(X, "binary"))
    with pytest.warns(UserWarning, match="least populated class"):
        model = classifier(cv=3).fit(X, y)
    assert model.predict_proba(X).shape == (300, 3)


# Temperature and alpha


def exact(**params):
    """A student that repeats the targets of the rows that it was fitted on."""
    return {"student": DecisionTreeRegressor(random_state=0), "n_synthetic": 0, **params}


@pytest.fixture(scope="module")
def distinct():
    X = np.random.default_rng(0).normal(size=(200, 3))
    return X, np.where(X[:, 0] + X[:, 1] ** 2 > 0.7, "yes", "no")


@pytest.mark.parametrize("temperature", [0.5, 2.0, 5.0])
@pytest.mark.parametrize("K", [2, 3])
def test_an_exact_student_at_any_temperature_says_what_the_teacher_says(distinct, temperature, K):
    X, y = distinct
    y = y if K == 2 else np.where(X[:, 2] > 1, "perhaps", y)
    model = classifier(temperature=temperature, **exact()).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), model.teacher_.predict_proba(X), atol=1e-9)


def test_a_student_at_temperature_2_learns_softer_targets(distinct):
    X, y = distinct
    model = classifier(temperature=2.0, **exact()).fit(X, y)
    roots = np.sqrt(model.teacher_.predict_proba(X))
    np.testing.assert_allclose(model.student_.predict(X), roots / roots.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_targets_are_soft_ones_and_labels_by_alpha(distinct, alpha):
    X, y = distinct
    y = np.where(np.arange(200) % 10 == 0, "no", y)
    model = classifier(alpha=alpha, **exact()).fit(X, y)
    labels = np.column_stack([y == "no", y == "yes"])
    expected = alpha * model.teacher_.predict_proba(X) + (1 - alpha) * labels
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-12)


def test_alpha_blends_real_targets(distinct):
    X, _ = distinct
    y = X[:, 0] * 3
    model = regressor(alpha=0.25, **exact()).fit(X, y)
    np.testing.assert_allclose(model.predict(X), 0.25 * model.teacher_.predict(X) + 0.75 * y)


# Unlabelled and synthetic rows


def test_unlabelled_rows_are_labelled_and_learnt_from():
    rng = np.random.default_rng(0)
    X, more = rng.uniform(0, 0.5, (200, 1)), rng.uniform(0.5, 1, (200, 1))

    class Step:
        def predict(self, X):
            return (X[:, 0] > 0.75).astype(float)

    without = regressor(Step(), n_synthetic=0).fit(X, X[:, 0])
    told = regressor(Step(), n_synthetic=0).fit(X, X[:, 0], X_unlabeled=more)
    assert without.predict([[0.9]]) == 0
    assert told.predict([[0.9]]) == pytest.approx(1)


@pytest.mark.parametrize("student", [QUICK["tree"], RandomForestRegressor(5)], ids=lambda s: type(s).__name__)
def test_unlabelled_rows_are_matched_by_name(X, y, student):
    more = numeric_frame(100, seed=1)
    plain = classifier(student=student).fit(X, y, X_unlabeled=more)
    turned = classifier(student=student).fit(X, y, X_unlabeled=more[more.columns[::-1]])
    np.testing.assert_array_equal(turned.predict_proba(X), plain.predict_proba(X))


def test_unlabelled_rows_may_hold_what_the_table_does_not():
    X, more = mixed_frame(200), mixed_frame(50, seed=1)
    more = more.assign(country="xx", grade=5, shop="new", visits=np.nan, online=None)
    model = DistilledClassifier(student=QUICK["tree"], n_synthetic=100, random_state=0)
    assert model.fit(X, targets(X, "binary"), X_unlabeled=more).score(X, targets(X, "binary")) > 0.7


def test_unlabelled_rows_of_other_columns_are_refused(X, y):
    with pytest.raises(ValueError, match=r"(?s)now missing:\n- amount"):
        classifier().fit(X, y, X_unlabeled=X.drop(columns="amount"))


class Sizes(Marginal):
    """It and its clones note together how many rows they were asked for at a time."""

    asked: list = []

    def sample_codes(self, n_samples, random_state=None):
        self.asked.append(n_samples)
        return super().sample_codes(n_samples, random_state)


@pytest.fixture
def asked(monkeypatch):
    monkeypatch.setattr(Sizes, "asked", [])
    return Sizes.asked


@pytest.mark.parametrize("student", [QUICK_MLP, QUICK["tree"]], ids=lambda s: type(s).__name__)
def test_synthetic_rows_come_in_chunks(student, asked):
    X = np.random.default_rng(0).normal(size=(100, 2))
    n = _CHUNK_ROWS + 1000
    model = regressor(Ridge(), student=clone(student), augmenter=Sizes(), n_synthetic=n)
    if isinstance(student, MLPStudent):
        model.set_params(student__batch_size=512, student__max_iter=1)
    assert model.fit(X, X[:, 0]).score(X, X[:, 0]) > 0.5
    assert asked == [_CHUNK_ROWS, 1000]


def test_auto_makes_twenty_rows_for_each_within_bounds():
    model = DistilledRegressor()
    assert [model._n_synthetic(n) for n in (10, 5000, 10**6)] == [40_000, 100_000, 400_000]


def test_auto_makes_fewer_rows_for_many_classes(X):
    model = classifier(DecisionTreeClassifier(), n_synthetic=0).fit(X, np.arange(300) % 20)
    model.n_synthetic = "auto"
    assert [model._n_synthetic(n) for n in (10, 10**6)] == [40_000, 80_000]


def test_auto_makes_that_many_rows(X, y, asked):
    classifier(augmenter=Sizes(), n_synthetic="auto").fit(X, y)
    assert asked == [40_000]


@pytest.mark.parametrize("params", [{"augmenter": None}, {"n_synthetic": 0}], ids=str)
def test_without_synthetic_rows_the_student_learns_from_the_real_ones(X, y, params):
    model = classifier(Recording(), **params).fit(X, y)
    assert model.student_.decision_tree_.tree_.n_node_samples[0] == 300


@pytest.mark.parametrize("student", QUICK)
@pytest.mark.parametrize("augmenter", AUGMENTERS)
def test_every_augmenter_serves_every_student(augmenter, student):
    X = mixed_frame(200)
    y = signal(X)

    class Signal:
        def predict(self, X):
            return signal(X)

    model = regressor(Signal(), augmenter=augmenter, student=clone(QUICK[student]))
    if student == "mlp":
        model.set_params(student__max_iter=40)
    assert model.fit(X, y).score(X, y) > 0.6


def test_an_augmenter_of_the_users_own_knows_tables_only():
    X = mixed_frame(200)

    class Repeat:
        def fit(self, table):
            pd.testing.assert_frame_equal(table, X)
            self.table = table
            return self

        def sample(self, n, random_state=None):
            return self.table.sample(n, replace=True, random_state=random_state)

    model = classifier(None, augmenter=Repeat()).fit(X, targets(X, "binary"))
    assert model.score(X, targets(X, "binary")) > 0.8


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


def test_nothing_is_printed_by_default(X, y, capfd):
    DistilledClassifier(student=QUICK_MLP, n_synthetic=100, random_state=0).fit(X, y)
    assert capfd.readouterr() == ("", "")


# Labels


@pytest.mark.parametrize(
    "names",
    [(False, True), (0, 1), (-1, 1), (2.0, 7.0), ("a", "b"), (np.str_("ja"), np.str_("nein"))],
    ids=str,
)
@pytest.mark.parametrize("container", [np.array, pd.Series, list, lambda v: pd.Series(v, dtype="category")])
def test_labels_of_every_kind(X, names, container):
    codes = (targets(X, "binary") == "yes").astype(int)
    y = container([names[code] for code in codes])
    model = classifier().fit(X, y)
    assert model.classes_.tolist() == list(names)
    assert (model.predict(X) == np.asarray(y)).mean() > 0.8


def test_a_class_of_three_rows_is_kept():
    X = mixed_frame(400)
    y = targets(X, "binary").astype(object)
    y[np.argsort(-X["visits"].to_numpy(), kind="stable")[:3]] = "rare"
    for student in QUICK.values():
        model = DistilledClassifier(student=student, n_synthetic=400, random_state=0).fit(X, y)
        assert model.classes_.tolist() == ["no", "rare", "yes"]
        P = model.predict_proba(X)
        assert P.shape == (400, 3)
        assert (P >= 0).all()


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a"] * 300, "one class only, 'a', in 300 rows"),
        (["a", None] * 150, r"Input y contains (None|nan) \(150 rows\); leave out"),
        ([0.0, np.nan] * 150, "Input y contains (NaN|nan)"),
        (["a", np.nan] * 150, "Input y contains (nan|NaN)"),
        ([1, "b"] * 150, "labels of type int and str; make them all strings"),
        (["a", "b"] * 100, r"inconsistent numbers of samples: \[300, 200\]"),
        (np.linspace(0, 1, 300), "Unknown label type: continuous"),
        (None, "target y is None"),
        (np.zeros((300, 2)), "bad input shape|should be a 1d array"),
    ],
    ids=["one class", "None", "NaN", "string and NaN", "mixed", "length", "continuous", "nothing", "two columns"],
)
def test_labels_that_cannot_be_learnt_are_refused(X, y, message):
    with pytest.raises(ValueError, match=message):
        classifier().fit(X, y)
    if isinstance(y, list):
        with pytest.raises(ValueError, match=message):
            classifier().fit(X, pd.Series(y, dtype=None if isinstance(y[0], float) else object))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.r_[np.nan, np.zeros(299)], "Input y contains NaN"),
        (np.r_[np.inf, np.zeros(299)], "Input y contains infinity"),
        (np.zeros(200), "inconsistent"),
        (["a", "b"] * 150, "could not convert string to float"),
        (None, "target y is None"),
    ],
    ids=["NaN", "infinity", "length", "strings", "nothing"],
)
def test_real_targets_that_cannot_be_learnt_are_refused(X, y, message):
    with pytest.raises(ValueError, match=message):
        regressor().fit(X, y)


@pytest.mark.parametrize(
    "params",
    [
        {"student": "forest"},
        {"augmenter": "smote"},
        {"n_synthetic": -1},
        {"n_synthetic": "many"},
        {"temperature": 0},
        {"alpha": 1.5},
        {"cv": "five"},
        {"verbose": "yes"},
        {"random_state": "seed"},
    ],
    ids=str,
)
def test_impossible_parameters_are_named(X, y, params):
    with pytest.raises(ValueError, match=f"'{next(iter(params))}' parameter of DistilledClassifier"):
        classifier(**params).fit(X, y)


@pytest.mark.parametrize("name", ["student", "augmenter"])
def test_a_class_where_an_instance_belongs_is_named(X, y, name):
    given = {"student": TreeStudent, "augmenter": Marginal}[name]
    with pytest.raises(TypeError, match=rf"{name} is the class {given.__name__}; pass an instance"):
        classifier(**{name: given}).fit(X, y)


# Tables


@pytest.mark.parametrize("student", [*QUICK.values(), "pipeline"], ids=[*QUICK, "pipeline"])
def test_columns_in_another_order_score_the_same(student):
    X = category_frame(200) if student != "pipeline" else numeric_frame(200)
    student = make_pipeline(StandardScaler(), DecisionTreeRegressor(max_depth=3)) if student == "pipeline" else student
    model = DistilledClassifier(student=student, n_synthetic=200, random_state=0).fit(X, targets(X, "binary"))
    np.testing.assert_array_equal(model.predict_proba(X[X.columns[::-1]]), model.predict_proba(X))
    with pytest.raises(ValueError, match=r"(?s)unseen at fit time:\n- new.*now missing:\n- online"):
        model.predict(X.rename(columns={"online": "new"}))


@pytest.mark.parametrize("student", QUICK.values(), ids=QUICK)
def test_polars_frames_score_as_pandas_frames(student):
    X = mixed_frame(200).drop(columns="grade")
    y = targets(mixed_frame(200), "binary")
    pandas = DistilledClassifier(student=student, n_synthetic=200, random_state=0).fit(X, y)
    polars = clone(pandas).fit(pl.from_pandas(X), pl.Series(y))
    for model in (pandas, polars):
        np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(pl.from_pandas(X)))
        assert model.feature_names_in_.tolist() == X.columns.tolist()
    assert np.corrcoef(polars.predict_proba(X)[:, 0], pandas.predict_proba(X)[:, 0])[0, 1] > 0.8


def test_arrays_score_as_frames(X, y):
    array = X.to_numpy(dtype=float)
    assert classifier().fit(array, y).score(array, y) > 0.8
    with pytest.raises(ValueError, match="X has 3 features, but DistilledClassifier is expecting 4"):
        classifier().fit(array, y).predict(array[:, :3])


class Strict(RegressorMixin, BaseEstimator):
    """A student of another library's making, whose categories are those of fit."""

    def fit(self, X, y, sample_weight=None):
        self.columns_, self.categories_ = X.columns, X["country"].cat.categories
        self.mean_ = np.average(y, axis=0, weights=sample_weight)
        return self

    def predict(self, X):
        assert X.columns.equals(self.columns_)
        assert X["country"].cat.categories.equals(self.categories_)
        return np.tile(self.mean_, (len(X), 1))


@pytest.mark.parametrize("student", [*QUICK.values(), Strict()], ids=lambda s: type(s).__name__)
def test_unseen_categories_and_missing_values_at_prediction(student):
    X = mixed_frame(200)
    model = DistilledClassifier(student=student, n_synthetic=200, random_state=0).fit(X, targets(X, "binary"))
    odd = X[:5].assign(country="xx", shop="never seen", grade=9, amount=np.nan, visits=np.nan)
    odd["age"] = odd["age"] * pd.NA
    P = model.predict_proba(odd)
    assert np.isfinite(P).all()
    np.testing.assert_allclose(P.sum(axis=1), 1)


def test_one_row_is_enough_to_predict(X, y):
    model = classifier().fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X[:1]), model.predict_proba(X)[:1])


@pytest.mark.parametrize("empty", [np.zeros((0, 3)), pd.DataFrame({"a": []})])
def test_an_empty_table_is_refused(empty, X, y):
    with pytest.raises(ValueError, match="the table has no rows"):
        classifier().fit(empty, [])
    with pytest.raises(ValueError, match="the table has no rows"):
        classifier().fit(X, y).predict(X[:0])


def test_infinite_values_are_refused(X, y):
    broken = X.assign(amount=np.where(np.arange(300) == 7, np.inf, X["amount"]))
    with pytest.raises(ValueError, match=r"Column 'amount' contains infinity.*row 7"):
        classifier().fit(broken, y)
    with pytest.raises(ValueError, match=r"Column 'amount' contains infinity.*row 7"):
        classifier().fit(X, y).predict(broken)


@pytest.mark.parametrize("student", QUICK)
def test_columns_that_tell_nothing_are_harmless(student):
    X = category_frame(300).assign(constant=1.0, missing=np.nan, same="a", none=pd.Series([None] * 300, dtype=object))
    y = targets(X, "binary")
    model = DistilledClassifier(student=clone(QUICK[student]), n_synthetic=300, random_state=0)
    if student == "mlp":
        model.set_params(student__max_iter=40)
    assert model.fit(X, y).score(X, y) > 0.85


@pytest.mark.parametrize("student", QUICK)
def test_a_column_of_ten_thousand_levels(student):
    rng = np.random.default_rng(0)
    n = 12_000
    good = rng.normal(size=10_000)
    merchant = np.r_[np.arange(10_000), rng.integers(0, 50, n - 10_000)]
    X = pd.DataFrame({"merchant": [f"m{i}" for i in merchant], "x": rng.normal(size=n)})
    y = np.where(good[merchant] + X["x"] > 0, "yes", "no")
    model = DistilledClassifier(student=QUICK[student], n_synthetic=1000, random_state=0)
    model.set_params(teacher__n_estimators=30).fit(X, y)
    assert model.score(X, y) > 0.7
    assert np.isfinite(model.predict_proba(pd.DataFrame({"merchant": ["new", None], "x": [0.0, np.nan]}))).all()


@pytest.mark.parametrize("student", QUICK)
def test_epoch_seconds_are_learnt_as_well_as_the_centred_column(student):
    rng = np.random.default_rng(0)
    second, other = rng.uniform(0, 1000, 400), rng.normal(size=400)

    class Hours:
        """Sees the time in float64, whatever its origin."""

        def predict(self, X):
            return np.sin((X["time"] - X["time"].min()).to_numpy() / 100)

    def skill(start):
        X = pd.DataFrame({"time": start + second, "other": other})
        model = regressor(Hours(), student=clone(QUICK[student]), augmenter="jitter")
        if student == "mlp":
            model.set_params(student__max_iter=60)
        return model.fit(X, np.zeros(400)).score(X, Hours().predict(X))

    assert skill(0) > 0.85
    assert skill(1.7e9) == pytest.approx(skill(0), abs=0.03)


# What is imported


def imported(code: str, *names: str) -> str:
    """Which of the modules are imported after `code`."""
    code += f"\nimport sys; print([name for name in {names} if name in sys.modules])"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


HEAVY = ("jax", "optax", "lightgbm", "xgboost", "skl2onnx", "onnxruntime", "onnx", "polars", "matplotlib", "typer")


def test_importing_tabkd_imports_nothing_heavy():
    assert imported("import tabkd", *HEAVY) == "[]"


def test_a_tree_student_imports_no_jax():
    code = """
import numpy as np
from sklearn.tree import DecisionTreeClassifier
from tabkd import DistilledClassifier
X = np.random.default_rng(0).normal(size=(60, 2))
DistilledClassifier(DecisionTreeClassifier(), student="tree", n_synthetic=50).fit(X, X[:, 0] > 0).predict(X)
"""
    assert imported(code, "jax", "optax", "lightgbm", "xgboost", "onnxruntime") == "[]"


def test_dummy_teachers_are_teachers_too(X, y):
    model = classifier(DummyClassifier()).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X)[:, 0], (y == "no").mean())


def test_stages_that_take_a_linear_teacher(X, y):
    assert classifier(make_pipeline(StandardScaler(), LogisticRegression())).fit(X, y).score(X, y) > 0.8


# What an attack with bad input found


class Certain:
    """A bare teacher that says the same of every row."""

    classes_ = np.array([0, 1])

    def __init__(self, said=(0.3, 0.7)):
        self.said = said

    def predict_proba(self, X):
        return np.tile(self.said, (len(X), 1))


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (pd.DataFrame([[1, 2]] * 9, columns=["a", "a"]), [0, 1, 0] * 3, r"Columns \['a'\] occur more than once"),
        (pd.DataFrame({"a": [1.0, 2.0] * 9}), pd.to_datetime(["2020-01-01", "2020-01-02"] * 9), "Timestamp.*astype"),
        (
            pd.DataFrame({"a": [1.0, 2.0] * 9}),
            np.array(["2020-01-01", "2020-01-02"] * 9, "datetime64[D]"),
            r"dtype datetime64\[D\].*astype",
        ),
        (
            pd.DataFrame({"c": pd.Categorical([np.inf, 1.0] * 9)}),
            [0, 1] * 9,
            "Column 'c' has a category that is infinite",
        ),
    ],
    ids=["names", "timestamps", "datetime64", "infinite category"],
)
def test_bad_tables_and_labels_are_named(X, y, message):
    with pytest.raises(ValueError, match=message):
        DistilledClassifier(Certain(), n_synthetic=0).fit(X, y)


def test_a_target_beyond_float32_is_refused():
    with pytest.raises(ValueError, match=r"y holds 1e\+300.*float32"):
        DistilledRegressor(n_synthetic=0).fit(pd.DataFrame({"a": [1.0, 2.0] * 9}), [0, 1e300] * 9)


def test_a_teacher_that_gives_no_class_a_chance_is_refused():
    with pytest.raises(ValueError, match="teacher Certain gave no class of row 0 a positive probability"):
        DistilledClassifier(Certain((0.0, 0.0)), n_synthetic=0).fit(pd.DataFrame({"a": [1.0, 2.0] * 9}), [0, 1] * 9)


def test_weights_that_are_all_zero_are_refused():
    with pytest.raises(ValueError, match=r"non-zero|zero for every row"):
        DistilledClassifier(Certain()).fit(pd.DataFrame({"a": [1.0, 2.0] * 9}), [0, 1] * 9, sample_weight=np.zeros(18))


def test_out_of_fold_targets_follow_the_seed():
    X = numeric_frame(200)
    y = targets(X, "binary")
    students = [
        DistilledClassifier(student="tree", n_synthetic=0, cv=3, random_state=0).fit(X, y).predict_proba(X)
        for _ in "ab"
    ]
    np.testing.assert_array_equal(*students)
