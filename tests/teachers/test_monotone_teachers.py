"""The monotone constraints that teachers were fitted with, and what distilled estimators make of them."""

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier, XGBRegressor

from tabkd import DistilledClassifier, DistilledRegressor
from tabkd._tables.schema import TableSchema
from tabkd.students import BoostedTreesStudent, TreeStudent
from tabkd.teachers import DefaultTeacherClassifier, DefaultTeacherRegressor
from tabkd.teachers._constraints import teacher_directions
from tabkd.teachers._integer_classes import with_integer_classes
from tests.teachers.predictor import TabularPredictor

NAMES = ["income", "debt level", "age"]
QUICK = {"n_estimators": 5, "verbosity": 0, "n_jobs": 1}
LGBM = {"n_estimators": 5, "verbosity": -1, "n_jobs": 1}
EXPECTED = [1, -1, 0]


def numbers(n=300, seed=0) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(n, 3)), columns=NAMES)


def values(X) -> np.ndarray:
    return (X["income"] - X["debt level"] + np.sin(3 * X["age"])).to_numpy()


def labels(X) -> np.ndarray:
    return np.where(values(X) > 0, "yes", "no")


def found(teacher, X=None) -> list[int]:
    return teacher_directions(teacher, TableSchema.of(numbers() if X is None else X)).tolist()


CONSTRAINED = {
    "LightGBM": LGBMClassifier(monotone_constraints=[1, -1, 0], **LGBM),
    "LightGBM, another name": LGBMClassifier(mc=[1, -1, 0], **LGBM),
    "LightGBM, scikit-learn's name": LGBMClassifier(monotonic_cst=[1, -1, 0], **LGBM),
    "LightGBM, text": LGBMRegressor(monotone_constraints="1,-1,0", **LGBM),
    "XGBoost, tuple": XGBRegressor(monotone_constraints=(1, -1, 0), **QUICK),
    "XGBoost, text": XGBRegressor(monotone_constraints="(1,-1,0)", **QUICK),
    "XGBoost, fewer": XGBRegressor(monotone_constraints="(1,-1)", **QUICK),
    "XGBoost, names": XGBRegressor(monotone_constraints={"debt level": -1, "income": 1}, **QUICK),
    "histogram, list": HistGradientBoostingClassifier(max_iter=5, monotonic_cst=[1, -1, 0]),
    "histogram, names": HistGradientBoostingRegressor(max_iter=5, monotonic_cst={"income": 1, "debt level": -1}),
    "forest": RandomForestClassifier(5, monotonic_cst=[1, -1, 0]),
    "extra trees": ExtraTreesClassifier(5, monotonic_cst=np.array([1, -1, 0])),
    "tree": DecisionTreeClassifier(max_depth=3, monotonic_cst=[1, -1, 0]),
    "default teacher": DefaultTeacherRegressor(n_estimators=5, monotonic_cst={"income": 1, "debt level": -1}),
    "default teacher of classes": DefaultTeacherClassifier(n_estimators=5, monotonic_cst=[1, -1, 0]),
}


@pytest.mark.parametrize("name", CONSTRAINED)
def test_constraints_are_read_in_each_form_that_libraries_take(name):
    teacher, X = CONSTRAINED[name], numbers()
    y = values(X) if is_regressor(teacher) else labels(X)
    assert found(teacher.fit(X, y)) == EXPECTED


@pytest.mark.parametrize("kind", ["list", "text", "positions", "names"])
def test_constraints_of_catboost_are_read_in_each_form_that_it_takes(kind):
    catboost = pytest.importorskip("catboost")
    forms = {"list": [1, -1, 0], "text": "(1,-1,0)", "positions": "0:1,1:-1", "names": {"income": 1, "debt level": -1}}
    teacher = catboost.CatBoostRegressor(
        iterations=5, monotone_constraints=forms[kind], verbose=0, allow_writing_files=False
    )
    assert found(teacher.fit(numbers(), values(numbers()))) == EXPECTED


def test_text_and_names_as_catboost_has_them_are_read_without_it():
    class Like:
        feature_names_ = NAMES

        def __init__(self, constraints):
            self.constraints = constraints

        def get_params(self, deep=True):
            return {"monotone_constraints": self.constraints}

    for constraints in ("income:1,debt level:-1", "0:1,1:-1", {0: 1, 1: -1}, {"0": 1, "1": -1}, [1, -1], "(1,-1,0)"):
        assert found(Like(constraints)) == EXPECTED, constraints


def test_a_teacher_without_constraints_has_no_directions():
    X = numbers()
    for teacher in (LGBMClassifier(**LGBM), RandomForestClassifier(3), make_pipeline(StandardScaler(), Ridge())):
        y = labels(X) if hasattr(teacher, "predict_proba") else values(X)
        assert found(teacher.fit(X, y)) == [0, 0, 0]


def constrained(directions=(1, -1, 0)):
    return HistGradientBoostingClassifier(max_iter=5, monotonic_cst=list(directions))


def mixed(n=300) -> pd.DataFrame:
    return numbers(n).assign(town=np.random.default_rng(1).choice(["A", "B"], n))


def columns_first(first, second):
    return ColumnTransformer([("first", *first), ("second", *second)])


BEHIND = {
    "scaler": (numbers, make_pipeline(StandardScaler(), constrained())),
    "imputer that adds columns": (
        lambda: numbers().mask(np.random.default_rng(0).random((300, 3)) < 0.2),
        make_pipeline(SimpleImputer(add_indicator=True), constrained([1, -1, 0, 0, 0, 0])),
    ),
    "frozen": (numbers, FrozenEstimator(constrained())),
    "pipeline in a pipeline": (numbers, make_pipeline("passthrough", make_pipeline(StandardScaler(), constrained()))),
    "passthrough function": (numbers, make_pipeline(FunctionTransformer(), constrained())),
    "search": (numbers, GridSearchCV(constrained(), {"max_depth": [2, 3]}, cv=2)),
    "calibration": (numbers, CalibratedClassifierCV(constrained(), cv=2)),
    "isotonic calibration": (numbers, CalibratedClassifierCV(constrained(), method="isotonic", cv=2)),
    "vote": (numbers, VotingClassifier([("a", constrained()), ("b", constrained())], voting="soft")),
    "vote with weights": (numbers, VotingClassifier([("a", constrained()), ("b", constrained())], weights=[2, 0])),
    "bagging": (numbers, BaggingClassifier(constrained(), n_estimators=2, random_state=0)),
    "bagging of a pipeline": (numbers, BaggingClassifier(make_pipeline(StandardScaler(), constrained()), 2)),
    "threshold": (numbers, FixedThresholdClassifier(constrained(), threshold=0.3)),
    "tuned threshold": (numbers, TunedThresholdClassifierCV(constrained(), cv=2)),
    "calibrated bagging in a search": (
        numbers,
        GridSearchCV(CalibratedClassifierCV(BaggingClassifier(constrained(), 2), cv=2), {"cv": [2]}, cv=2),
    ),
    "column transformer": (
        mixed,
        make_pipeline(
            columns_first(
                (OneHotEncoder(sparse_output=False), ["town"]),
                (make_pipeline(SimpleImputer(), StandardScaler()), ["debt level", "income"]),
            ),
            constrained([0, 0, -1, 1]),
        ),
    ),
    "rest of a column transformer": (
        mixed,
        make_pipeline(
            make_column_transformer((OneHotEncoder(sparse_output=False), ["town"]), remainder="passthrough"),
            constrained([0, 0, 1, -1, 0]),
        ),
    ),
}


@pytest.mark.parametrize("name", BEHIND)
def test_constraints_are_found_behind_steps_that_keep_the_order_of_values(name):
    table, teacher = BEHIND[name]
    X = table()
    y = labels(X.fillna(0) if X.isna().any(axis=None) else X)
    if name == "frozen":
        teacher.estimator.fit(X, y)
    assert found(teacher.fit(X, y), X)[:3] == EXPECTED


def rising(directions=(1, -1, 0)):
    return HistGradientBoostingRegressor(max_iter=5, monotonic_cst=list(directions))


REGRESSORS = {
    "vote": VotingRegressor([("a", rising()), ("b", rising())]),
    "bagging": BaggingRegressor(rising(), n_estimators=2, random_state=0),
    "target as it is": TransformedTargetRegressor(rising()),
    "target in logarithms": TransformedTargetRegressor(rising(), func=np.log1p, inverse_func=np.expm1),
    "target of a scaler": TransformedTargetRegressor(rising(), transformer=StandardScaler()),
}


@pytest.mark.parametrize("name", REGRESSORS)
def test_constraints_of_regressors_are_found_in_what_wraps_them(name):
    teacher = REGRESSORS[name].fit(numbers(), np.exp(values(numbers())))
    assert found(teacher) == EXPECTED
    for column, direction in (("income", 1), ("debt level", -1)):
        assert breaks(teacher.predict, column, direction) <= 1e-9


def test_models_that_do_not_read_a_column_have_no_say_in_its_direction():
    X = numbers()
    teacher = BaggingRegressor(rising([1, 1]), n_estimators=12, max_features=2, random_state=0).fit(X, values(X))
    assert len({tuple(sorted(columns)) for columns in teacher.estimators_features_}) == 3
    assert found(teacher) == [1, 1, 1]
    assert max(breaks(teacher.predict, column, 1) for column in NAMES) <= 1e-9
    mixed_up = BaggingRegressor(rising([1, -1]), n_estimators=12, max_features=2, random_state=0).fit(X, values(X))
    first, second = ({int(columns[k]) for columns in mixed_up.estimators_features_} for k in (0, 1))
    assert found(mixed_up) == [
        0 if i in first & second else 1 if i in first else -1 if i in second else 0 for i in range(3)
    ]


def test_integer_classes_are_looked_through():
    teacher = with_integer_classes(XGBClassifier(monotone_constraints=(1, -1, 0), **QUICK), labels(numbers()))
    assert found(teacher.fit(numbers(), labels(numbers()))) == EXPECTED


def test_a_distilled_model_hands_its_constraints_on_and_a_student_alone_does():
    X = numbers()
    teacher = LGBMRegressor(monotone_constraints=[1, -1, 0], **LGBM)
    model = DistilledRegressor(teacher, student="tree", n_synthetic=300).fit(X, values(X))
    assert found(FrozenEstimator(model)) == found(model.student_) == EXPECTED
    free = model.set_params(monotonic_cst=None).fit(X, values(X))
    assert found(free) == [0, 0, 0]


UNKNOWN = {
    "products": make_pipeline(PolynomialFeatures(include_bias=False), constrained([1, -1, 0] + [0] * 6)),
    "a function": make_pipeline(FunctionTransformer(np.negative), constrained()),
    "voters that disagree": VotingClassifier(
        [("a", constrained()), ("b", constrained([0, 0, 0]))],
        voting="soft",
    ),
    "voters that count against": VotingClassifier(
        [("a", constrained()), ("b", constrained())], voting="soft", weights=[3, -1]
    ),
    "a stack": StackingClassifier([("a", constrained()), ("b", constrained())], LogisticRegression(), cv=2),
    "a column that is read twice": make_pipeline(
        columns_first((StandardScaler(), ["income", "debt level"]), (PolynomialFeatures(), ["income", "debt level"])),
        constrained([1, -1] + [0] * 6),
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_constraints_that_may_not_hold_for_columns_of_the_table_are_not_read(name):
    X = numbers()
    assert found(UNKNOWN[name].fit(X, labels(X))) == [0, 0, 0]


@pytest.mark.parametrize("inverse", [np.negative, np.square, lambda z: z])
def test_a_target_that_may_be_turned_around_has_no_directions(inverse):
    teacher = TransformedTargetRegressor(rising(), func=np.abs, inverse_func=inverse, check_inverse=False)
    assert found(teacher.fit(numbers(), values(numbers()))) == [0, 0, 0]


def test_a_model_of_another_kind_has_no_directions():
    X = numbers()
    assert found(TabularPredictor("y").fit(X.assign(y=labels(X)))) == [0, 0, 0]


# What distilled estimators make of them


def breaks(predict, column, direction) -> float:
    grid = np.linspace(-3, 3, 30)
    rows = numbers(100, 1)
    moved = rows.loc[np.repeat(rows.index, 30)].assign(**{column: np.tile(grid, 100)})
    return float((-direction * np.diff(predict(moved).reshape(100, 30), axis=1)).max())


@pytest.mark.parametrize("student", [TreeStudent(), BoostedTreesStudent(n_estimators=20)])
def test_a_student_keeps_the_constraints_of_its_teacher(student):
    X = numbers()
    teacher = LGBMClassifier(monotone_constraints=[1, -1, 0], **LGBM)
    model = DistilledClassifier(teacher, student=student, n_synthetic=500, random_state=0).fit(X, labels(X))
    assert model.student_.monotonic_cst_.tolist() == EXPECTED
    assert breaks(lambda X: model.predict_proba(X)[:, 1], "income", 1) <= 1e-12
    off = DistilledClassifier(teacher, student=student, n_synthetic=500, monotonic_cst=None).fit(X, labels(X))
    assert not off.student_.monotonic_cst_.any()


def test_constraints_of_the_user_replace_those_of_the_teacher():
    X = numbers()
    teacher = XGBRegressor(monotone_constraints=(1, -1, 0), **QUICK)
    model = DistilledRegressor(teacher, student="tree", n_synthetic=300, monotonic_cst={"age": -1, "income": 1})
    assert model.fit(X, values(X)).student_.monotonic_cst_.tolist() == [1, 0, -1]


def test_constraints_of_the_student_itself_are_those_of_the_user():
    X = numbers()
    student = TreeStudent(monotonic_cst=[0, 0, 1])
    model = DistilledRegressor(RandomForestRegressor(3), student=student, n_synthetic=300).fit(X, values(X))
    assert model.student_.monotonic_cst_.tolist() == [0, 0, 1]
    with pytest.raises(ValueError, match="given for DistilledRegressor and for its student; leave one out"):
        model.set_params(monotonic_cst={"age": 1}).fit(X, values(X))


def test_the_default_teacher_is_fitted_with_the_constraints_of_the_user():
    X = numbers()
    model = DistilledRegressor(student="tree", n_synthetic=300, monotonic_cst={"age": 1}, random_state=0)
    model.set_params(teacher__n_estimators=10).fit(X, values(X))
    assert breaks(model.teacher_.predict, "age", 1) <= 1e-6
    assert breaks(model.predict, "age", 1) <= 1e-12


def test_constraints_that_contradict_the_teacher_are_refused():
    X = numbers()
    teacher = LGBMRegressor(monotone_constraints=[1, -1, 0], **LGBM)
    model = DistilledRegressor(teacher, monotonic_cst={"debt level": 1})
    with pytest.raises(
        ValueError, match=r"column 'debt level' is 1 \(rising\), but the teacher was fitted with -1 \(falling\)"
    ):
        model.fit(X, values(X))


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ({"salary": 1}, "monotonic_cst names 'salary', which is not a column"),
        ({"town": -1}, "constrains column 'town', which is categorical"),
        ("rising", "monotonic_cst"),
    ],
)
def test_constraints_that_mean_nothing_are_refused_before_the_teacher_is_fitted(constraints, message):
    X = mixed()
    model = DistilledRegressor(RandomForestRegressor(3), monotonic_cst=constraints)
    with pytest.raises(ValueError, match=message):
        model.fit(X, values(X))  # the forest would refuse the names of towns


def test_three_classes_keep_nothing_of_the_teacher_and_refuse_constraints_of_the_user():
    X = numbers()
    y = np.digitize(values(X), [-1, 1])
    teacher = LGBMClassifier(monotone_constraints=[1, -1, 0], **LGBM)
    model = DistilledClassifier(teacher, student="tree", n_synthetic=300).fit(X, y)
    assert not model.student_.monotonic_cst_.any()
    with pytest.raises(ValueError, match="there are 3 classes"):
        model.set_params(monotonic_cst={"income": 1}).fit(X, y)
    with pytest.raises(ValueError, match="there are 3 classes"):
        DefaultTeacherClassifier(monotonic_cst={"income": 1}).fit(X, y)


def test_a_student_of_another_library_warns_of_the_teachers_constraints_and_refuses_the_users():
    X = numbers()
    teacher = LGBMRegressor(monotone_constraints=[1, -1, 0], **LGBM)
    model = DistilledRegressor(teacher, student=Ridge(), n_synthetic=300)
    with pytest.warns(UserWarning, match="monotone in 'income', 'debt level', but student Ridge takes no"):
        model.fit(X, values(X))
    with pytest.raises(ValueError, match=r"student Ridge takes no monotonic_cst.*Use one of tabkd's students"):
        model.set_params(monotonic_cst={"income": 1}).fit(X, values(X))


def test_a_temperature_and_labels_of_any_kind_keep_the_direction():
    X = numbers()
    model = DistilledClassifier(
        RandomForestClassifier(10, random_state=0),
        student="boosted_trees",
        n_synthetic=500,
        temperature=3.0,
        alpha=0.5,
        monotonic_cst={"age": 1},
        random_state=0,
    ).fit(X, labels(X))
    assert model.classes_.tolist() == ["no", "yes"]
    assert breaks(lambda X: model.predict_proba(X)[:, 1], "age", 1) <= 1e-12
