"""What the student is taught: soft targets, blends, unlabelled and synthetic rows."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeRegressor

from tabkd import DistilledClassifier
from tabkd._distilled import _PROBE_ROWS
from tabkd._learning_rows import CHUNK_ROWS, n_synthetic_rows
from tabkd._task import Classification, Regression
from tabkd.augment import AUGMENTERS, Marginal
from tabkd.students import MLPStudent
from tests.distilled.quick import QUICK, QUICK_MLP, Recording, classifier, forest, regressor
from tests.small_tables import mixed_frame, numeric_frame, signal, targets

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
    by_heart = classifier(KNeighborsClassifier(1), cv=None, **params).fit(X, y)
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
    return {"student": DecisionTreeRegressor(random_state=0), "n_synthetic": 0, "cv": None, **params}


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


def test_a_temperature_near_zero_teaches_the_likeliest_class(distinct):
    X, y = distinct
    model = classifier(teacher=LogisticRegression(), temperature=1e-4, **exact()).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), model.teacher_.predict(X))
    assert np.isfinite(model.predict_proba(X)).all()


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
    n = CHUNK_ROWS + 1000
    model = regressor(Ridge(), student=clone(student), augmenter=Sizes(), n_synthetic=n)
    if isinstance(student, MLPStudent):
        model.set_params(student__batch_size=512, student__max_iter=1)
    assert model.fit(X, X[:, 0]).score(X, X[:, 0]) > 0.5
    assert asked == [_PROBE_ROWS, CHUNK_ROWS, 1000]


def test_auto_makes_twenty_rows_for_each_within_bounds():
    values = Regression(one_dimensional=True)
    assert [n_synthetic_rows("auto", n, values) for n in (10, 5000, 10**6)] == [40_000, 100_000, 400_000]


def test_auto_makes_fewer_rows_for_many_classes():
    classes = Classification(np.arange(20))
    assert [n_synthetic_rows("auto", n, classes) for n in (10, 10**6)] == [40_000, 80_000]


def test_auto_makes_that_many_rows(X, y, asked):
    classifier(augmenter=Sizes(), n_synthetic="auto", max_label_seconds=None).fit(X, y)
    assert asked == [_PROBE_ROWS, 40_000]


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
