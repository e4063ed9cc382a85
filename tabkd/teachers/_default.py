"""The default teacher: the mean of LightGBM and XGBoost, each stopped early."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import Tags, check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted

from tabkd._monotone import check_single, directions
from tabkd._options import option
from tabkd._sklearn import N_JOBS, Interval, validate_params
from tabkd._tables.schema import TableSchema
from tabkd._threads import lightgbm_threads, xgboost_threads
from tabkd._typing import RandomState, TableLike
from tabkd._validation import TakesTables, check_labels, check_table, check_targets
from tabkd._weights import check_weights

if TYPE_CHECKING:
    import lightgbm
    import xgboost

# The codes, targets and weights of all rows, then the rows to fit on and those to stop by.
_TrainingData: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
# Rows up to which LightGBM predicts on one thread.
_SMALL_BATCH = 2048


class _BoostedMean(TakesTables, BaseEstimator):
    """The common part of the classifier and the regressor."""

    _parameter_constraints = {
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "early_stopping_rounds": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "monotonic_cst": ["array-like", dict, None],
        "n_jobs": N_JOBS,
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        n_estimators: int = 1000,
        learning_rate: float = 0.05,
        early_stopping_rounds: int = 40,
        validation_fraction: float = 0.1,
        monotonic_cst: Any = None,
        n_jobs: int | None = None,
        random_state: RandomState = None,
    ):
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.early_stopping_rounds = early_stopping_rounds
        self.validation_fraction = validation_fraction
        self.monotonic_cst = monotonic_cst
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _codes_at_fit(self, X: TableLike) -> np.ndarray:
        validate_params(self)
        _require_xgboost()
        X = check_table(self, X)
        self.schema_ = TableSchema.of(X)
        self._directions = directions(self.monotonic_cst, self.schema_).tolist()
        return self._without_unseen(self.schema_.encode(X))

    def _codes(self, X: TableLike) -> np.ndarray:
        check_is_fitted(self)
        return self.schema_.encode(check_table(self, X, reset=False))

    def _without_unseen(self, codes: np.ndarray) -> np.ndarray:
        """Codes with NaN for unseen categories, which both libraries read as missing."""
        for i in self.schema_.positions("categorical"):
            unseen = codes[:, i] >= len(self.schema_.columns[i].categories)
            if unseen.any():
                codes = codes.copy()
                codes[unseen, i] = np.nan
        return codes

    def _fit_pair(
        self,
        codes: np.ndarray,
        y: np.ndarray,
        weights: np.ndarray,
        objective: tuple[str, str],
        n_classes: int,
        stratum: np.ndarray,
    ) -> tuple[lightgbm.Booster, xgboost.Booster]:
        """LightGBM and XGBoost on one target column."""
        if len(codes) < 2:
            raise ValueError("Found n_samples=1 while a minimum of 2 is required to fit and to stop early.")
        rng = check_random_state(self.random_state)
        train, valid = _split(stratum, self.validation_fraction, rng)
        seed = rng.randint(2**31 - 1)
        data = (codes, y, weights, train, valid)
        return (
            self._fit_lightgbm(data, objective[0], n_classes, seed),
            self._fit_xgboost(data, objective[1], n_classes, seed),
        )

    def _fit_lightgbm(self, data: _TrainingData, objective: str, n_classes: int, seed: int) -> lightgbm.Booster:
        import lightgbm

        codes, y, weights, train, valid = data
        params = {
            "objective": objective,
            "learning_rate": self.learning_rate,
            "num_leaves": 31,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "feature_fraction": 0.8,
            "min_data_in_leaf": min(20, max(1, len(train) // 50)),
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
            "num_threads": lightgbm_threads(self.n_jobs, len(train) * codes.shape[1]),
        }
        if n_classes > 2:
            params["num_class"] = n_classes
        if any(self._directions):
            params["monotone_constraints"] = self._directions
        categorical = self.schema_.positions("categorical").tolist()
        dataset = lightgbm.Dataset(
            codes[train], y[train], weight=weights[train], categorical_feature=categorical, params={"verbosity": -1}
        )
        booster = lightgbm.train(
            params,
            dataset,
            self.n_estimators,
            valid_sets=[dataset.create_valid(codes[valid], y[valid], weight=weights[valid])],
            callbacks=[lightgbm.early_stopping(self.early_stopping_rounds, verbose=False)],
        )
        return booster.free_dataset()

    def _fit_xgboost(self, data: _TrainingData, objective: str, n_classes: int, seed: int) -> xgboost.Booster:
        import xgboost

        codes, y, weights, train, valid = data
        params = {
            "objective": objective,
            "learning_rate": self.learning_rate,
            "max_depth": 6,
            "subsample": 0.8,
            "colsample_bytree": 0.8,
            "seed": seed,
            "verbosity": 0,
        }
        params["nthread"] = xgboost_threads(self.n_jobs, len(train))
        if n_classes > 2:
            params["num_class"] = n_classes
        if any(self._directions):
            params["monotone_constraints"] = tuple(self._directions)
        types = ["c" if column.kind == "categorical" else "q" for column in self.schema_.columns]

        def matrix(rows: np.ndarray) -> xgboost.DMatrix:
            return xgboost.DMatrix(
                codes[rows], y[rows], weight=weights[rows], feature_types=types, enable_categorical=True
            )

        booster = xgboost.train(
            params,
            matrix(train),
            self.n_estimators,
            evals=[(matrix(valid), "valid")],
            early_stopping_rounds=self.early_stopping_rounds,
            verbose_eval=False,
        )
        return booster[: booster.best_iteration + 1]


class DefaultTeacherClassifier(ClassifierMixin, _BoostedMean):
    """The mean of the probabilities of LightGBM and XGBoost, each stopped early.

    Takes any table: categorical and string columns and missing values are handed to the two libraries as such. Needs
    the package xgboost, or its smaller edition xgboost-cpu.

    Parameters
    ----------
    n_estimators : int, default=1000
        The most rounds of boosting in each library.
    learning_rate : float, default=0.05
        How much of each tree's correction is added, in both libraries.
    early_stopping_rounds : int, default=40
        A library stops when this many rounds in a row have not improved its loss on the rows held out.
    validation_fraction : float, default=0.1
        The share of the rows that is held out to decide when to stop; of each class for a classifier.
    monotonic_cst : array of shape (d,), dict of column to direction, or None, default=None
        1 for each column with which the probability of the second of two classes may only rise, -1 with which it may
        only fall, and 0 for a free one, which a dict may leave out. Both libraries keep them.
    n_jobs : int, optional
        Threads; None for all cores.
    random_state : int, RandomState instance or None, default=None
        Draws the rows held out, and seeds both libraries.

    Attributes
    ----------
    classes_ : array of shape (K,)
        The labels, sorted.
    boosters_ : tuple of lightgbm.Booster and xgboost.Booster
        The two fitted models.
    n_features_in_ : int
        The number of columns.
    feature_names_in_ : array of shape (d,)
        The names of the columns, where they have names.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from tabkd.teachers import DefaultTeacherClassifier
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> teacher = DefaultTeacherClassifier(n_estimators=50, random_state=0).fit(X[:400], y[:400])
    >>> bool(teacher.score(X[400:], y[400:]) > 0.9)
    True
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> DefaultTeacherClassifier:
        """Fit both libraries.

        Parameters
        ----------
        X : pandas or polars frame or array of shape (n, d)
            Columns of numbers, booleans, strings or categories; values may be missing.
        y : array of shape (n,)
            Labels: strings, numbers or booleans, of two classes or more.
        sample_weight : array of shape (n,), optional
            How much each row counts.

        Returns
        -------
        self
            The fitted teacher.

        Raises
        ------
        ImportError
            Where XGBoost is not installed.
        """
        codes = self._codes_at_fit(X)
        y = check_labels(self, y)
        check_consistent_length(codes, y)
        weights = check_weights(sample_weight, codes)
        self.classes_, y = np.unique(y, return_inverse=True)
        n_classes = len(self.classes_)
        if any(self._directions):
            check_single("classification", n_classes)
        objective = ("binary", "binary:logistic") if n_classes == 2 else ("multiclass", "multi:softprob")
        self.boosters_ = self._fit_pair(codes, y, weights, objective, n_classes, y)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes.

        Parameters
        ----------
        X : pandas or polars frame or array of shape (n, d)
            A table with the columns of the one at fit.

        Returns
        -------
        array of shape (n, K), float64
            In the order of `classes_`.
        """
        return self.predict_codes(self._codes(X))

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row.

        Parameters
        ----------
        X : pandas or polars frame or array of shape (n, d)
            A table with the columns of the one at fit.

        Returns
        -------
        array of shape (n,)
            Labels.
        """
        probabilities = self.predict_proba(X)
        return self.classes_[np.argmax(probabilities, axis=1)]

    def predict_codes(self, codes: np.ndarray) -> np.ndarray:
        """Probabilities of rows given by their codes.

        Parameters
        ----------
        codes : array of shape (n, d), float64
            Values of numeric columns and positions of categories; NaN is missing.

        Returns
        -------
        array of shape (n, K), float64
            In the order of `classes_`.
        """
        codes = self._without_unseen(codes)
        lightgbm, xgboost = self.boosters_
        mean = _mean_prediction(lightgbm, xgboost, codes)
        if mean.ndim == 1:
            return np.column_stack([1 - mean, mean])
        return mean / mean.sum(axis=1, keepdims=True)  # XGBoost's float32 sums to one only nearly


class DefaultTeacherRegressor(RegressorMixin, _BoostedMean):
    """The mean of the predictions of LightGBM and XGBoost, each stopped early; one pair for each output.

    Takes any table: categorical and string columns and missing values are handed to the two libraries as such. Needs
    the package xgboost, or its smaller edition xgboost-cpu.

    Parameters
    ----------
    n_estimators : int, default=1000
        The most rounds of boosting in each library.
    learning_rate : float, default=0.05
        How much of each tree's correction is added, in both libraries.
    early_stopping_rounds : int, default=40
        A library stops when this many rounds in a row have not improved its loss on the rows held out.
    validation_fraction : float, default=0.1
        The share of the rows that is held out to decide when to stop.
    monotonic_cst : array of shape (d,), dict of column to direction, or None, default=None
        1 for each column with which each prediction may only rise, -1 with which it may only fall, and 0 for a
        free one, which a dict may leave out. Both libraries keep them.
    n_jobs : int, optional
        Threads; None for all cores.
    random_state : int, RandomState instance or None, default=None
        Draws the rows held out, and seeds both libraries.

    Attributes
    ----------
    boosters_ : list of tuple of lightgbm.Booster and xgboost.Booster
        The two fitted models of each output.
    target_mean_, target_scale_ : float, or array of shape (K,)
        The mean and the standard deviation of `y`; both libraries learn the standardised target.
    n_features_in_ : int
        The number of columns.
    feature_names_in_ : array of shape (d,)
        The names of the columns, where they have names.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from tabkd.teachers import DefaultTeacherRegressor
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> teacher = DefaultTeacherRegressor(n_estimators=100, random_state=0).fit(X[:350], y[:350])
    >>> bool(teacher.score(X[350:], y[350:]) > 0.4)
    True
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> DefaultTeacherRegressor:
        """Fit both libraries.

        Parameters
        ----------
        X : pandas or polars frame or array of shape (n, d)
            Columns of numbers, booleans, strings or categories; values may be missing.
        y : array of shape (n,) or (n, K)
            Finite numbers.
        sample_weight : array of shape (n,), optional
            How much each row counts.

        Returns
        -------
        self
            The fitted teacher.

        Raises
        ------
        ImportError
            Where XGBoost is not installed.
        """
        codes = self._codes_at_fit(X)
        y = check_targets(self, y)
        check_consistent_length(codes, y)
        weights = check_weights(sample_weight, codes)
        self._one_dimensional = y.ndim == 1
        # Both libraries penalise leaves by amounts that mean nothing unless the target's scale is known.
        self.target_mean_ = y.mean(axis=0)
        scale = y.std(axis=0)
        self.target_scale_ = np.where(scale > 0, scale, 1.0)
        y = (y - self.target_mean_) / self.target_scale_
        self.boosters_ = [
            self._fit_pair(codes, column, weights, ("regression", "reg:squarederror"), 1, np.zeros(len(column)))
            for column in y.reshape(len(y), -1).T
        ]
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predictions.

        Parameters
        ----------
        X : pandas or polars frame or array of shape (n, d)
            A table with the columns of the one at fit.

        Returns
        -------
        array of shape (n,) or (n, K), float64
            In the shape of `y` at fit.
        """
        return self.predict_codes(self._codes(X))

    def predict_codes(self, codes: np.ndarray) -> np.ndarray:
        """Predictions of rows given by their codes.

        Parameters
        ----------
        codes : array of shape (n, d), float64
            Values of numeric columns and positions of categories; NaN is missing.

        Returns
        -------
        array of shape (n,) or (n, K), float64
            In the shape of `y` at fit.
        """
        codes = self._without_unseen(codes)
        outputs = [_mean_prediction(lightgbm, xgboost, codes) for lightgbm, xgboost in self.boosters_]
        scaled = outputs[0] if self._one_dimensional else np.column_stack(outputs)
        return scaled * self.target_scale_ + self.target_mean_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _require_xgboost() -> None:
    try:
        import xgboost  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "The default teacher is the mean of LightGBM and XGBoost, but XGBoost cannot be imported. Install it, "
            "`pip install xgboost` or the smaller `pip install xgboost-cpu`, or give another "
            f"{option('teacher')}, for example one of lightgbm."
        ) from error


def _mean_prediction(lightgbm: lightgbm.Booster, xgboost: xgboost.Booster, codes: np.ndarray) -> np.ndarray:
    # Each library has its own threads, which keep spinning and slow down the other library's. That costs several
    # milliseconds for any number of rows, so for few rows LightGBM uses one thread.
    threads: dict[str, Any] = {"num_threads": 1} if len(codes) <= _SMALL_BATCH else {}
    return (lightgbm.predict(codes, **threads) + xgboost.inplace_predict(codes, missing=np.nan)) / 2


def _split(stratum: np.ndarray, fraction: float, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """The rows to fit on and the rows that decide when to stop; very small classes are used only for the fit."""
    order = rng.permutation(len(stratum))
    # Within each class, shuffled rows are split evenly: every k-th goes to validation.
    order = order[np.argsort(stratum[order], kind="stable")]
    _, start, counts = np.unique(stratum[order], return_index=True, return_counts=True)
    rank = np.arange(len(order)) - np.repeat(start, counts)
    valid = rank < np.repeat(np.floor(counts * fraction), counts)
    if not valid.any():  # too few rows to hold any out: the rows for the fit also decide when to stop
        return order, order
    return order[~valid], order[valid]
