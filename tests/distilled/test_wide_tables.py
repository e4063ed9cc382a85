"""Wide tables: synthetic rows draw the columns that the teacher uses, and all columns stay what they are."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder
from sklearn.tree import DecisionTreeClassifier

import tabkd
from tabkd import DistilledClassifier
from tabkd._drawn_columns import for_used_columns
from tabkd._tables.schema import TableSchema
from tabkd.augment import Augmenter, Jitter, Mixture, Munge
from tabkd.augment._of_columns import OfColumns
from tabkd.students import MLPStudent, SoftRows


class Unlike(Augmenter):
    """Draws its first column by a rule of its own, so that it needs the whole table."""

    def _fit(self, codes):
        self.codes_ = codes

    def _sample(self, n_samples, rng):
        return self.codes_[rng.randint(len(self.codes_), size=n_samples)]


def soft_rows(n_columns):
    codes = np.random.default_rng(0).standard_normal((1000, n_columns))
    likely = np.where(codes[:, 0] > 0, 0.9, 0.2) + np.where(codes[:, 1] > 0.5, 0.05, 0)
    return SoftRows(codes, np.column_stack([1 - likely, likely]), np.ones(1000))


@pytest.mark.parametrize("augmenter", [Mixture(), Munge(), Mixture([Jitter()])], ids=["mixture", "munge", "jitter"])
def test_columns_that_the_teacher_uses_are_drawn(augmenter):
    chosen = for_used_columns(augmenter, soft_rows(70), np.random.RandomState(0), 1)
    assert isinstance(chosen, OfColumns)
    assert {0, 1} <= set(chosen.columns)
    assert len(chosen.columns) < 35


@pytest.mark.parametrize("augmenter", [Unlike(), Mixture([Munge(), Unlike()])], ids=["own", "mixture"])
def test_an_augmenter_that_may_treat_columns_differently_draws_all(augmenter):
    assert for_used_columns(augmenter, soft_rows(70), np.random.RandomState(0), 1) is augmenter


def test_all_columns_of_a_narrow_table_are_drawn():
    augmenter, rng = Mixture(), np.random.RandomState(0)
    assert for_used_columns(augmenter, soft_rows(30), rng, 1) is augmenter
    assert rng.randint(1000) == np.random.RandomState(0).randint(1000)


def test_all_columns_are_drawn_where_answers_do_not_change():
    rows = soft_rows(70)
    constant = SoftRows(rows.codes, np.full((1000, 2), 0.5), rows.weights)
    augmenter = Mixture()
    assert for_used_columns(augmenter, constant, np.random.RandomState(0), 1) is augmenter


def test_columns_that_are_not_drawn_come_together_from_a_row_of_the_table():
    X = pd.DataFrame(np.random.default_rng(0).standard_normal((50, 5)), columns=list("abcde"))
    X["a"] = X["a"].round(1).astype("float32")
    X["d"] = pd.Categorical(["x", "y"] * 25)
    made = OfColumns(Munge(), np.array([0, 2])).fit(X).sample(400, random_state=0)
    assert (made.dtypes == X.dtypes).all()
    others = ["b", "d", "e"]
    assert set(made[others].itertuples(index=False)) == set(X[others].itertuples(index=False))
    assert not made["c"].isin(X["c"]).all()
    assert TableSchema.of(X).names == list(made.columns)


def test_a_wide_table_is_distilled_with_all_of_its_columns(tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.standard_normal((1500, 90))).rename(columns=lambda i: f"c{i}")
    X["colour"] = pd.Categorical(rng.choice(["blue", "red"], 1500))
    y = (X["c3"] > 0) & (X["colour"] == "red")
    student = MLPStudent(max_iter=5, max_units=100, random_state=0)
    teacher = make_pipeline(
        make_column_transformer((OrdinalEncoder(), ["colour"]), remainder="passthrough"),
        DecisionTreeClassifier(max_leaf_nodes=8, random_state=0),
    )
    model = DistilledClassifier(teacher, student=student, n_synthetic=5000, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.95
    assert len(model.student_.encoder_.numeric_) < 90
    model.to_onnx(tmp_path / "wide.onnx")
    scorer = tabkd.load(tmp_path / "wide.onnx")
    np.testing.assert_allclose(scorer.predict_proba(X), model.predict_proba(X), atol=1e-5)
    with pytest.raises(ValueError, match="c77"):
        scorer.predict_proba(X.drop(columns="c77"))
    with pytest.raises(ValueError, match="c77"):
        scorer.predict_proba(X.assign(c77=np.inf))
