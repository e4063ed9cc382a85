"""What a student learns of the rows that its teacher was fitted on: not the labels that the teacher knows by heart."""

from typing import ClassVar

import numpy as np
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_classification, make_friedman1
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tabkd._own_rows import OwnRows
from tabkd.teachers import DefaultTeacherClassifier
from tabkd.teachers._out_of_bag import out_of_bag_targets
from tests.distilled.quick import classifier, regressor
from tests.small_tables import mixed_frame, targets

FOREST = {"n_estimators": 60, "random_state": 0, "oob_score": True}


class Counting(ClassifierMixin, BaseEstimator):
    """A teacher that notes on how many rows it and its copies are fitted."""

    fits: ClassVar[list[int]] = []

    def __init__(self, inner):
        self.inner = inner

    def fit(self, X, y):
        self.fits.append(len(X))
        self.inner_ = clone(self.inner).fit(X, y)
        self.classes_ = self.inner_.classes_
        return self

    def predict_proba(self, X):
        return self.inner_.predict_proba(X)


@pytest.fixture(scope="module")
def noisy():
    """Rows of which every fifth has a wrong label; half of them to test on."""
    X, y = make_classification(1200, 6, n_informative=4, flip_y=0.4, random_state=0)
    return X[:600], np.array(["no", "yes"])[y[:600]], X[600:], np.array(["no", "yes"])[y[600:]]


@pytest.mark.parametrize(
    "ensemble",
    [
        RandomForestClassifier(**FOREST),
        ExtraTreesClassifier(bootstrap=True, **FOREST),
        BaggingClassifier(max_features=3, **FOREST),
    ],
)
def test_out_of_bag_probabilities_are_those_of_scikit_learn(noisy, ensemble):
    X, y, _, _ = noisy
    ensemble.fit(X, y)
    np.testing.assert_allclose(out_of_bag_targets(ensemble, X, ensemble.classes_), ensemble.oob_decision_function_)
    pipeline = make_pipeline(StandardScaler(), RandomForestClassifier(**FOREST)).fit(X, y)
    said = out_of_bag_targets(FrozenEstimator(pipeline), X, pipeline.classes_)
    np.testing.assert_allclose(said, pipeline[-1].oob_decision_function_)


@pytest.mark.parametrize(
    "ensemble",
    [RandomForestRegressor(**FOREST), ExtraTreesRegressor(bootstrap=True, **FOREST), BaggingRegressor(**FOREST)],
)
@pytest.mark.parametrize("n_targets", [1, 2])
def test_out_of_bag_values_are_those_of_scikit_learn(ensemble, n_targets):
    X, y = make_friedman1(300, random_state=0)
    Y = y if n_targets == 1 else np.column_stack([y, -y])
    if n_targets == 2 and isinstance(ensemble, BaggingRegressor):
        pytest.skip("takes one target")
    ensemble.fit(X, Y)
    np.testing.assert_allclose(out_of_bag_targets(ensemble, X), ensemble.oob_prediction_.reshape(300, -1))


def test_a_member_that_has_not_seen_some_class_gives_it_nothing():
    X = np.random.default_rng(0).normal(size=(60, 2))
    y = np.repeat(["a", "b", "rare"], [30, 29, 1])
    bagging = BaggingClassifier(KNeighborsClassifier(1), 80, random_state=0).fit(X, y)
    assert any(len(member.classes_) == 2 for member in bagging.estimators_)
    said = out_of_bag_targets(bagging, X, bagging.classes_)
    np.testing.assert_allclose(said.sum(axis=1), 1)
    assert said[-1, 2] == 0 < said[:-1, 2].max()


@pytest.mark.parametrize(
    "teacher",
    [
        ExtraTreesClassifier(20, random_state=0),
        RandomForestClassifier(8, random_state=0),
        GradientBoostingClassifier(n_estimators=3),
        LogisticRegression(),
    ],
    ids=["no bootstrap", "few members", "boosting", "no ensemble"],
)
def test_others_have_no_out_of_bag_targets(noisy, teacher):
    X, y, _, _ = noisy
    assert out_of_bag_targets(teacher.fit(X, y), X, teacher.classes_) is None


def test_fewer_rows_than_a_forest_was_fitted_on_have_no_out_of_bag_targets(noisy):
    X, y, _, _ = noisy
    assert (
        out_of_bag_targets(RandomForestClassifier(60, random_state=0).fit(X, y), X[:300], np.array(["no", "yes"]))
        is None
    )


BOOSTING = LGBMClassifier(n_estimators=200, n_jobs=1, verbosity=-1)
SHALLOW = LGBMClassifier(n_estimators=10, num_leaves=4, n_jobs=1, verbosity=-1)
SOURCES = {
    "forest": (RandomForestClassifier(60, random_state=0), "out-of-bag", "out-of-bag"),
    "extra trees": (ExtraTreesClassifier(30, random_state=0), "out-of-fold", "beside"),
    "boosting": (BOOSTING, "out-of-fold", "beside"),
    # Its answers are as certain beside its own rows.
    "one tree": (DecisionTreeClassifier(random_state=0), "out-of-fold", "teacher"),
    "nearest neighbour": (KNeighborsClassifier(1), "out-of-fold", "teacher"),
    "linear": (LogisticRegression(), "teacher", "teacher"),
    "shallow boosting": (SHALLOW, "teacher", "teacher"),
}


@pytest.mark.parametrize(("teacher", "source", "source_of_frozen"), SOURCES.values(), ids=SOURCES)
def test_where_the_targets_of_the_real_rows_come_from(noisy, teacher, source, source_of_frozen):
    X, y, _, _ = noisy
    found = classifier(teacher).fit(X, y).own_rows_
    assert (found.source, found.spikes) == (source, None)
    assert found.noise > 0.35
    assert (found.optimism is None) == (source == "out-of-bag")
    of_frozen = classifier(FrozenEstimator(teacher.fit(X, y))).fit(X, y).own_rows_
    assert (of_frozen.source, of_frozen.optimism) == (source_of_frozen, None)
    assert (of_frozen.spikes is None) == (source == "out-of-bag")


def test_a_frozen_teacher_is_asked_as_it_is_about_rows_that_it_has_not_seen(noisy):
    X, y, X_fresh, y_fresh = noisy
    for teacher, _, _ in SOURCES.values():
        found = classifier(FrozenEstimator(teacher.fit(X[:500], y[:500]))).fit(X_fresh, y_fresh).own_rows_
        assert found.source in ("teacher", "out-of-bag")


def test_the_default_teacher_is_asked_as_it_is(noisy):
    X, y, _, _ = noisy
    assert classifier(None).fit(X[:200], y[:200]).own_rows_ == OwnRows("teacher")
    frozen = FrozenEstimator(DefaultTeacherClassifier(random_state=0).fit(X[:200], y[:200]))
    assert classifier(frozen).fit(X[:200], y[:200]).own_rows_ == OwnRows("teacher")


def test_a_regression_is_freed_of_noise_too():
    X, y = make_friedman1(500, noise=4, random_state=0)
    boosting = LGBMRegressor(n_estimators=300, min_child_samples=2, n_jobs=1, verbosity=-1)
    assert regressor(boosting).fit(X, y).own_rows_.source == "out-of-fold"
    assert regressor(RandomForestRegressor(60, random_state=0)).fit(X, y).own_rows_.source == "out-of-bag"
    assert regressor(Ridge()).fit(X, y).own_rows_.source == "teacher"
    assert regressor(Ridge()).fit(X, np.column_stack([y, -y])).own_rows_.source == "teacher"


CLEAN = {
    "boosting": LGBMRegressor(n_estimators=200, n_jobs=1, verbosity=-1),
    "forest": RandomForestRegressor(60, random_state=0),
    "extra trees": ExtraTreesRegressor(60, random_state=0),
}


@pytest.mark.parametrize("teacher", CLEAN.values(), ids=CLEAN)
@pytest.mark.parametrize("frozen", [False, True])
def test_labels_with_little_noise_are_learnt(teacher, frozen):
    X, y = make_friedman1(600, random_state=0)
    found = regressor(FrozenEstimator(teacher.fit(X, y)) if frozen else teacher).fit(X, y).own_rows_
    assert found.source == "teacher"
    assert frozen or 0 < found.noise < 0.35


def test_a_teacher_of_labels_with_little_noise_has_one_copy():
    X, y = make_classification(300, 4, n_informative=2, n_redundant=0, class_sep=2, flip_y=0, random_state=0)
    classifier(Counting(ExtraTreesClassifier(5, random_state=0)), augmenter=None).fit(X, y)
    assert len(Counting.fits) == 2
    Counting.fits.clear()


@pytest.mark.parametrize("frozen", [False, True])
def test_a_student_does_not_learn_labels_by_heart(noisy, frozen):
    X, y, X_test, y_test = noisy
    teacher = ExtraTreesClassifier(50, random_state=0)
    teacher = FrozenEstimator(teacher.fit(X, y)) if frozen else teacher
    params = {"student": "boosted_trees", "n_synthetic": 2000}
    losses = {
        cv: log_loss(y_test, classifier(teacher, cv=cv, **params).fit(X, y).predict_proba(X_test))
        for cv in ("auto", None)
    }
    assert losses["auto"] < losses[None] - 0.01


@pytest.mark.parametrize("frozen", [False, True])
def test_categories_and_missing_values(frozen):
    X = mixed_frame(600)
    y = np.where(np.random.default_rng(0).random(600) < 0.3, "no", targets(X, "binary"))
    encoded = OrdinalEncoder(encoded_missing_value=-1, handle_unknown="use_encoded_value", unknown_value=-2)
    columns = make_column_transformer((encoded, ["country", "grade", "shop"]), ("passthrough", ["amount", "visits"]))
    teacher = make_pipeline(columns, HistGradientBoostingClassifier(max_iter=200, min_samples_leaf=2)).fit(X, y)
    found = classifier(FrozenEstimator(teacher) if frozen else teacher).fit(X, y).own_rows_
    assert found.spikes > 1.1 if frozen else found.source == "out-of-fold"


def test_a_copy_that_fails_is_warned_of_and_the_answers_beside_the_rows_decide():
    X = np.column_stack([np.arange(100.0), np.random.default_rng(0).normal(size=100)])
    teacher = make_pipeline(
        OrdinalEncoder(), DecisionTreeRegressor(random_state=0)
    )  # knows the values of its rows only
    with pytest.warns(UserWarning, match="copy of teacher DecisionTreeRegressor .*ValueError: Found unknown.*cv=None"):
        found = regressor(teacher, augmenter=None).fit(X, X[:, 0]).own_rows_
    assert found.optimism is None
    assert found.spikes is not None


def test_a_teacher_is_fitted_once_and_once_for_each_fold(noisy):
    X, y, _, _ = noisy
    for teacher, n_fits in ((ExtraTreesClassifier(5, random_state=0), 6), (LogisticRegression(), 2)):
        counted = Counting(teacher)
        classifier(counted, augmenter=None).fit(X, y)
        assert [n for n in Counting.fits if n == len(X)] == [len(X)]
        assert len(Counting.fits) == n_fits
        Counting.fits.clear()


def test_folds_of_the_user_are_asked_alone(noisy, monkeypatch):
    X, y, _, _ = noisy
    asked = []
    monkeypatch.setattr("tabkd._distilled.soft_targets", lambda *arguments: asked.append(arguments))
    assert classifier(cv=3, augmenter=None).fit(X, y).own_rows_ == OwnRows("out-of-fold")
    assert not asked


def test_where_a_class_is_rarer_than_the_folds_the_teacher_is_asked_beside_its_rows(noisy):
    X, y, _, _ = noisy
    y = y.astype(object)
    y[:3] = "rare"
    assert classifier(ExtraTreesClassifier(30, random_state=0)).fit(X, y).own_rows_.source == "beside"


def test_few_rows_show_nothing(noisy):
    X, y, _, _ = noisy
    assert classifier(DecisionTreeClassifier()).fit(X[:49], y[:49]).own_rows_ == OwnRows("teacher")


def test_other_words_than_auto_are_refused(noisy):
    X, y, _, _ = noisy
    with pytest.raises(ValueError, match="The 'cv' parameter of DistilledClassifier must be"):
        classifier(cv="automatic").fit(X, y)
