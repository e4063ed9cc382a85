"""The tree student: one small tree on soft targets that people can read."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from tabkd._sklearn import N_JOBS, Interval, draw_tree
from tabkd._typing import RandomState
from tabkd.onnx._graph import Graph
from tabkd.onnx._heads import write_two_classes, write_values
from tabkd.onnx._inputs import Inputs
from tabkd.onnx._trees import Nodes, sklearn_nodes, write_ensemble
from tabkd.students._raw_scores import centring
from tabkd.students._soft_rows import SoftRows, SoftStream, bounded
from tabkd.students._student_graph import Tensors
from tabkd.students._trees.games import Part, check_size, games
from tabkd.students._trees.leaf_order import ordered_values
from tabkd.students._trees.ordinal import OrdinalTable
from tabkd.students._trees.rules import leaf_text, readable_thresholds, steps
from tabkd.students._trees.sum_of_trees import SumOfTrees

if TYPE_CHECKING:
    import pandas as pd

# The categories that a line of text names.
_SHOWN_LEVELS = 6
# Share of every row's target that is spread over all classes while the tree grows, and the least probability of a log.
_LEAST_SHARE = 1e-6


class TreeStudent(SumOfTrees):
    """One small decision tree on soft targets.

    The tree grows best first, as in TREPAN, so most leaves are where the targets vary most. With the same number of
    leaves this keeps more of the teacher than a tree of uniform depth. A leaf predicts the mean target of its rows, so
    probabilities sum to one. Splits minimise the cross-entropy of probabilities (the entropy criterion for soft
    labels), and the squared error of real targets. Thresholds are rounded to short numbers between the same values of
    the rows, so the printed rules are exactly the tree.

    With `monotonic_cst` the tree grows freely, and then its leaves are set to the nearest values in order: an isotonic
    regression over all pairs of leaves between which only a constrained column decides. It keeps more skill than
    constraints on each split, which order all leaves on both sides of it.

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
    monotonic_cst : array of shape (d,), dict of column to direction, or None, default=None
        1 for each column with which predictions may only rise, -1 with which they may only fall, and 0 for a free one,
        which a dict may leave out. A prediction is the value of the only target, or the probability of the second of
        two classes. A missing value may give any prediction.
    n_jobs : int or None, default=None
        Ignored, because one thread fits a tree; the other students use it.
    random_state : int, RandomState instance or None, default=None
        Seed, or generator of the random numbers.

    Attributes
    ----------
    decision_tree_ : sklearn.tree.DecisionTreeRegressor
        The tree.
    leaf_rows_ : int array of shape (n_nodes,)
        The number of real rows at fit in each leaf; 0 for other nodes.
    encoder_ : OrdinalTable
        Converts codes to the float32 columns that the tree reads.
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
    M. W. Craven, J. W. Shavlik, "Extracting Tree-Structured Representations of Trained Networks", NeurIPS 1996.
    R. Luss, S. Rosset, M. Shahar, "Efficient Regularized Isotonic Regression with Application to Gene-Gene Interaction
    Search", Annals of Applied Statistics 6(1), 2012.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from tabkd.students import TreeStudent
    >>> X = pd.DataFrame({"amount": np.arange(100.0)})
    >>> y = np.column_stack([X["amount"] < 50, X["amount"] >= 50]).astype(float)
    >>> tree = TreeStudent(max_depth=1).fit(X, y)
    >>> print(tree.export_text(class_names=["small", "large"]))
    |--- amount <= 49.5
    |   |--- P(small) = 1, P(large) = 0 (50.00% of rows)
    |--- amount > 49.5
    |   |--- P(small) = 0, P(large) = 1 (50.00% of rows)
    """

    _parameter_constraints = {
        "max_depth": [Interval(Integral, 1, None, closed="left"), None],
        "max_leaf_nodes": [Interval(Integral, 2, None, closed="left"), None],
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
        max_depth: int | None = None,
        max_leaf_nodes: int | None = 64,
        min_samples_leaf: int = 20,
        max_rows: int = 400_000,
        monotonic_cst: Any = None,
        n_jobs: int | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.max_depth = max_depth
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.max_rows = max_rows
        self.monotonic_cst = monotonic_cst
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _fit_rows(self, real: SoftRows, synthetic: SoftStream) -> None:
        rng = check_random_state(self.random_state)
        self.encoder_ = OrdinalTable(self.schema_, real)
        rows = bounded(real, synthetic, self.max_rows, rng)
        table = self.encoder_.transform_codes(rows.codes)
        self.decision_tree_ = self._grown(table, rows, rng)
        tree = self.decision_tree_.tree_
        tree.threshold[:] = readable_thresholds(sklearn_nodes(tree), self.schema_, self.encoder_, table)
        leaves = self.decision_tree_.apply(self.encoder_.transform_codes(real.codes))
        self.leaf_rows_ = np.bincount(leaves, minlength=tree.node_count)
        if self.monotonic_cst_.any():
            self._order_leaves()

    def _grown(self, table: np.ndarray, rows: SoftRows, rng: np.random.RandomState) -> DecisionTreeRegressor:
        """The tree, with mean targets in its leaves."""
        grown = DecisionTreeRegressor(
            # The Poisson deviance, summed over targets that sum to one, is the cross-entropy up to a constant.
            criterion="poisson" if self.task_ == "classification" else "squared_error",
            max_depth=self.max_depth,
            max_leaf_nodes=self.max_leaf_nodes,
            min_samples_leaf=min(self.min_samples_leaf, max(1, len(rows) // 4)),
            random_state=rng.randint(2**31 - 1),
        )
        offset, scale = self._scaling(rows.targets)
        grown.fit(table, (rows.targets - offset) / scale, sample_weight=rows.weights)
        values = grown.tree_.value
        values[:, :, 0] = values[:, :, 0] * scale + offset
        if self.task_ == "classification":
            np.clip(values, 0, 1, out=values)
        return grown

    def _order_leaves(self) -> None:
        """Set the leaves to the nearest values that keep the constraints."""
        tree = self.decision_tree_.tree_
        last = ordered_values(self._last_values()[0], self.monotonic_cst_, tree.weighted_n_node_samples)
        tree.value[:, -1, 0] = last
        if self.task_ == "classification":
            tree.value[:, 0, 0] = 1 - last

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
        nodes = self._nodes()
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

    def _raw_values(self) -> np.ndarray:
        """The raw scores of each node, (nodes, M)."""
        values = self.decision_tree_.tree_.value[:, :, 0]
        if self.task_ == "regression":
            return values
        logs = np.log(np.clip(values, _LEAST_SHARE, 1 - _LEAST_SHARE))
        return logs @ centring(self.n_outputs_)

    def _raw_factors(self) -> np.ndarray:
        """None: the games are those of raw scores."""
        return np.eye(self._raw_values().shape[1])

    def _parts(self) -> list[Part]:
        """The games of the tree, which has all scores at once."""
        values, background = self._raw_values(), self.encoder_.transform_codes(self.background_)
        played = list(games(self._trees()[0], values, background))
        check_size(played, type(self).__name__)
        return [Part(played, values.shape[1])]

    def rules(self, *, class_names: Sequence[str] | None = None) -> pd.DataFrame:
        """The rule of each leaf: which rows reach it, and what it predicts.

        Exactly one rule applies to each row. Numbers are compared in float32. A missing number counts as the median,
        and a missing category as an unseen one, in columns that had no missing value at fit.

        Parameters
        ----------
        class_names : sequence of str of shape (K,), optional
            Names of the outputs. By default the student of a distilled estimator has the names of its classes.

        Returns
        -------
        pandas.DataFrame
            A row for each leaf, from left to right. ``condition``: a sentence. ``rows`` and ``share``: how many of the
            real rows at fit reached the leaf. Then a column for each output: ``probability of …`` for classes,
            ``value`` for a target. ``parts``: the same conditions as a dict by column, whose name is x0, x1, … for
            an array. For numbers it has ``above``,
            ``up_to`` (infinite where there is no bound) and ``missing``, for categories ``in``, ``unseen`` and
            ``missing``.

        Raises
        ------
        ValueError
            If there are more or fewer names than outputs.
        sklearn.exceptions.NotFittedError
            If the student is not fitted.

        Examples
        --------
        >>> import numpy as np
        >>> import pandas as pd
        >>> from tabkd.students import TreeStudent
        >>> X = pd.DataFrame({"amount": np.arange(100.0)})
        >>> rules = TreeStudent(max_leaf_nodes=3).fit(X, np.digitize(X["amount"], [25, 75]) + 1.0).rules()
        >>> rules[["condition", "rows", "value"]].round(3)
                      condition  rows  value
        0        amount <= 24.5    25    1.0
        1  24.5 < amount <= 74.5    50    2.0
        2         amount > 74.5    25    3.0
        """
        import pandas as pd

        check_is_fitted(self)
        names, nodes = self.output_names(class_names), self._nodes()
        leaves = [step for step in steps(nodes, self.schema_, self.encoder_) if nodes.left[step.node] < 0]
        reached = np.array([step.node for step in leaves])
        prefix = "probability of " if self.task_ == "classification" else ""
        predictions = self.predictions_of(nodes.values[reached])
        return pd.DataFrame(
            {
                "condition": [step.path.text() for step in leaves],
                "rows": self.leaf_rows_[reached],
                "share": self._shares()[reached],
                **{f"{prefix}{name}": predictions[:, k] for k, name in enumerate(names)},
                "parts": [
                    {name: condition.part() for name, condition in step.path.conditions().items()} for step in leaves
                ],
            }
        )

    def rules_frame(self) -> pd.DataFrame:
        """The rules for the metadata of an exported file.

        Returns
        -------
        pandas.DataFrame
            `rules` without ``parts``.
        """
        return self.rules().drop(columns="parts")

    def export_text(self, *, class_names: Sequence[str] | None = None) -> str:
        """The rules of the tree as text, with a line for each branch and leaf.

        Long sets of categories are shortened; `rules` has them whole.

        Parameters
        ----------
        class_names : sequence of str of shape (K,), optional
            Names of the outputs. By default the student of a distilled estimator has the names of its classes.

        Returns
        -------
        str
            The lines, indented by depth.

        Raises
        ------
        ValueError
            If there are more or fewer names than outputs.
        sklearn.exceptions.NotFittedError
            If the student is not fitted.
        """
        check_is_fitted(self)
        nodes, leaf = self._nodes(), self._leaf_texts(class_names)
        lines = []
        for step in steps(nodes, self.schema_, self.encoder_):
            if step.by is not None:
                lines.append(f"{'|   ' * (step.depth - 1)}|--- {step.by.text(_SHOWN_LEVELS)}")
            if nodes.left[step.node] < 0:
                lines.append(f"{'|   ' * step.depth}|--- {leaf[step.node]}")
        return "\n".join(lines)

    def plot_tree(self, *, class_names: Sequence[str] | None = None, ax: Any = None, **kwargs: Any) -> list[Any]:
        """Draw the tree with matplotlib, with the texts of `export_text`.

        A split shows what holds for the rows that go left.

        Parameters
        ----------
        class_names : sequence of str of shape (K,), optional
            Names of the outputs. By default the student of a distilled estimator has the names of its classes.
        ax : matplotlib.axes.Axes, optional
            Where to draw; the current axes by default.
        **kwargs : object
            Further arguments of `sklearn.tree.plot_tree`: ``max_depth``, ``filled``, ``rounded`` and ``fontsize``.

        Returns
        -------
        list of matplotlib.text.Annotation
            The boxes of the nodes.

        Raises
        ------
        ValueError
            If there are more or fewer names than outputs.
        sklearn.exceptions.NotFittedError
            If the student is not fitted.
        """
        check_is_fitted(self)
        nodes, texts = self._nodes(), self._leaf_texts(class_names)
        left_children = {int(child): node for node, child in enumerate(nodes.left) if child >= 0}
        for step in steps(nodes, self.schema_, self.encoder_):
            if step.by is not None and step.node in left_children:
                texts[left_children[step.node]] = step.by.text(_SHOWN_LEVELS)
        return draw_tree(self.decision_tree_, texts, ax, **kwargs)

    def _nodes(self) -> Nodes:
        """The tree, in which a missing number takes the branch of its fill."""
        return self._filled_trees()[0]

    def _trees(self) -> list[Nodes]:
        return [sklearn_nodes(self.decision_tree_.tree_)]

    def _shares(self) -> np.ndarray:
        return self.leaf_rows_ / self.leaf_rows_.sum()

    def _leaf_texts(self, class_names: Sequence[str] | None) -> dict[int, str]:
        """What each leaf predicts, by its position."""
        nodes, names, shares = self._nodes(), self.output_names(class_names), self._shares()
        leaves = np.flatnonzero(nodes.left < 0)
        predictions = self.predictions_of(nodes.values[leaves])
        is_probability = self.task_ == "classification"
        return {
            int(leaf): leaf_text(names, values, shares[leaf], is_probability)
            for leaf, values in zip(leaves, predictions, strict=True)
        }
