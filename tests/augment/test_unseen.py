"""Categories that no row had: the student answers as its teacher does."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import tabkd
from tabkd import DistilledClassifier
from tabkd._tables.schema import TableSchema
from tabkd.augment._unseen import one_of_each, unseen_codes, with_unseen
from tabkd.students import MLPStudent

MONTHS = ["may", "jun", "jul", "aug"]


@pytest.fixture(scope="module")
def table():
    """Two classes that the month tells apart; the dtype knows of August, which no row has."""
    rng = np.random.default_rng(0)
    month = rng.choice(MONTHS[:3], 2000, p=[0.5, 0.4, 0.1])
    amount = rng.normal(size=2000)
    shop = rng.choice(["a", "b"], 2000)
    frame = pd.DataFrame({"month": pd.Categorical(month, MONTHS), "shop": shop, "amount": amount})
    return frame, (rng.random(2000) < np.where(month == "may", 0.9, 0.2) + 0.05 * (amount > 0)).astype(int)


def test_codes_that_no_row_has(table):
    frame, _ = table
    schema = TableSchema.of(frame)
    codes = schema.encode(frame)
    unseen = unseen_codes(schema, codes)
    assert {i: list(found) for i, found in unseen.items()} == {0: [3.0], 1: [2.0]}
    tried = one_of_each(codes, unseen)
    np.testing.assert_array_equal(tried[:, :2], [[3.0, codes[0, 1]], [codes[0, 0], 2.0]])
    np.testing.assert_array_equal(tried[:, 2], codes[[0, 0], 2])


def test_a_twentieth_of_the_rows_has_one():
    codes = np.zeros((20_000, 3))
    changed = with_unseen(codes, {0: np.array([1.0]), 2: np.array([4.0, 5.0])}, np.random.RandomState(0))
    assert not codes.any()
    assert changed.any(axis=1).mean() == pytest.approx(0.05, abs=0.005)
    assert not changed[:, 1].any()
    np.testing.assert_array_equal(np.unique(changed[:, 2]), [0, 4, 5])
    assert with_unseen(codes, {}, np.random.RandomState(0)) is codes


@pytest.mark.parametrize("student", ["mlp", "boosted_trees"])
@pytest.mark.parametrize("teacher", [None, HistGradientBoostingClassifier(categorical_features="from_dtype")])
def test_the_student_answers_as_its_teacher(table, teacher, student, tmp_path):
    frame, y = table
    if teacher is not None:
        frame = frame.assign(shop=frame["shop"].astype("category"))
    model = DistilledClassifier(teacher, student=student, n_synthetic=20_000, random_state=0).fit(frame, y)
    august = frame[:300].assign(month=pd.Categorical(["aug"] * 300, MONTHS))
    expected = model.teacher_.predict_proba(august)[:, 1]
    rest = model.teacher_.predict_proba(frame[:300])[:, 1]
    assert abs(expected.mean() - rest.mean()) > 0.1  # not what the average month would say
    np.testing.assert_allclose(model.predict_proba(august)[:, 1].mean(), expected.mean(), atol=0.03)
    model.to_onnx(tmp_path / "model.onnx")
    scores = tabkd.load(tmp_path / "model.onnx").predict_proba(august)
    np.testing.assert_allclose(scores, model.predict_proba(august), atol=1e-5)


def test_a_teacher_that_refuses_them_is_not_asked(table):
    frame, y = table
    encoder = make_column_transformer((OneHotEncoder(), ["month", "shop"]), remainder="passthrough")
    teacher = make_pipeline(encoder, RandomForestClassifier(10, random_state=0))
    model = DistilledClassifier(teacher, n_synthetic=2000, random_state=0).fit(frame, y)
    august = frame[:20].assign(month=pd.Categorical(["aug"] * 20, MONTHS))
    with pytest.raises(ValueError, match="unknown categories"):
        model.teacher_.predict_proba(august)
    # The average of the months that were seen, by their number of rows.
    units = model.student_.encoder_.level_units_[-2]
    np.testing.assert_allclose(units[:3], frame["month"].value_counts(normalize=True)[["may", "jun", "jul"]], atol=1e-6)


def test_a_student_without_synthetic_rows_takes_the_average(table):
    frame, y = table
    student = MLPStudent(max_iter=2, random_state=0).fit(frame, np.column_stack([1 - y, y]))
    assert student.encoder_.level_units_[-2].sum() == pytest.approx(1)
