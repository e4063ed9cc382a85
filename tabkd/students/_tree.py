"""The tree student: one shallow tree on soft targets, to be read as much as to score."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from sklearn.tree import DecisionTreeRegressor, export_text, plot_tree
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from tabkd._sklearn import N_JOBS, Interval
from tabkd.onnx._graph import Graph
from tabkd.onnx._heads import write_two_classes, write_values
from tabkd.onnx._inputs import Inputs
from tabkd.onnx._trees import sklearn_nodes, write_ensemble
from tabkd.students._ordinal import OrdinalTable
from tabkd.students._rows import SoftRows, SoftStream, bounded
from tabkd.students._student import Edges, Student, Tensors

# What all classes share of the weight of every row while the tree grows.
_LEAST_SHARE = 1e-6


class TreeStudent(Student):
    """One small decision tree on soft targets.

    It grows best first, so that its leaves lie where the teacher has most to say, as in TREPAN (Craven & Shavlik,
    1996); with as many leaves that keeps more than one depth for all. A leaf gives the mean target of its rows, so that
    probabilities stay on the simplex. Probabilities are split by their cross-entropy, the entropy criterion for soft
    labels; other targets by least squares.

    Parameters
    ----------
    max_depth : int or None, default=None
    max_leaf_nodes : int or None, default=64
    min_samples_leaf : int, default=20
    max_rows : int, default=400_000
        The most rows, real and synthetic, that the tree is fitted on; memory follows from it.
    n_jobs : int, optional
        Taken for likeness with the other students; a tree is fitted by one thread.
    random_state : int, RandomState instance or None

    Attributes
    ----------
    decision_tree_ : sklearn.tree.DecisionTreeRegressor
    encoder_ : OrdinalTable

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from tabkd.students import TreeStudent
    >>> X = pd.DataFrame({"amount": np.arange(100.0)})
    >>> y = np.column_stack([X["amount"] < 50, X["amount"] >= 50]).astype(float)
    >>> print(TreeStudent(max_depth=1).fit(X, y).export_text())
    |--- amount <= 49.50
    |   |--- value: [1.00, 0.00]
    |--- amount >  49.50
    |   |--- value: [0.00, 1.00]
    """

    _parameter_constraints = {
        "max_depth": [Interval(Integral, 1, None, closed="left"), None],
        "max_leaf_nodes": [Interval(Integral, 2, None, closed="left"), None],
        "min_samples_leaf": [Interval(Integral, 1, None, closed="left")],
        "max_rows": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": N_JOBS,
        "random_state": ["random_state"],
    }

    on_simplex = True

    def __init__(
        self,
        *,
        max_depth=None,
        max_leaf_nodes=64,
        min_samples_leaf=20,
        max_rows=400_000,
        n_jobs=None,
        random_state=None,
    ):
        self.max_depth = max_depth
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.max_rows = max_rows
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _fit_rows(self, real: SoftRows, synthetic: SoftStream) -> None:
        rng = check_random_state(self.random_state)
        self.encoder_ = OrdinalTable(self.schema_, real)
        rows = bounded(real, synthetic, self.max_rows, rng)
        self.decision_tree_ = DecisionTreeRegressor(
            # The deviance of Poisson, summed over targets that sum to one, is the cross-entropy but for a constant.
            criterion="poisson" if self.task_ == "classification" else "squared_error",
            max_depth=self.max_depth,
            max_leaf_nodes=self.max_leaf_nodes,
            min_samples_leaf=min(self.min_samples_leaf, max(1, len(rows) // 4)),
            random_state=rng.randint(2**31 - 1),
        )
        offset, scale = self._scaling(rows.targets)
        table = self.encoder_.transform_codes(rows.codes)
        self.decision_tree_.fit(table, (rows.targets - offset) / scale, sample_weight=rows.weights)
        values = self.decision_tree_.tree_.value
        values[:, :, 0] = values[:, :, 0] * scale + offset
        if self.task_ == "classification":
            np.clip(values, 0, 1, out=values)

    def _scaling(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What is taken off the targets for the time of the fit, and what the rest is divided by."""
        if self.task_ == "classification":
            # A split is refused where a class has no share at all in a child, so that each gets a tiny one.
            scale = np.full(self.n_outputs_, 1 / (1 - _LEAST_SHARE))
            return -_LEAST_SHARE / self.n_outputs_ * scale, scale
        # Scikit-learn stops at an impurity of 1e-16 whatever the scale, and squares lose the digits of a large mean.
        spread = targets.std(axis=0)
        return targets.mean(axis=0), np.where(spread > 0, spread, 1.0)

    def predict_codes(self, codes: np.ndarray) -> np.ndarray:
        """Predict the targets, float64 (n, K), of codes (n, d)."""
        predicted = self.decision_tree_.predict(self.encoder_.transform_codes(codes))
        return predicted.reshape(len(codes), -1)

    def edges(self) -> list[Edges]:
        """The thresholds of the tree."""
        return self.encoder_.edges_of([sklearn_nodes(self.decision_tree_.tree_)])

    def write_onnx(self, graph: Graph, inputs: Inputs) -> Tensors:
        """Write what `predict_codes` computes into a graph."""
        table = self.encoder_.write_onnx(graph, inputs)
        nodes = sklearn_nodes(self.decision_tree_.tree_).filled(self.encoder_.fill_)
        if self.task_ == "classification" and self.n_outputs_ == 2:
            nodes.values = nodes.values[:, 1:]  # one sum takes ONNX Runtime half as long as two
            return Tensors(write_two_classes(graph, write_ensemble(graph, table, [(nodes, [0])], 1)))
        n_outputs, wide = self.n_outputs_, self.is_wide
        root = nodes.values[0] if wide else np.zeros(n_outputs)
        nodes.values = nodes.values - root
        sums = write_ensemble(graph, table, [(nodes, range(n_outputs))], n_outputs)
        return Tensors(write_values(graph, sums, np.ones(n_outputs), root, wide))

    def export_text(self, **kwargs) -> str:
        """The rules of the tree as text; arguments as in `sklearn.tree.export_text`.

        A categorical column is split on the rank of its levels by mean target, see `OrdinalTable`.
        """
        check_is_fitted(self)
        return export_text(self.decision_tree_, **{"feature_names": self._names(), **kwargs}).rstrip("\n")

    def plot_tree(self, **kwargs):
        """Draw the tree with matplotlib; arguments as in `sklearn.tree.plot_tree`."""
        check_is_fitted(self)
        return plot_tree(self.decision_tree_, **{"feature_names": self._names(), **kwargs})

    def _names(self) -> list[str]:
        return [str(name) for name in self.schema_.names]
