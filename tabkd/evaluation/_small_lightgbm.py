"""The model that a student must beat: a LightGBM of the same bytes, fitted on the labels alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.model_selection import train_test_split

from tabkd._tables.schema import TableSchema
from tabkd._threads import lightgbm_threads
from tabkd._typing import TableLike
from tabkd.teachers._objective import Objective

if TYPE_CHECKING:
    from lightgbm import Booster

# The settings to try: few bytes allow either many small trees or few large ones.
_LEAVES, _RATES = (4, 8, 16, 32), (0.1, 0.3)
# No file format needs less for a leaf and the split above it.
_FEWEST_LEAF_BYTES = 40
_PATIENCE = 20
_MAX_TUNING_ROWS = 100_000


class SmallLightGBM:
    """A LightGBM within `max_bytes`, as ONNX or as its own text, whichever is smaller.

    The number of leaves and the learning rate are chosen on a fifth of the rows, the number of trees by stopping early
    there or by the bytes; then it is fitted on all rows.

    Parameters
    ----------
    max_bytes : int
        The largest size of the file; one tree is kept in any case.
    task : {"classification", "regression"}
        Whether to predict probabilities or values.
    objective : Objective, optional
        The loss of a regression; the squared error by default.
    n_jobs : int, optional
        Threads; all cores by default.
    random_state : int, default=0
        The seed of LightGBM, and of the rows that settings are chosen on.

    Attributes
    ----------
    n_bytes_ : int
        The size of the file.
    n_trees_ : int
        How many trees are kept.
    classes_ : array of shape (K,)
        The labels; classification only.
    """

    def __init__(
        self,
        max_bytes: int,
        *,
        task: str,
        objective: Objective | None = None,
        n_jobs: int | None = None,
        random_state: int = 0,
    ):
        self.max_bytes, self.task, self.objective = max_bytes, task, objective or Objective()
        self.n_jobs, self.random_state = n_jobs, random_state

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> SmallLightGBM:
        """Choose the settings and fit.

        Parameters
        ----------
        X : frame or array of shape (n, d)
            The table.
        y : array of shape (n,)
            Its labels or values.
        sample_weight : array of shape (n,), optional
            How much each row counts; equally without it.

        Returns
        -------
        self
        """
        self._schema = TableSchema.of(X)
        codes, y = self._codes(X), np.asarray(y)
        if self.task == "classification":
            self.classes_, y = np.unique(y, return_inverse=True)
        train, valid = self._split(y)
        self._weights = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        best = min(self._trials(codes, y, train, valid), key=lambda trial: trial[0])
        _, leaves, rate, rounds = best
        self._booster = self._train(codes, y, np.arange(len(y)), leaves, rate, rounds)
        self._rounds, self.n_bytes_ = self._within(self._booster, rounds)
        self.n_trees_ = self._rounds * self._trees_per_round
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Probabilities (n, K) of the classes, or predicted values (n,).

        Parameters
        ----------
        X : frame or array of shape (n, d)
            Rows of the same columns as at fit.
        """
        said = np.asarray(self._booster.predict(self._codes(X), num_iteration=self._rounds))
        if self.task == "classification" and said.ndim == 1:
            return np.column_stack([1 - said, said])
        return said

    def _codes(self, X: TableLike) -> np.ndarray:
        codes = self._schema.encode(X)
        for i in self._schema.positions("categorical"):
            codes[codes[:, i] >= len(self._schema.columns[i].categories), i] = np.nan
        return codes

    def _split(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = np.random.RandomState(self.random_state).permutation(len(y))[:_MAX_TUNING_ROWS]
        stratify = None
        if self.task == "classification" and np.bincount(y[rows])[np.unique(y[rows])].min() > 1:
            stratify = y[rows]
        try:
            return tuple(train_test_split(rows, test_size=0.2, random_state=self.random_state, stratify=stratify))
        except ValueError:  # fewer rows than classes: choose on the rows themselves
            return rows, rows

    def _trials(
        self, codes: np.ndarray, y: np.ndarray, train: np.ndarray, valid: np.ndarray
    ) -> Iterator[tuple[float, int, float, int]]:
        """Validation loss, leaves, learning rate and rounds of each setting that is tried."""
        import lightgbm

        for leaves, rate in product(_LEAVES, _RATES):
            most = max(1, self.max_bytes // (leaves * _FEWEST_LEAF_BYTES * self._trees_per_round))
            found: dict = {}
            callbacks = [
                lightgbm.record_evaluation(found),
                lightgbm.early_stopping(_PATIENCE, verbose=False),
            ]
            booster = self._train(codes, y, train, leaves, rate, most, valid, callbacks)
            rounds, _ = self._within(booster, booster.best_iteration or most)
            (curve,) = found["valid_0"].values()
            yield curve[rounds - 1], leaves, rate, rounds

    def _train(
        self,
        codes: np.ndarray,
        y: np.ndarray,
        rows: np.ndarray,
        leaves: int,
        rate: float,
        rounds: int,
        valid: np.ndarray | None = None,
        callbacks: Sequence[Any] = (),
    ) -> Booster:
        """A booster fitted on the given rows, stopped early by the rows `valid` if given."""
        import lightgbm

        weights = self._weights
        params = {
            **self._objective,
            "num_leaves": leaves,
            "learning_rate": rate,
            "min_data_in_leaf": min(20, max(1, len(rows) // 50)),
            "seed": self.random_state,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
            "num_threads": lightgbm_threads(self.n_jobs, len(rows) * codes.shape[1]),
        }
        if self._trees_per_round > 1:
            params["num_class"] = self._trees_per_round
        categorical = self._schema.positions("categorical").tolist()
        data = lightgbm.Dataset(
            codes[rows],
            y[rows],
            weight=None if weights is None else weights[rows],
            categorical_feature=categorical,
            params={"verbosity": -1},
        )
        valid_sets = None
        if valid is not None:
            of_valid = None if weights is None else weights[valid]
            valid_sets = [data.create_valid(codes[valid], y[valid], weight=of_valid)]
        return lightgbm.train(params, data, rounds, valid_sets=valid_sets, callbacks=list(callbacks))

    @property
    def _objective(self) -> dict:
        if self.task == "regression":
            return self.objective.lightgbm()
        return {"objective": "multiclass" if len(self.classes_) > 2 else "binary"}

    @property
    def _trees_per_round(self) -> int:
        return len(self.classes_) if self.task == "classification" and len(self.classes_) > 2 else 1

    def _within(self, booster: Booster, rounds: int) -> tuple[int, int]:
        """The most rounds, no more than `rounds`, whose file is small enough, and its bytes."""
        rounds = max(1, min(rounds, booster.current_iteration()))
        fewest, n_bytes = 1, self._size(booster, rounds)
        if n_bytes <= self.max_bytes:
            return rounds, n_bytes
        while rounds - fewest > 1:  # the file of `fewest` is small enough, that of `rounds` is not
            middle = (fewest + rounds) // 2
            if self._size(booster, middle) <= self.max_bytes:
                fewest = middle
            else:
                rounds = middle
        return fewest, self._size(booster, fewest)

    def _size(self, booster: Booster, rounds: int) -> int:
        text = booster.model_to_string(num_iteration=rounds)
        if len(self._schema.positions("categorical")):  # ONNX's trees have no splits by sets of categories
            return len(text)
        return min(len(text), _onnx_bytes(text, self._trees_per_round))


def _onnx_bytes(text: str, n_targets: int) -> int:
    """The bytes of the trees of a LightGBM text as one ONNX node."""
    from onnx.helper import make_node

    from tabkd.onnx._trees import ensemble_attributes, lightgbm_nodes

    trees = [(nodes, [i % n_targets]) for i, nodes in enumerate(lightgbm_nodes(text))]
    attributes = ensemble_attributes(trees, n_targets)
    return make_node("TreeEnsembleRegressor", ["X"], ["Y"], domain="ai.onnx.ml", **attributes).ByteSize()
