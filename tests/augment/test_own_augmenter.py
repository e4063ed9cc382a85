"""Augmenters that are written outside of the package."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier

from tabkd import DistilledClassifier
from tabkd._tables.schema import TableSchema
from tabkd.augment import Augmenter
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
