"""Which columns count most in a report, and where the values of a row stand in their column."""

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeRegressor

from tabkd import DistilledRegressor
from tabkd.evaluation._importance import importance


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"small": rng.normal(size=300), "large": rng.normal(size=300), "again": rng.random(300) < 0.3})
    X.loc[:9, "large"] = np.nan
    return X, X["small"] + 10 * X["large"].fillna(0) + 3 * X["again"]


@pytest.fixture(scope="module")
def model(rows):
    X, y = rows
    teacher = DecisionTreeRegressor(max_depth=6, random_state=0)
    return DistilledRegressor(teacher, student="tree", n_synthetic=500, random_state=0).fit(X, y), X


def test_columns_are_in_the_order_of_their_mean_absolute_contribution(model):
    model, X = model
    found = importance(model, model.schema_.encode(X), 0)
    sizes = np.abs(model.contributions(X).values).mean(axis=0)
    assert list(found["columns"]) == [X.columns[i] for i in np.argsort(-sizes)]
    assert found["columns"] == pytest.approx(dict(zip(X.columns, sizes, strict=True)))
    assert found["rows"] == len(X)


def test_a_point_has_the_contribution_of_its_row_and_the_rank_of_its_value(model):
    model, X = model
    codes = model.schema_.encode(X)
    points = importance(model, codes, 0)["points"]["large"]
    order = np.random.default_rng(0).permutation(len(X))[: len(points)]
    values, ranks = np.array(points, dtype=np.float64).T
    assert values == pytest.approx(model.contributions(X).values[order, 1], rel=1e-3)
    expected = X["large"].rank(pct=True).to_numpy()[order]
    assert ranks == pytest.approx(expected, abs=0.005, nan_ok=True)
    assert np.isnan(ranks).any()


def test_a_student_without_contributions_has_no_importance(rows):
    X, y = rows[0][["small"]], rows[1]
    student = DecisionTreeRegressor(max_depth=2, random_state=0)
    model = DistilledRegressor(DecisionTreeRegressor(max_depth=3), student=student, augmenter=None).fit(X, y)
    assert importance(model, model.schema_.encode(X), 0) is None
