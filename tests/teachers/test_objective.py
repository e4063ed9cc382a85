"""What a teacher was fitted for, read from its parameters behind whatever it is wrapped in."""

import numpy as np
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import (
    GammaRegressor,
    HuberRegressor,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    TweedieRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier, XGBRegressor

from tabkd.teachers._objective import Objective, class_weights_of, objective_of

SQUARED, ABSOLUTE, POISSON, GAMMA = (Objective(n) for n in ("squared_error", "absolute_error", "poisson", "gamma"))


class Bare:
    """A frozen teacher of the user's own: no parameters, but it may say what it was fitted for."""

    def __init__(self, **attributes):
        self.__dict__ |= attributes

    def predict(self, X):
        return np.zeros(len(X))


@pytest.mark.parametrize(
    ("teacher", "objective"),
    [
        (LGBMRegressor(), SQUARED),
        (LGBMRegressor(objective="poisson"), POISSON),
        (LGBMRegressor(objective="mae"), ABSOLUTE),
        (LGBMRegressor(objective="quantile", alpha=0.8), Objective("quantile", 0.8)),
        (LGBMRegressor(objective="quantile"), Objective("quantile", 0.9)),
        (LGBMRegressor(objective="tweedie", tweedie_variance_power=1.3), Objective("tweedie", 1.3)),
        (LGBMRegressor(objective="huber", alpha=2), Objective("huber", 2.0)),
        (LGBMRegressor(objective=lambda y, prediction: (prediction - y, np.ones_like(y))), SQUARED),
        (XGBRegressor(), SQUARED),
        (XGBRegressor(objective="count:poisson"), POISSON),
        (XGBRegressor(objective="reg:gamma"), GAMMA),
        (XGBRegressor(objective="reg:absoluteerror"), ABSOLUTE),
        (XGBRegressor(objective="reg:quantileerror", quantile_alpha=0.3), Objective("quantile", 0.3)),
        (XGBRegressor(objective="reg:quantileerror", quantile_alpha=[0.1, 0.9]), SQUARED),
        (XGBRegressor(objective="reg:tweedie", tweedie_variance_power=1.7), Objective("tweedie", 1.7)),
        (HistGradientBoostingRegressor(loss="poisson"), POISSON),
        (HistGradientBoostingRegressor(loss="quantile", quantile=0.2), Objective("quantile", 0.2)),
        (GradientBoostingRegressor(), SQUARED),
        (GradientBoostingRegressor(loss="quantile", alpha=0.7), Objective("quantile", 0.7)),
        (GradientBoostingRegressor(loss="huber"), Objective("huber")),
        (RandomForestRegressor(), SQUARED),
        (RandomForestRegressor(criterion="absolute_error"), ABSOLUTE),
        (RandomForestRegressor(criterion="poisson"), POISSON),
        (PoissonRegressor(), POISSON),
        (GammaRegressor(), GAMMA),
        (TweedieRegressor(power=1.5), Objective("tweedie", 1.5)),
        (TweedieRegressor(power=1), POISSON),
        (TweedieRegressor(power=0), SQUARED),
        (QuantileRegressor(quantile=0.25, alpha=0.1), Objective("quantile", 0.25)),
        (HuberRegressor(), Objective("huber")),
        (FrozenEstimator(make_pipeline(StandardScaler(), PoissonRegressor())), POISSON),
        (GridSearchCV(GammaRegressor(), {"alpha": [1]}), GAMMA),
        (MultiOutputRegressor(PoissonRegressor()), POISSON),
        (BaggingRegressor(PoissonRegressor()), POISSON),
        (VotingRegressor([("a", PoissonRegressor()), ("b", LGBMRegressor(objective="poisson"))]), POISSON),
        (VotingRegressor([("a", PoissonRegressor()), ("b", LGBMRegressor())]), SQUARED),
        (StackingRegressor([("a", PoissonRegressor())], GammaRegressor()), GAMMA),
        (StackingRegressor([("a", PoissonRegressor())]), SQUARED),
        (TransformedTargetRegressor(PoissonRegressor()), POISSON),
        (TransformedTargetRegressor(PoissonRegressor(), func=np.log1p, inverse_func=np.expm1), SQUARED),
        (TransformedTargetRegressor(LGBMRegressor(objective="l1"), func=np.log1p, inverse_func=np.expm1), ABSOLUTE),
        (Bare(), SQUARED),
        (Bare(objective="count:poisson"), POISSON),
        (Bare(params={"objective": "tweedie", "tweedie_variance_power": "1.25"}), Objective("tweedie", 1.25)),
        (FrozenEstimator(LinearRegression()), SQUARED),
    ],
)
def test_the_loss_of_a_regressor_is_known(teacher, objective):
    assert objective_of(teacher) == objective


def test_the_loss_of_catboost_is_known():
    catboost = pytest.importorskip("catboost")
    for text, objective in (
        ("RMSE", SQUARED),
        ("MAE", ABSOLUTE),
        ("Poisson", POISSON),
        ("Quantile:alpha=0.9", Objective("quantile", 0.9)),
        ("Quantile", Objective("quantile", 0.5)),
        ("Tweedie:variance_power=1.5", Objective("tweedie", 1.5)),
    ):
        assert objective_of(catboost.CatBoostRegressor(loss_function=text)) == objective
    balanced = catboost.CatBoostClassifier(auto_class_weights="Balanced")
    assert class_weights_of(balanced, LABELS, CODES)[0].tolist() == pytest.approx([5 / 9, 5])
    listed = catboost.CatBoostClassifier(class_weights=[1, 4])
    assert class_weights_of(listed, LABELS, CODES)[0].tolist() == [1, 4]


@pytest.mark.parametrize(
    ("objective", "params"),
    [
        (SQUARED, {"objective": "regression"}),
        (ABSOLUTE, {"objective": "regression_l1"}),
        (POISSON, {"objective": "poisson"}),
        (Objective("quantile", 0.8), {"objective": "quantile", "alpha": 0.8}),
        (Objective("tweedie", 1.3), {"objective": "tweedie", "tweedie_variance_power": 1.3}),
        (Objective("tweedie", 3.0), {"objective": "gamma"}),
        (Objective("huber", 2.0), {"objective": "huber", "alpha": 2.0}),
        (Objective("huber"), {"objective": "regression"}),
    ],
)
def test_the_rival_gets_the_same_loss(objective, params):
    assert objective.lightgbm() == params


LABELS, CODES = np.array(["fine", "fraud"]), np.array([0] * 9 + [1])
BALANCED = [5 / 9, 5]


@pytest.mark.parametrize(
    ("teacher", "weights", "named"),
    [
        (LGBMClassifier(class_weight={"fraud": 7}), [1, 7], "class_weight={'fraud': 7}"),
        (LGBMClassifier(class_weight="balanced"), BALANCED, "class_weight='balanced'"),
        (LGBMClassifier(is_unbalance=True), BALANCED, "is_unbalance=True"),
        (LGBMClassifier(scale_pos_weight=5), [1, 5], "scale_pos_weight=5"),
        (XGBClassifier(scale_pos_weight=5), [1, 5], "scale_pos_weight=5"),
        (RandomForestClassifier(class_weight="balanced_subsample"), BALANCED, "class_weight='balanced_subsample'"),
        # On positions, as where labels are encoded first.
        (RandomForestClassifier(class_weight={0: 1, 1: 3}), [1, 3], "class_weight={0: 1, 1: 3}"),
        (make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced")), BALANCED, "balanced"),
        (FrozenEstimator(LGBMClassifier(scale_pos_weight=2)), [1, 2], "scale_pos_weight=2"),
        (BaggingClassifier(LogisticRegression(class_weight="balanced")), BALANCED, "balanced"),
        (
            VotingClassifier([("a", LogisticRegression()), ("b", LogisticRegression(class_weight="balanced"))]),
            BALANCED,
            "balanced",
        ),
        (
            StackingClassifier([("a", LogisticRegression())], LogisticRegression(class_weight={"fraud": 3})),
            [1, 3],
            "class_weight={'fraud': 3}",
        ),
        (Bare(params={"objective": "binary", "is_unbalance": 1}), BALANCED, "is_unbalance=1"),
    ],
)
def test_classes_that_are_favoured_on_purpose_are_known(teacher, weights, named):
    found, parameter = class_weights_of(teacher, LABELS, CODES)
    assert found.tolist() == pytest.approx(weights)
    assert named in parameter


@pytest.mark.parametrize(
    "teacher",
    [
        LGBMClassifier(),
        XGBClassifier(),
        Bare(),
        RandomForestClassifier(class_weight={"fine": 2, "fraud": 2}),
        # The calibration takes the weights back, and so does the model on top of a stack.
        CalibratedClassifierCV(RandomForestClassifier(class_weight="balanced")),
        StackingClassifier([("a", LogisticRegression(class_weight="balanced"))]),
    ],
)
def test_no_class_is_favoured_without_weights_that_differ(teacher):
    assert class_weights_of(teacher, LABELS, CODES) is None


def test_balanced_classes_that_are_equally_frequent_are_not_favoured():
    codes = np.array([0] * 501 + [1] * 499)
    assert class_weights_of(LogisticRegression(class_weight="balanced"), LABELS, codes) is None
