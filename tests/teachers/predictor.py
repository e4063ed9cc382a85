"""A fitted model with the surface of AutoGluon's TabularPredictor, small enough for quick tests."""

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor


class TabularPredictor:
    """Takes a frame with the label column in `fit`, frames only in `predict`, and answers in frames and series."""

    def __init__(self, label, problem_type=None, eval_metric=None, path=None, verbosity=2):
        self.label = label
        self._problem_type = problem_type
        self._model = None

    def __deepcopy__(self, memo):
        raise AssertionError("an ensemble must not be copied")

    def fit(self, train_data, tuning_data=None, time_limit=None, presets=None, hyperparameters=None, **kwargs):
        X, y = train_data.drop(columns=self.label), train_data[self.label]
        kind = self._problem_type or ("multiclass" if y.nunique() > 2 else "binary")
        self._problem_type = kind
        self._columns = list(X.columns)
        self._used = [name for name in X if X[name].nunique() > 1]
        forest = RandomForestRegressor if kind in ("regression", "quantile") else RandomForestClassifier
        self._model = forest(20, random_state=0).fit(X[self._used], y)
        return self

    @property
    def is_fit(self):
        return self._model is not None

    @property
    def problem_type(self):
        return self._problem_type

    @property
    def classes_(self):
        return list(self._fitted.classes_) if self.can_predict_proba else None

    @property
    def class_labels(self):
        return self.classes_

    @property
    def original_features(self):
        return self._columns

    @property
    def can_predict_proba(self):
        return self._problem_type in ("binary", "multiclass")

    @property
    def positive_class(self):
        return self.class_labels[1]

    def features(self, feature_stage="original"):
        return self._used

    def predict(self, data, model=None, as_pandas=True, transform_features=True, *, decision_threshold=None):
        values = self._fitted.predict(self._table(data))
        return pd.Series(values, index=data.index, name=self.label) if as_pandas else values

    def predict_proba(self, data, model=None, as_pandas=True, as_multiclass=True, transform_features=True):
        if not self.can_predict_proba:
            raise AssertionError("predict_proba is not supported")
        P = self._fitted.predict_proba(self._table(data)).astype(np.float32)
        return pd.DataFrame(P, index=data.index, columns=self.class_labels) if as_pandas else P

    @property
    def _fitted(self):
        if self._model is None:
            raise AssertionError("Predictor is not fit.")
        return self._model

    def _table(self, data):
        if not isinstance(data, pd.DataFrame):
            raise TypeError("data must be a pd.DataFrame or str file path to data")
        return data[self._used]
