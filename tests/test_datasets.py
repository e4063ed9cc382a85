"""The simulated card payments: what they promise to hold, and that an ensemble is worth its while on them."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from tabkd.datasets import make_card_transactions


@pytest.fixture(scope="module")
def payments():
    return make_card_transactions(20_000, random_state=0)


def test_the_same_seed_gives_the_same_payments():
    first, second = (make_card_transactions(500, random_state=3) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    assert not first.equals(make_card_transactions(500, random_state=4))


def test_rows_are_in_time_order_and_one_in_a_hundred_is_fraud(payments):
    assert payments["time_days"].is_monotonic_increasing
    assert payments["fraud"].mean() == pytest.approx(0.01)


def test_columns_are_of_every_kind(payments):
    assert payments["merchant"].nunique() > 200
    assert payments["hour"].between(0, 23).all()
    assert payments["amount"].gt(0).all()
    assert payments["customer_mean_amount_previous_day"].isna().mean() > 0.1
    assert 0.01 < payments["currency"].isna().mean() < 0.05
    assert {"customer", "home"}.isdisjoint(payments.columns)


def test_yesterday_holds_nothing_of_today(payments):
    first_day = payments["time_days"] < 1
    assert payments.loc[first_day, "customer_count_previous_day"].eq(0).all()
    assert payments.loc[first_day, "terminal_count_previous_day"].eq(0).all()


@pytest.mark.parametrize("n", [1, 10, 100])
def test_few_rows(n):
    frame = make_card_transactions(n, random_state=0)
    assert len(frame) == n
    assert frame["fraud"].sum() == 1


def test_an_ensemble_beats_a_linear_model():
    payments = make_card_transactions(40_000, random_state=1)
    X, y = payments.drop(columns=["fraud", "time_days"]), payments["fraud"].to_numpy()
    numbers = make_column_selector(dtype_include=["number", "bool"])
    scaled = make_pipeline(SimpleImputer(), StandardScaler())
    onehot = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=50)
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    linear = make_pipeline(
        make_column_transformer((scaled, numbers), remainder=onehot), LogisticRegression(C=0.1, max_iter=1000)
    )
    forest = make_pipeline(
        make_column_transformer(("passthrough", numbers), remainder=codes),
        RandomForestClassifier(100, min_samples_leaf=3, random_state=0),
    )
    early, late = np.arange(30_000), np.arange(30_000, 40_000)
    found = [
        average_precision_score(y[late], model.fit(X.iloc[early], y[early]).predict_proba(X.iloc[late])[:, 1])
        for model in (linear, forest)
    ]
    assert found[1] > 3 * found[0]
