"""A frame of probabilities is read by the names of its columns; names that are not the classes are refused."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tabkd import DistilledClassifier, DistilledRegressor
from tabkd.teachers._answers import soft_targets
from tabkd.teachers._classes import AS_COLUMN, translated
from tests.small_tables import numeric_frame, signal

X = numeric_frame(200)
POSITIVE = 1 / (1 + np.exp(-signal(X)))


class Model:
    """Answers `predict_proba` by a function of the table, and states the classes that it is given."""

    def __init__(self, answer, **stated):
        self.answer = answer
        vars(self).update(stated)

    def predict_proba(self, X):
        return self.answer(1 / (1 + np.exp(-signal(X))))


class H2OLike:
    """Answers `predict` with the likeliest class, then a column for each class."""

    def __init__(self, *names):
        self.names = names

    def predict(self, X):
        positive = 1 / (1 + np.exp(-signal(X)))
        first, second = self.names
        return pd.DataFrame({"predict": positive > 0.5, first: 1 - positive, second: positive})


class Values:
    """Answers `predict` by a function of the values."""

    def __init__(self, answer):
        self.answer = answer

    def predict(self, X):
        return self.answer(signal(X))


def frame_of(names):
    """Answers in a pandas frame, the probability of the second class first."""
    return lambda p: pd.DataFrame(np.column_stack([p, 1 - p]), columns=names)


def distilled(teacher, cls=DistilledClassifier):
    return cls(teacher, student="tree", n_synthetic=100, random_state=0, n_jobs=1)


def labels(classes):
    return np.array(classes)[(POSITIVE > 0.5).astype(int)]


def assert_teaches(teacher, classes):
    y = labels(classes)
    model = distilled(teacher).fit(X, y)
    assert model.classes_.tolist() == classes
    np.testing.assert_allclose(soft_targets(teacher, X, model.classes_)[:, 1], POSITIVE)
    assert model.score(X, y) > 0.8


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        (["no", "yes"], ["yes", "no"]),
        ([0, 1], [1, 0]),
        ([0, 1], [np.int64(1), np.int32(0)]),
        ([0, 1], ["1", "0"]),
        ([0, 1], ["p1", "p0"]),
        ([-1, 1], ["1", "-1"]),
        ([False, True], [True, False]),
        ([False, True], ["True", "False"]),
        ([False, True], ["pTrue", "pFalse"]),
        (["no", "yes"], ["pyes", "pno"]),
        (["0", "1"], [1, 0]),
        (["a", "pa"], ["pa", "a"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("stated", [{}, "classes_", "class_labels", "classes"], ids=str)
def test_columns_in_any_order_are_read_by_name(classes, names, stated):
    stated = {stated: np.array(classes)} if stated else {}
    assert_teaches(Model(frame_of(names), **stated), classes)


@pytest.mark.parametrize("attribute", ["classes_", "class_labels", "classes"])
@pytest.mark.parametrize("classes", [[0, 1], ["no", "yes"], [np.False_, np.True_]], ids=str)
def test_columns_without_names_are_in_the_order_of_the_stated_classes(attribute, classes):
    teacher = Model(lambda p: np.column_stack([p, 1 - p]), **{attribute: classes[::-1]})
    assert_teaches(teacher, np.array(classes).tolist())


@pytest.mark.parametrize("names", [["yes", "no"], ["pyes", "pno"]], ids=str)
def test_polars_columns_are_read_by_name(names):
    assert_teaches(Model(lambda p: pl.DataFrame({names[0]: p, names[1]: 1 - p})), ["no", "yes"])


@pytest.mark.parametrize("series", [pd.Series, lambda p, name=None: pl.Series(name, p)], ids=["pandas", "polars"])
def test_a_series_holds_the_second_class_or_the_one_of_its_name(series):
    assert_teaches(Model(series, classes_=["no", "yes"]), ["no", "yes"])
    assert_teaches(Model(lambda p: series(p, name="label"), classes_=["no", "yes"]), ["no", "yes"])
    assert_teaches(Model(lambda p: series(p, name="yes"), classes_=["no", "yes"]), ["no", "yes"])
    assert_teaches(Model(lambda p: series(1 - p, name="no"), classes_=["no", "yes"]), ["no", "yes"])


@pytest.mark.parametrize(
    ("classes", "names"), [([0, 1], ["p0", "p1"]), (["no", "yes"], ["no", "yes"]), (["no", "yes"], ["pno", "pyes"])]
)
def test_a_predict_like_that_of_h2o_teaches(classes, names):
    assert_teaches(H2OLike(*names), classes)


# What is refused


@pytest.mark.parametrize(
    "names",
    [["maybe", "no"], [0, 1], ["No", "Yes"], ["yes", "yes"], ["p_no", "p_yes"], ["yes", "pno"]],
    ids=str,
)
def test_names_that_are_not_the_stated_classes_are_refused_with_both(names):
    teacher = Model(frame_of(names), classes_=["no", "yes"])
    with pytest.raises(ValueError, match=r"in the columns \[.*but its classes are \['no', 'yes'\]. Name the columns"):
        distilled(teacher).fit(X, labels(["no", "yes"]))


def test_a_frame_of_other_columns_than_the_stated_classes_is_refused():
    for answer in (
        lambda p: pd.DataFrame({"yes": p}),
        lambda p: pd.DataFrame({"predict": p > 0.5, "no": 1 - p, "yes": p}),
    ):
        with pytest.raises(ValueError, match=r"columns \[.*'yes'\], but its classes are \['no', 'yes'\]"):
            distilled(Model(answer, classes_=["no", "yes"])).fit(X, labels(["no", "yes"]))


def test_names_that_are_not_the_labels_are_refused_where_no_classes_are_stated():
    with pytest.raises(ValueError, match=r"y holds the classes \['no', 'yes'\].*does not know.*\['1.0', '0.0'\]"):
        distilled(Model(frame_of(["1.0", "0.0"]))).fit(X, labels(["no", "yes"]))


def test_an_array_of_a_model_without_classes_is_refused():
    with pytest.raises(TypeError, match=r"no attribute `classes_`.*or let predict_proba return a frame whose columns"):
        distilled(Model(lambda p: np.column_stack([1 - p, p]))).fit(X, labels(["no", "yes"]))


@pytest.mark.parametrize(
    "answer",
    [
        lambda p: np.where(p > 0, "yes", "no"),
        lambda p: pd.DataFrame({"predict": p > 0}),
        lambda p: pd.DataFrame({"label": p > 0, "no": p, "yes": p}),
    ],
    ids=["labels", "one column", "no column predict"],
)
def test_a_predict_without_probabilities_is_refused(answer):
    with pytest.raises(TypeError, match=r"Values has no `predict_proba`.*Give it a method predict_proba"):
        distilled(Values(answer)).fit(X, labels(["no", "yes"]))


# Values


@pytest.mark.parametrize(
    "form",
    [
        pd.Series,
        pl.Series,
        lambda v: pd.DataFrame({"predict": v}),
        lambda v: pl.DataFrame({"predict": v}),
        lambda v: v[:, None],
        lambda v: v.astype(np.float32),
        lambda v: v.astype(object),
        list,
    ],
    ids=["series", "polars series", "frame", "polars frame", "column", "float32", "objects", "list"],
)
def test_values_in_any_form_teach(form):
    model = distilled(Values(form), DistilledRegressor).fit(X, signal(X))
    np.testing.assert_allclose(soft_targets(Values(form), X)[:, 0], signal(X), rtol=1e-6)
    assert model.predict(X).shape == (len(X),)
    assert model.score(X, signal(X)) > 0.8


def test_labels_are_not_values():
    teacher = Values(lambda v: np.where(v > 0, "yes", "no"))
    with pytest.raises(ValueError, match=r"predict of teacher Values gave '.*', but a regression needs numbers"):
        distilled(teacher, DistilledRegressor).fit(X, signal(X))


@pytest.mark.parametrize("answer", [lambda v: 1.0, lambda v: v[:5], lambda v: pd.Series(v[:5])])
def test_an_answer_of_other_rows_is_refused(answer):
    with pytest.raises(ValueError, match=r"predict of teacher Values gave [05] answers to 200 rows"):
        distilled(Values(answer), DistilledRegressor).fit(X, signal(X))


def test_what_cannot_be_copied_is_to_be_fitted_first():
    class HomeMade:
        def fit(self, X, y):
            self.mean = np.mean(y)
            return self

        def predict(self, X):
            return np.full(len(X), self.mean)

    with pytest.raises(AttributeError, match="mean") as raised:
        distilled(HomeMade(), DistilledRegressor).fit(X, signal(X))
    assert "HomeMade has a `fit` but no `get_params`" in raised.value.__notes__[0]
    assert "fit it first, or derive its class from" in raised.value.__notes__[0]
    fitted = HomeMade().fit(X, signal(X))
    assert distilled(fitted, DistilledRegressor).fit(X, signal(X)).predict(X)[0] == pytest.approx(fitted.mean)


# The rule itself


@pytest.mark.parametrize(
    ("names", "classes", "meaning"),
    [
        (["b", "a"], ["a", "b"], ["b", "a"]),
        ([2, 1, 0], [0, 1], [2, 1, 0]),
        (["1", "0"], [0, 1], [1, 0]),
        (["p1", "p0"], [0, 1], [1, 0]),
        (["1", "p0"], [0, 1], ["1", "p0"]),
        (["0", "1", "2"], [0, 1], ["0", "1", "2"]),
        (["1", "1"], [0, 1], ["1", "1"]),
        (["1.0", "0.0"], [0, 1], ["1.0", "0.0"]),
        ([1.0, 0.0], [0, 1], [1.0, 0.0]),
    ],
    ids=str,
)
def test_names_mean_classes_only_where_they_are_exactly_them(names, classes, meaning):
    assert translated(names, classes, AS_COLUMN) == meaning


def test_a_further_column_beside_classes_that_are_numbers_is_refused():
    model = Model(lambda p: pd.DataFrame({0: 1 - p, 1: p, "odds": p / (1 - p)}))
    with pytest.raises(ValueError, match=r"the classes of teacher Model are \[0, 1, 'odds'\].*Leave out columns"):
        DistilledClassifier(model, student="tree", n_synthetic=0).fit(X, (POSITIVE > 0.5).astype(int))


def test_a_class_that_is_stated_twice_is_refused():
    model = Model(lambda p: np.column_stack([1 - p, p / 2, p / 2]), classes_=[0, 1, 1])
    with pytest.raises(ValueError, match=r"the classes of teacher Model are \[0, 1, 1\]; each has to occur once"):
        DistilledClassifier(model, student="tree", n_synthetic=0).fit(X, (POSITIVE > 0.5).astype(int))


@pytest.mark.parametrize(("given", "expected"), [(2, 1), (1, 2)])
def test_values_of_more_or_fewer_targets_than_y_are_refused(given, expected):
    teacher = type("Values", (), {"predict": lambda self, X: np.zeros((len(X), given))})()
    with pytest.raises(ValueError, match=f"predict of teacher Values gave {given} targets, but y has {expected}"):
        DistilledRegressor(teacher, student="tree", n_synthetic=0).fit(
            X, np.column_stack([POSITIVE] * expected).squeeze()
        )
