"""The boosted student: a small number of small trees on soft targets."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np
from scipy.special import expit, softmax
from sklearn.utils import check_random_state

from tabkd._sklearn import N_JOBS, Interval
from tabkd._threads import lightgbm_threads
from tabkd._typing import RandomState
from tabkd.onnx._graph import Graph
from tabkd.onnx._heads import write_two_classes
from tabkd.onnx._inputs import Inputs
from tabkd.onnx._trees import Nodes, lightgbm_nodes, write_ensemble
from tabkd.students._raw_scores import raw_scaling
from tabkd.students._soft_rows import SoftRows, SoftStream, bounded, log_frequencies
from tabkd.students._student_graph import Tensors
from tabkd.students._trees.games import Part, check_size, games
from tabkd.students._trees.leaf_order import ordered_values, proved_by_leaves
from tabkd.students._trees.ordinal import OrdinalTable
from tabkd.students._trees.sum_of_trees import SumOfTrees

#: Gradient and Hessian of a loss for each row.
Slopes: TypeAlias = tuple[np.ndarray, np.ndarray]


class BoostedTreesStudent(SumOfTrees):
    """A few small LightGBM trees on soft targets.

    Class probabilities are learnt with soft cross-entropy (two classes as one logistic score, more as a softmax), real
    targets with squared error. Each round adds one tree for two classes or one output, and otherwise one tree for each
    class or output.

    Parameters
    ----------
    n_estimators : int, default=60
        Number of boosting rounds.
    learning_rate : float, default=0.2
        Factor of each tree's contribution.
    max_leaf_nodes : int, default=16
        Most leaves of a tree.
    min_samples_leaf : int, default=20
        Fewest rows of a leaf, but at most a quarter of all rows.
    max_rows : int, default=400_000
        Synthetic rows are sampled so that they and all real rows are about this many in total; it limits the memory.
    monotonic_cst : array of shape (d,), dict of column to direction, or None, default=None
        1 for each column with which predictions may only rise, -1 with which they may only fall, and 0 for a free one,
        which a dict may leave out. A prediction is the value of the only target, or the probability of the second of
        two classes. A missing value may give any prediction.
    n_jobs : int or None, default=None
        Threads; None for all cores, as in LightGBM.
    random_state : int, RandomState instance or None, default=None
        Seed, or generator of the random numbers.

    Attributes
    ----------
    booster_ : lightgbm.Booster
        The trees.
    base_score_ : ndarray of shape (n_scores,)
        Constant to which the sum of the trees is added.
    encoder_ : OrdinalTable
        Converts codes to the float32 columns that the trees read.
    target_mean_, target_scale_ : ndarray of shape (K,)
        Offset and scale of the targets; 0 and 1 for class probabilities.
    monotonic_cst_ : int8 ndarray of shape (d,)
        The direction of each column.
    schema_ : TableSchema
        The columns of the table at fit.
    n_outputs_ : int
        Number K of target columns.
    task_ : {"classification", "regression"}
        "classification" if every row of the targets at fit was a probability distribution.

    References
    ----------
    J. H. Friedman, "Greedy Function Approximation: A Gradient Boosting Machine", Annals of Statistics 29(5), 2001,
    algorithm 6.

    Examples
    --------
    >>> import numpy as np
    >>> from tabkd.students import BoostedTreesStudent
    >>> X = np.linspace(0, 1, 200).reshape(-1, 1)
    >>> student = BoostedTreesStudent(random_state=0).fit(X, np.sin(6 * X[:, 0]))
    >>> bool(student.score(X, np.sin(6 * X[:, 0])) > 0.95)
    True
    """

    _parameter_constraints = {
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "max_leaf_nodes": [Interval(Integral, 2, None, closed="left")],
        "min_samples_leaf": [Interval(Integral, 1, None, closed="left")],
        "max_rows": [Interval(Integral, 1, None, closed="left")],
        "monotonic_cst": ["array-like", dict, None],
        "n_jobs": N_JOBS,
        "random_state": ["random_state"],
    }

    on_simplex = True

    def __init__(
        self,
        *,
        n_estimators: int = 60,
        learning_rate: float = 0.2,
        max_leaf_nodes: int = 16,
        min_samples_leaf: int = 20,
        max_rows: int = 400_000,
        monotonic_cst: Any = None,
        n_jobs: int | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.max_rows = max_rows
        self.monotonic_cst = monotonic_cst
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _fit_rows(self, real: SoftRows, synthetic: SoftStream) -> None:
        import lightgbm

        rng = check_random_state(self.random_state)
        self.encoder_ = OrdinalTable(self.schema_, real)
        self.base_score_ = _base_score(real, self.task_)
        rows = bounded(real, synthetic, self.max_rows, rng)
        targets = (rows.targets - self.target_mean_) / self.target_scale_
        if self.task_ == "classification" and self.n_outputs_ == 2:
            targets = targets[:, 1:]
        params = self._params(targets, rng)
        table = self.encoder_.transform_codes(rows.codes)
        _check_varies(table, len(real))
        axis = None if targets.shape[1] > 1 else 1
        dataset = lightgbm.Dataset(
            table,
            np.zeros(len(rows)),
            weight=rows.weights,
            init_score=np.squeeze(np.tile(self.base_score_, (len(rows), 1)), axis=axis),
            params={"verbosity": -1, "num_threads": params["num_threads"]},
        )
        self.booster_ = lightgbm.train(params, dataset, self.n_estimators).free_dataset()
        if self.monotonic_cst_.any():
            self._order_leaves(table, rows.weights)

    def _params(self, targets: np.ndarray, rng: np.random.RandomState) -> dict[str, Any]:
        """LightGBM's parameters, for targets of shape (n, n_scores)."""
        n_rows, n_scores = targets.shape
        params = {
            "objective": _objective(self.task_, targets),
            "num_class": n_scores,
            "learning_rate": self.learning_rate,
            "num_leaves": self.max_leaf_nodes,
            "min_data_in_leaf": min(self.min_samples_leaf, max(1, n_rows // 4)),
            "min_sum_hessian_in_leaf": 1e-6,
            "lambda_l2": _shrinkage(self.task_, targets),
            "seed": rng.randint(2**31 - 1),
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
            "num_threads": lightgbm_threads(self.n_jobs, n_rows * len(self.schema_.columns)),
        }
        if self.monotonic_cst_.any():
            params["monotone_constraints"] = self.monotonic_cst_.tolist()
            params["monotone_constraints_method"] = "advanced"
        return params

    def _order_leaves(self, table: np.ndarray, weights: np.ndarray) -> None:
        """Set the leaves of each tree that violates a constraint to the nearest values in order.

        LightGBM's basic method violates none, but makes many splits useless.
        """
        for i, nodes in enumerate(self._last_values()):
            if np.array_equal(proved_by_leaves([nodes], self.monotonic_cst_), self.monotonic_cst_):
                continue
            leaves = np.flatnonzero(nodes.left < 0)  # in LightGBM's order, behind the inner nodes
            met = self.booster_.predict(table, pred_leaf=True, start_iteration=i, num_iteration=1)
            of_node = np.bincount(leaves[np.asarray(met, dtype=np.int64).ravel()], weights, len(nodes.left))
            values = ordered_values(nodes, self.monotonic_cst_, of_node)
            for k, leaf in enumerate(leaves):
                self.booster_.set_leaf_output(i, k, float(values[leaf]))

    def predict_codes(self, codes: np.ndarray) -> np.ndarray:
        """Predict the targets of encoded rows.

        Parameters
        ----------
        codes : ndarray of shape (n, d), float64
            Rows encoded by `schema_`.

        Returns
        -------
        ndarray of shape (n, K), float64
            Class probabilities, or real values.
        """
        scores = self._scores(codes)
        if self.task_ == "regression":
            return scores * self.target_scale_ + self.target_mean_
        if scores.shape[1] == 1:
            positive = expit(scores[:, 0])
            return np.column_stack([1 - positive, positive])
        return softmax(scores, axis=1)

    def write_onnx(self, graph: Graph, inputs: Inputs) -> Tensors:
        """Write what `predict_codes` computes into a graph.

        Parameters
        ----------
        graph : tabkd.onnx.Graph
            Takes the nodes.
        inputs : tabkd.onnx.Inputs
            The columns of the table.

        Returns
        -------
        Tensors
            The targets.
        """
        n_scores = len(self.base_score_)
        table = self.encoder_.write_onnx(graph, inputs)
        trees = [(nodes, [i % n_scores]) for i, nodes in enumerate(self._filled_trees())]
        scores = write_ensemble(graph, table, trees, n_scores) if trees else graph.zeros(table, n_scores)
        scores = graph.node("Add", [scores, graph.float32(self.base_score_)])
        if self.task_ == "regression":
            return Tensors(self.write_values(graph, scores))
        if n_scores > 1:
            return Tensors(graph.node("Softmax", [scores], axis=1))
        return Tensors(write_two_classes(graph, graph.node("Sigmoid", [scores])))

    def raw_scores(self, codes: np.ndarray) -> np.ndarray:
        """Compute the scores that contributions add up to.

        Parameters
        ----------
        codes : ndarray of shape (n, d), float64
            Rows encoded by `schema_`.

        Returns
        -------
        ndarray of shape (n, M), float64
            Log-odds of the second of two classes, log-probabilities minus their mean, or real values.
        """
        factors, offset = self._raw_scaling()
        return self._scores(codes) @ factors + offset

    def _scores(self, codes: np.ndarray) -> np.ndarray:
        """The sums of the trees, (n, n_scores)."""
        scores = self.booster_.predict(self.encoder_.transform_codes(codes), raw_score=True)
        return np.asarray(scores).reshape(len(codes), -1) + self.base_score_

    def _raw_scaling(self) -> tuple[np.ndarray, np.ndarray]:
        return raw_scaling(self.task_, len(self.base_score_), self.target_mean_, self.target_scale_)

    def _raw_factors(self) -> np.ndarray:
        return self._raw_scaling()[0]

    def _parts(self) -> list[Part]:
        """The games of the trees of each score."""
        trees, n_scores = self._trees(), len(self.base_score_)
        background = self.encoder_.transform_codes(self.background_)
        parts = [
            Part([game for nodes in trees[k::n_scores] for game in games(nodes, nodes.values, background)], 1)
            for k in range(n_scores)
        ]
        check_size([game for part in parts for game in part.games], type(self).__name__)
        return parts

    def _trees(self) -> list[Nodes]:
        return lightgbm_nodes(self.booster_.model_to_string())


def _check_varies(table: np.ndarray, n_real: int) -> None:
    """Refuse rows without a column to split on.

    Raises
    ------
    ValueError
        If no column varies.
    """
    if not np.any((table != table[0]) & ~(np.isnan(table) & np.isnan(table[0]))):
        raise ValueError(
            f"No column varies over the rows (n_samples={n_real}), so there is nothing to split on. "
            "Give the student more rows, or other columns."
        )


def _base_score(real: SoftRows, task: str) -> np.ndarray:
    """The start of the trees: zero for scaled targets, otherwise the log-odds or logs of the mean probabilities."""
    if task == "regression":
        return np.zeros(real.targets.shape[1])
    logs = log_frequencies(real)
    return logs[1:] - logs[:1] if len(logs) == 2 else logs


def _objective(task: str, targets: np.ndarray) -> Callable:
    """Gradient and Hessian, each (n,) or (n, n_scores), of the loss on soft targets."""
    n_scores = targets.shape[1]
    goal = targets[:, 0] if n_scores == 1 else targets

    def squared_error(scores: np.ndarray, dataset: Any) -> Slopes:
        return _weighted(scores - goal, np.ones_like(scores), dataset)

    def logistic(scores: np.ndarray, dataset: Any) -> Slopes:
        predicted = expit(scores)
        return _weighted(predicted - goal, _curvature(predicted, goal), dataset)

    def cross_entropy(scores: np.ndarray, dataset: Any) -> Slopes:
        predicted = softmax(scores, axis=1)
        # The factor that makes Newton steps right for a softmax with one score too many (Friedman, 2001, alg. 6).
        curvature = n_scores / (n_scores - 1) * _curvature(predicted, goal)
        return _weighted(predicted - goal, curvature, dataset)

    if task == "regression":
        return squared_error
    return logistic if n_scores == 1 else cross_entropy


def _shrinkage(task: str, targets: np.ndarray) -> float:
    """LightGBM's `lambda_l2`: 1 for hard labels, otherwise 0.

    On hard labels, leaves with a single class would otherwise grow without bound. Soft targets bound the leaves
    themselves, and shrinkage would keep the trees from reaching the smallest of them.
    """
    return float(task == "classification" and bool(((targets == 0) | (targets == 1)).all()))


def _curvature(predicted: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """The larger of p (1 - p) and t (1 - t): with the former alone, p = 1e-8 would far overshoot a target of 0.001."""
    return np.maximum(np.maximum(predicted * (1 - predicted), goal * (1 - goal)), 1e-6)


def _weighted(gradient: np.ndarray, hessian: np.ndarray, dataset: Any) -> Slopes:
    """Gradient and Hessian times the weights of the rows."""
    weights = dataset.get_weight()
    if weights is None:
        return gradient, hessian
    weights = weights if gradient.ndim == 1 else weights[:, None]
    return gradient * weights, hessian * weights
