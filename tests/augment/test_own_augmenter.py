"""Augmenters that are written outside of the package."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier

from tabkd import DistilledClassifier
from tabkd._tables.schema import TableSchema
from tabkd.augment import Augmenter, Mixture
from tests.small_tables import mixed_frame


class Bootstrap(Augmenter):
    """Rows of the table, drawn with replacement."""

    def _fit(self, codes):
        self.codes_ = codes

    def _sample(self, n_samples, rng):
        return self.codes_[rng.randint(len(self.codes_), size=n_samples)]


class Repeat(BaseEstimator):
    """An augmenter that knows nothing of tabkd: it sees the table in its own form."""

    def fit(self, X, y=None):
        self.X_ = X
        return self

    def sample(self, n_samples, random_state=None):
        return self.X_.iloc[np.arange(n_samples) % len(self.X_)].reset_index(drop=True)


@pytest.mark.parametrize("augmenter", [Bootstrap(), Repeat()], ids=lambda a: type(a).__name__)
def test_an_augmenter_of_ones_own_makes_the_rows_to_learn_from(augmenter, tmp_path):
    X = mixed_frame(200).select_dtypes("number")
    y = X.iloc[:, 0] > X.iloc[:, 0].median()
    model = DistilledClassifier(
        RandomForestClassifier(5, random_state=0), student="tree", augmenter=augmenter, n_synthetic=2000, random_state=0
    ).fit(X.fillna(0), y)
    model.to_onnx(tmp_path / "model.onnx")
    assert model.student_.decision_tree_.tree_.n_node_samples[0] == 2200
    assert model.score(X.fillna(0), y) > 0.9


def test_its_rows_are_rows_of_the_table():
    X = mixed_frame(100)
    made = Bootstrap().fit(X).sample(500, random_state=0)
    codes = TableSchema.of(X).encode(made)
    known = {tuple(row) for row in np.nan_to_num(TableSchema.of(X).encode(X), nan=-1.5)}
    assert {tuple(row) for row in np.nan_to_num(codes, nan=-1.5)} <= known
    assert (made.dtypes == X.dtypes).all()


class Drawing(Augmenter):
    """Rows of the table, changed by a function."""

    def __init__(self, change=None):
        self.change = change

    def _fit(self, codes):
        self.codes_ = codes

    def _sample(self, n_samples, rng):
        return self.change(self.codes_[:n_samples])


class Short(Repeat):
    def sample(self, n_samples, random_state=None):
        return super().sample(n_samples - 1)


def test_another_number_of_rows_or_columns_than_asked_for_is_refused():
    X = mixed_frame(100).select_dtypes("number").fillna(0)
    with pytest.raises(ValueError, match=r"augmenter Drawing drew rows of shape \(29, \d+\), but \(30, \d+\) is"):
        Drawing(lambda codes: codes[1:]).fit(X).sample(30)
    with pytest.raises(ValueError, match=r"augmenter Drawing drew rows of shape \(30, 1\)"):
        Drawing(lambda codes: codes[:, :1]).fit(X).sample(30)
    model = DistilledClassifier(RandomForestClassifier(5), student="tree", augmenter=Short(), n_synthetic=50)
    with pytest.raises(ValueError, match=r"augmenter Short drew rows of shape \(49, \d+\)"):
        model.fit(X, X.iloc[:, 0] > X.iloc[:, 0].median())


@pytest.mark.parametrize("wrong", [-1.0, 0.5, 30.0])
def test_a_position_without_a_category_is_refused(wrong):
    X = pd.DataFrame({"number": np.arange(10.0), "letter": ["a", "b"] * 5})
    with pytest.raises(ValueError, match=rf"Drawing drew {wrong} for column 'letter'.* whole numbers from 0 to 1"):
        Drawing(lambda codes: codes * [1.0, 0.0] + [0.0, wrong]).fit(X).sample(5)


def test_rows_that_are_drawn_may_be_those_of_the_table_itself():
    codes = np.array([[1.0], [2.0], [2.5]], dtype=np.float64)
    codes.flags.writeable = False
    assert Drawing(np.asarray).fit(codes).sample(2).tolist() == [[1.0], [2.0]]


def test_a_mixture_of_what_is_no_augmenter_names_it():
    with pytest.raises(TypeError, match=r"augmenters\[1\] is Repeat\(\), but each has to be a tabkd.augment.Augmenter"):
        Mixture([Bootstrap(), Repeat()]).fit(np.arange(10.0)[:, None])
