"""The tree student: one small tree on soft targets that people can read."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeRegressor, export_text, plot_tree
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from tabkd._sklearn import N_JOBS, Interval
from tabkd._typing import RandomState
from tabkd.onnx._graph import Graph
from tabkd.onnx._heads import write_two_classes, write_values
from tabkd.onnx._inputs import Inputs
from tabkd.onnx._trees import sklearn_nodes, write_ensemble
from tabkd.students._ordinal import OrdinalTable
from tabkd.students._soft_rows import SoftRows, SoftStream, bounded
from tabkd.students._student import Edges, Student, Tensors
from tabkd.students._tree_games import Part, check_size, games, shared, write_shared

# Share of every row's target that is spread over all classes while the tree grows, and the least probability of a log.
_LEAST_SHARE = 1e-6


class TreeStudent(Student):
    """One small decision tree on soft targets.

    The tree grows best first, as in TREPAN, so that its leaves lie where the targets vary most. With the same number
    of leaves this keeps more of the teacher than a tree of uniform depth. A leaf predicts the mean target of its rows,
    so that probabilities sum to one. Splits minimise the cross-entropy of probabilities (the entropy criterion for
    soft labels), and the squared error of real targets.

    Parameters
    ----------
    max_depth : int or None, default=None
        Largest depth; None for no limit.
    max_leaf_nodes : int or None, default=64
        Most leaves; None for no limit.
    min_samples_leaf : int, default=20
        Fewest rows of a leaf, but at most a quarter of all rows.
    max_rows : int, default=400_000
        Synthetic rows are sampled so that they and all real rows are about this many in total; it limits the memory.
    n_jobs : int or None, default=None
        Ignored; the other students have it. A tree is fitted by one thread.
    random_state : int, RandomState instance or None, default=None
        Seed, or generator of the random numbers.

    Attributes
    ----------
    decision_tree_ : sklearn.tree.DecisionTreeRegressor
        The tree.
    encoder_ : OrdinalTable
        Converts codes to the float32 columns that the tree reads.
    schema_ : TableSchema
        The columns of the table at fit.
    n_outputs_ : int
        Number K of target columns.
    task_ : {"classification", "regression"}
        "classification" if every row of the targets at fit was a probability distribution.

    References
    ----------
    M. W. Craven, J. W. Shavlik, "Extracting Tree-Structured Representations of Trained Networks", NeurIPS 1996.

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
        max_depth: int | None = None,
        max_leaf_nodes: int | None = 64,
        min_samples_leaf: int = 20,
        max_rows: int = 400_000,
        n_jobs: int | None = None,
        random_state: RandomState = None,
    ) -> None:
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
            # The Poisson deviance, summed over targets that sum to one, is the cross-entropy up to a constant.
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
        """The offset that is subtracted from the targets during the fit, and the scale that they are divided by."""
        if self.task_ == "classification":
            # scikit-learn refuses a split that leaves a class no share in a child, so each class gets a tiny share.
            scale = np.full(self.n_outputs_, 1 / (1 - _LEAST_SHARE))
            return -_LEAST_SHARE / self.n_outputs_ * scale, scale
        # scikit-learn stops at an impurity of 1e-16 at any scale, and squares lose the digits of a large mean.
        spread = targets.std(axis=0)
        return targets.mean(axis=0), np.where(spread > 0, spread, 1.0)

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
        predicted = self.decision_tree_.predict(self.encoder_.transform_codes(codes))
        return predicted.reshape(len(codes), -1)

    def edges(self) -> list[Edges]:
        """The thresholds of the tree.

        Returns
        -------
        list of Edges
            An entry for each numeric column that is split on.
        """
        return self.encoder_.edges_of([sklearn_nodes(self.decision_tree_.tree_)])

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

    def raw_scores(self, codes: np.ndarray) -> np.ndarray:
        """Compute the scores that contributions add up to.

        Parameters
        ----------
        codes : ndarray of shape (n, d), float64
            Rows encoded by `schema_`.

        Returns
        -------
        ndarray of shape (n, M), float64
            Log-odds of the second of two classes, log-probabilities minus their mean, or real values. Probabilities
            below 1e-6 count as 1e-6, so that their logs are finite.
        """
        leaves = self.decision_tree_.apply(self.encoder_.transform_codes(codes))
        return self._raw_values()[leaves]

    def explain_codes(self, codes: np.ndarray) -> np.ndarray:
        """Compute how much each column contributes to the raw scores of a row: the exact Shapley values.

        Parameters
        ----------
        codes : ndarray of shape (n, d), float64
            Rows encoded by `schema_`.

        Returns
        -------
        ndarray of shape (n, M, d), float64
            The sum over the columns is the raw score minus that of `base_values`.

        Raises
        ------
        ValueError
            If the paths of the tree have too many columns.

        References
        ----------
        S. M. Lundberg et al., "From local explanations to global understanding with explainable AI for trees",
        Nature Machine Intelligence 2, 2020.
        """
        return shared(self._parts(), self.encoder_.transform_codes(codes))

    def write_contributions(self, graph: Graph, inputs: Inputs) -> str:
        """Write what `explain_codes` computes into a graph.

        Parameters
        ----------
        graph : tabkd.onnx.Graph
            Takes the nodes.
        inputs : tabkd.onnx.Inputs
            The columns of the table.

        Returns
        -------
        str
            A tensor of shape (n, d), or (n, M, d) if there are several raw scores; float32.

        Raises
        ------
        ValueError
            If the paths of the tree have too many columns.
        """
        table = self.encoder_.write_onnx(graph, inputs)
        return write_shared(graph, table, self._parts(), len(self.schema_.columns), self.encoder_.fill_)

    def values_per_explanation(self) -> int:
        """Count the numbers that the graph of the contributions holds for a row at a time.

        Returns
        -------
        int
            The shares that are looked up, or the contributions.
        """
        shares = sum(len(game.path) for part in self._parts() for game in part.games)
        return max(shares, super().values_per_explanation())

    def _raw_values(self) -> np.ndarray:
        """The raw scores of each node, (nodes, M)."""
        values = self.decision_tree_.tree_.value[:, :, 0]
        if self.task_ == "regression":
            return values
        logs = np.log(np.clip(values, _LEAST_SHARE, 1 - _LEAST_SHARE))
        return logs[:, 1:] - logs[:, :1] if self.n_outputs_ == 2 else logs - logs.mean(axis=1, keepdims=True)

    def _parts(self) -> list[Part]:
        """The games of the tree, which has all scores at once."""
        nodes, background = sklearn_nodes(self.decision_tree_.tree_), self.encoder_.transform_codes(self.background_)
        values = self._raw_values()
        played = list(games(nodes, values, background))
        check_size(played, type(self).__name__)
        return [Part(played, values.shape[1])]

    def export_text(self, **kwargs: Any) -> str:
        """The rules of the tree as text.

        A split of a categorical column compares the rank of its levels by mean target.

        Parameters
        ----------
        **kwargs : object
            Arguments of `sklearn.tree.export_text`, such as ``decimals``. By default the features are named after the
            columns.

        Returns
        -------
        str
            One line for each split and leaf.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the student is not fitted.
        """
        check_is_fitted(self)
        return export_text(self.decision_tree_, **{"feature_names": self._names(), **kwargs}).rstrip("\n")

    def plot_tree(self, **kwargs: Any) -> list[Any]:
        """Draw the tree with matplotlib.

        A split of a categorical column compares the rank of its levels by mean target.

        Parameters
        ----------
        **kwargs : object
            Arguments of `sklearn.tree.plot_tree`, such as ``ax``. By default the features are named after the columns.

        Returns
        -------
        list of matplotlib.text.Annotation
            The boxes of the nodes.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the student is not fitted.
        """
        check_is_fitted(self)
        return plot_tree(self.decision_tree_, **{"feature_names": self._names(), **kwargs})

    def _names(self) -> list[str]:
        return [str(name) for name in self.schema_.names]
