"""Students answer what their teachers could answer: above zero, or between zero and one, in Python and in the file."""

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMRegressor
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import GammaRegressor, LinearRegression, PoissonRegressor, Ridge, TweedieRegressor
from sklearn.metrics import mean_poisson_deviance
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBRegressor

from tabkd import DistilledRegressor, ExportedStudent, load
from tabkd._link import Log, Logit, choose_link
from tabkd.evaluation import evaluate
from tabkd.teachers._objective import Objective
from tests.distilled.quick import QUICK

STUDENTS = {**QUICK, "ridge": Ridge()}
FEW = {"n_estimators": 20, "verbose": -1, "n_jobs": 1}
N = 400


def claims(n=N, seed=0):
    """Numbers of claims, most of them zero."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, rng.poisson(np.exp(X[:, 0] - 1)).astype(float)


def distilled(teacher, X, y, student="tree", **params):
    settings = {"n_synthetic": 500, "random_state": 0, "n_jobs": 1, **params}
    return DistilledRegressor(teacher, student=STUDENTS.get(student, student), **settings).fit(X, y)


def exported(model):
    return ExportedStudent(model.to_onnx().SerializeToString())


POSITIVE = [
    LGBMRegressor(objective="poisson", **FEW),
    LGBMRegressor(objective="tweedie", **FEW),
    XGBRegressor(objective="count:poisson", n_estimators=5, n_jobs=1),
    XGBRegressor(objective="reg:tweedie", n_estimators=5, n_jobs=1),
    HistGradientBoostingRegressor(loss="poisson", max_iter=5),
    make_pipeline(StandardScaler(), PoissonRegressor()),
    TweedieRegressor(power=1.5, link="log"),
    GridSearchCV(PoissonRegressor(), {"alpha": [0.1, 1]}, cv=2),
]


@pytest.mark.parametrize("teacher", POSITIVE, ids=lambda teacher: type(teacher).__name__)
def test_students_of_counting_losses_learn_logarithms(teacher):
    X, y = claims()
    model = distilled(teacher, X, y)
    assert model.link_ == "log"
    assert (model.predict(X) > 0).all()


@pytest.mark.parametrize("teacher", [GammaRegressor(), LGBMRegressor(objective="gamma", **FEW)])
def test_students_of_gamma_losses_learn_logarithms(teacher):
    X, y = claims()
    model = distilled(FrozenEstimator(teacher.fit(X, y + 1)), X, y + 1)
    assert model.link_ == "log"


def test_students_of_catboosts_counting_losses_learn_logarithms():
    catboost = pytest.importorskip("catboost")
    X, y = claims()
    for loss in ("Poisson", "Tweedie:variance_power=1.5"):
        teacher = catboost.CatBoostRegressor(5, loss_function=loss, verbose=0, allow_writing_files=False)
        assert distilled(teacher, X, y).link_ == "log"


@pytest.mark.parametrize("student", STUDENTS)
def test_every_student_answers_above_zero_in_python_and_in_its_file(student):
    X, y = claims()
    model = distilled(POSITIVE[0], X, y, student)
    assert model.link_ == "log"
    file = exported(model)
    far = np.random.default_rng(1).normal(size=(2000, 3)) * 10.0 ** np.arange(-1, 5).repeat(334)[:2000, None]
    for rows in (X, far):
        assert (model.predict(rows) > 0).all()
        assert (file.predict(rows) > 0).all()
    np.testing.assert_allclose(file.predict(X), model.predict(X), rtol=2e-5)
    assert np.isfinite(file.predict(far)).all()
    assert file.metadata["link"] == "log"


@pytest.mark.parametrize("student", STUDENTS)
def test_the_predictions_for_the_training_rows_have_the_teachers_sum(student):
    X, y = claims()
    weights = np.random.default_rng(1).uniform(size=N)
    model = distilled(POSITIVE[0], X, y, student)
    assert model.predict(X).sum() == pytest.approx(model.teacher_.predict(X).sum())
    model.fit(X, y, sample_weight=weights)
    assert weights @ model.predict(X) == pytest.approx(weights @ model.teacher_.predict(X))


def test_a_link_follows_the_teachers_loss_closer_than_none():
    X, y = claims(2000)
    teacher = FrozenEstimator(LGBMRegressor(objective="poisson", **FEW).fit(X, y))
    answers = teacher.predict(X)
    lost = {}
    for link in ("auto", "identity"):
        model = distilled(teacher, X, y, "boosted_trees", link=link)
        lost[link] = mean_poisson_deviance(answers, np.maximum(model.predict(X), 1e-6))
    assert lost["auto"] < lost["identity"]


def test_rows_weigh_as_in_the_teachers_loss():
    answers = np.array([[1.0], [2.0], [5.0]])
    for power in (0.0, 1.0, 1.5, 2.0):
        weights = Log._of(answers, power=power).emphasis(answers)
        np.testing.assert_allclose(weights, answers[:, 0] ** (2 - power) / (answers[:, 0] ** (2 - power)).mean())
    shares = answers / 10
    weights = Logit._of(shares).emphasis(shares)
    np.testing.assert_allclose(weights / weights[0], np.array([0.09, 0.16, 0.25]) / 0.09)


class Noting(Ridge):
    """A student that notes the weights of its rows."""

    def fit(self, X, y, sample_weight=None):
        self.weights_ = sample_weight
        return super().fit(X, y, sample_weight)


def test_real_and_synthetic_rows_have_these_weights():
    X, y = claims()
    weights = np.random.default_rng(1).uniform(size=N)
    model = DistilledRegressor(POSITIVE[0], student=Noting(), n_synthetic=50, random_state=0)
    given = model.fit(X, y, sample_weight=weights).student_.weights_
    answers = model.teacher_.predict(X)
    np.testing.assert_allclose(given[:N], weights * answers / answers.mean())
    assert len(np.unique(given[N:])) > 5


def test_a_student_without_weights_learns_logarithms_too():
    X, y = claims()
    model = distilled(POSITIVE[0], X, y, KNeighborsRegressor(5))
    assert model.link_ == "log"
    assert model._task.link.power == 2


class Sloped(RegressorMixin, BaseEstimator):
    """A teacher of chosen answers: the first column, plus a constant."""

    def __init__(self, plus=0.0, least=-np.inf, objective="squared_error"):
        self.plus, self.least, self.objective = plus, least, objective

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        return np.maximum(np.asarray(X)[:, 0] + self.plus, self.least)


@pytest.mark.parametrize("student", STUDENTS)
def test_a_student_does_not_fall_below_the_lowest_answer_of_a_positive_teacher(student):
    X, y = claims()
    model = distilled(FrozenEstimator(Sloped(least=0.25).fit(X, y)), X, y, student)
    assert model.link_ == "identity"
    assert model.least_prediction_.tolist() == [0.25]
    file = exported(model)
    low = np.linspace(-30, 30, 999)[:, None] * np.ones(3)
    assert model.predict(low).min() >= 0.25
    assert file.predict(low).min() >= 0.25
    assert (file.metadata["link"], file.metadata["least"]) == ("identity", [0.25])


def test_an_answer_below_zero_to_a_synthetic_row_leaves_the_student_unbounded():
    X, y = np.random.default_rng(0).normal(size=(N, 2)), np.zeros(N)
    X[:, 0] = np.abs(X[:, 0])

    class Correlated(Sloped):  # positive wherever both columns agree, as they do in all real rows
        def predict(self, X):
            return 1.0 - 2 * np.abs(X[:, 0] - X[:, 1])

    X[:, 1] = X[:, 0]
    model = distilled(FrozenEstimator(Correlated().fit(X, y)), X, y, augmenter="marginal")
    assert model.teacher_.predict(X).min() > 0
    assert model.least_prediction_ is None
    alone = distilled(FrozenEstimator(Correlated().fit(X, y)), X, y, augmenter=None)
    assert alone.least_prediction_.tolist() == [1.0]


def test_a_negative_teacher_and_an_explicit_identity_have_no_bound():
    X, y = claims()
    assert distilled(LinearRegression(), X, y - 5).least_prediction_ is None
    assert distilled(FrozenEstimator(Sloped(least=0.25).fit(X, y)), X, y, link="identity").least_prediction_ is None


def test_a_forest_that_answers_zero_has_a_student_that_never_answers_less():
    X, y = claims()
    model = distilled(RandomForestRegressor(5, random_state=0), X, y, "mlp")
    assert model.link_ == "identity"
    assert model.least_prediction_.tolist() == [0.0]
    assert model.predict(X * 3).min() >= 0


class Beyond(BaseEstimator):
    """An augmenter of rows that no teacher has seen."""

    def fit(self, X):
        self.shape_ = X.shape[1]
        return self

    def sample(self, n, random_state=None):
        return np.full((n, self.shape_), -9.0)


def test_a_synthetic_row_that_a_logarithm_cannot_have_counts_as_the_lowest_answer():
    X, y = claims()
    X[:, 0] = np.abs(X[:, 0]) + 1
    teacher = FrozenEstimator(Sloped(plus=-0.5).fit(X, y))
    link = choose_link("log", Objective(), teacher.predict(X)[:, None], "Sloped")
    lowest = teacher.predict(X).min()
    np.testing.assert_allclose(np.exp(link.targets(np.array([[-3.0], [0.0], [7.0]]))), [[lowest], [lowest], [7.0]])
    assert np.isfinite(link.emphasis(np.array([[-3.0]]))).all()
    model = distilled(FrozenEstimator(Sloped(plus=-0.5).fit(X, y)), X, y, link="log", augmenter=Beyond())
    assert model.predict(X).min() > 0


@pytest.mark.parametrize(
    ("link", "value", "words"),
    [("log", 0.0, "above zero"), ("logit", 0.0, "between zero and one"), ("logit", 1.0, "between zero and one")],
)
def test_answers_that_contradict_a_link_are_refused(link, value, words):
    X = np.full((50, 2), 0.5)
    X[:, 1] = np.arange(50)
    X[7, 0] = value
    with pytest.raises(ValueError, match=rf"link='{link}' needs answers {words}.* answers {value:g} to row 7") as error:
        distilled(FrozenEstimator(Sloped().fit(X, X[:, 0])), X, X[:, 0], link=link)
    assert "'auto' or 'identity'" in str(error.value)


@pytest.mark.parametrize("student", STUDENTS)
def test_students_of_shares_answer_between_zero_and_one(student):
    X, _ = claims()
    y = 1 / (1 + np.exp(-3 * X[:, 0]))
    model = distilled(XGBRegressor(objective="reg:logistic", n_estimators=20, n_jobs=1), X, y, student)
    assert model.link_ == "logit"
    file = exported(model)
    for rows in (X, 100 * X):
        for answers in (model.predict(rows), file.predict(rows)):
            assert (answers > 0).all()
            assert (answers < 1).all()
    np.testing.assert_allclose(file.predict(X), model.predict(X), atol=1e-5)


def test_a_cross_entropy_of_lightgbm_means_log_odds():
    X, _ = claims()
    y = np.clip(0.5 + X[:, 0] / 10, 0.01, 0.99)
    assert distilled(LGBMRegressor(objective="cross_entropy", **FEW), X, y).link_ == "logit"


@pytest.mark.parametrize("student", QUICK)
@pytest.mark.parametrize("far", [1e-6, 1.0, 1e7])
def test_answers_that_differ_little_for_their_size_stay_apart_in_the_file(student, far):
    X, y = claims()
    teacher = FrozenEstimator(LinearRegression().fit(X, far * (1 + 1e-4 * np.tanh(X[:, 0]))))
    model = distilled(teacher, X, y, student, link="log")
    answers = exported(model).predict(X)
    np.testing.assert_allclose(answers, model.predict(X), rtol=1e-8)
    assert len(np.unique(answers)) > 3


def test_scores_that_exponentials_cannot_hold_are_clipped_in_python_and_in_the_file():
    X = np.linspace(-1, 1, N)[:, None] * np.ones(2)
    teacher = FrozenEstimator(TransformedTargetRegressor(LinearRegression(), func=np.log, inverse_func=np.exp))
    teacher.estimator.fit(X, np.exp(40 * X[:, 0]))
    model = distilled(teacher, X, X[:, 0], "ridge", link="log", augmenter=None)
    file, extreme = exported(model), np.array([[-50.0, -50.0], [50.0, 50.0]])
    for answers in (model.predict(extreme), file.predict(extreme)):
        assert (answers > 0).all()
        assert np.isfinite(answers).all()
    np.testing.assert_allclose(file.predict(extreme), model.predict(extreme), rtol=1e-5)


@pytest.mark.parametrize("student", STUDENTS)
def test_a_teacher_of_several_targets_has_one_link(student):
    X, y = claims()
    Y = np.column_stack([y, 2 * y + 1])
    teacher = RandomForestRegressor(10, min_samples_leaf=20, random_state=0)
    model = distilled(teacher, X, Y, student)
    assert model.link_ == "identity"
    assert model.least_prediction_.shape == (2,)
    assert (model.predict(10 * X) >= model.least_prediction_).all()
    logged = distilled(teacher, X, Y, student, link="log")
    assert (logged.predict(X) > 0).all()
    np.testing.assert_allclose(logged.predict(X).sum(axis=0), logged.teacher_.predict(X).sum(axis=0))
    np.testing.assert_allclose(exported(logged).predict(X), logged.predict(X), rtol=2e-5)


@pytest.mark.parametrize(
    "teacher",
    [
        LGBMRegressor(objective="quantile", alpha=0.9, **FEW),
        HistGradientBoostingRegressor(loss="quantile", quantile=0.9, max_iter=10),
    ],
)
def test_a_quantile_of_counts_is_never_below_zero(teacher):
    X, y = claims()
    model = distilled(teacher, X, y + 1, "mlp")
    assert model.link_ == "identity"
    assert model.least_prediction_[0] > 0
    assert model.predict(5 * X).min() >= model.least_prediction_[0]


def test_labels_of_zero_blend_with_positive_answers():
    X, y = claims()
    model = distilled(POSITIVE[0], X, y, alpha=0.5)
    assert model.link_ == "log"
    assert (model.predict(X) > 0).all()


def test_frames_with_categories_and_missing_values_have_positive_answers(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.normal(40, 10, N), "region": rng.choice(["north", "south"], N)})
    frame = frame.astype({"region": "category"})
    frame.loc[::7, "age"] = np.nan
    y = rng.poisson(np.where(frame["region"] == "north", 0.2, 2.0)).astype(float)
    model = distilled(POSITIVE[0], frame, y, "mlp")
    model.to_onnx(tmp_path / "m.onnx")
    file = load(tmp_path / "m.onnx")
    frame.loc[0, "region"] = None
    assert (file.predict(frame) > 0).all()


def test_the_report_compares_deviances():
    X, y = claims(1000)
    model = distilled(POSITIVE[0], X[:600], y[:600], "boosted_trees")
    report = evaluate(model, X[600:], y[600:], X_train=X[:600], y_train=y[:600], n_resamples=99)
    assert report.metric == "neg_mean_poisson_deviance"
    truth, given = y[600:], {"teacher": model.teacher_.predict(X[600:]), "student": model.predict(X[600:])}
    loss = {name: mean_poisson_deviance(truth, answers) for name, answers in given.items()}
    assert report.metrics["student"]["poisson_deviance"] == pytest.approx(loss["student"])
    assert "r2" in report.metrics["student"]
    prior = mean_poisson_deviance(truth, np.full(len(truth), truth.mean()))
    assert report.skill_kept == pytest.approx((prior - loss["student"]) / (prior - loss["teacher"]))
    # The rival that learns from the labels alone answers like a model that could be shipped, too.
    assert report.scores["hard"].min() >= model.teacher_.predict(X[:600]).min()
