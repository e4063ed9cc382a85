"""The additive student: a sum of functions of one column, and of a few functions of two."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any, Literal

import numpy as np
from scipy.linalg import block_diag
from scipy.special import expit, softmax

from tabkd._sklearn import Interval, StrOptions
from tabkd._typing import RandomState
from tabkd.onnx._graph import Graph
from tabkd.onnx._inputs import Inputs
from tabkd.students._additive.graph import write_explanation, write_score, write_scores, write_units
from tabkd.students._additive.monotone import Directions
from tabkd.students._additive.pairs import chosen_grids
from tabkd.students._additive.readable import ReadableStudent
from tabkd.students._additive.terms import AdditiveTerms, sides
from tabkd.students._additive.training import AdditiveTrainer, Allowed, Terms, binary_cross_entropy
from tabkd.students._additive.units import AdditiveUnits
from tabkd.students._soft_rows import SoftRows
from tabkd.students._student_graph import Tensors
from tabkd.students._training.encoded import encoded_units
from tabkd.students._training.lessons import Learner
from tabkd.students._training.student import MinibatchStudent

# Most different means of the levels of a column: their rows in a file then take a byte each.
_MOST_MEANS = 64


class AdditiveStudent(ReadableStudent):
    """A sum of one function for each column, and of a few functions of two columns, that people can read.

    The score is the log-odds of the second of two classes; with more classes, a score for each, to which a softmax is
    applied; or the value of each target. The function of a numeric column is piecewise linear between knots, with a
    value for missing numbers. A categorical column has a number for each level, for missing and for unseen ones. The
    function of two columns is bilinear between the knots of a coarse grid.

    Parameters
    ----------
    n_pairs : int or "auto", default="auto"
        Largest number of functions of two columns. "auto" takes up to 16, as many as help to explain the teacher's
        answers on held-out rows; 0 gives a sum of functions of one column. With constraints, it takes all that help.
    n_knots : int, default=96
        Most piecewise-linear units of all numeric columns together; see `TableEncoder`.
    max_levels : int, default=64
        Most levels of a categorical column that gets one unit for each level. The levels of other columns are read as
        mean targets, of which the function is piecewise linear.
    max_units : int, default=288
        Most units in total, not counting those of pairs.
    batch_size : int, default=256
        Rows of a minibatch.
    learning_rate_init : float, default=0.02
        The highest learning rate. It is reached after a twentieth of the steps; then the rate falls to zero as a half
        cosine.
    max_iter : int or "auto", default="auto"
        Passes over every row. "auto" passes over about four million rows in total; without synthetic rows it holds out
        a tenth of the rows for early stopping.
    monotonic_cst : array of shape (d,), dict of column to direction, or None, default=None
        1 for each column with which predictions may only rise, -1 with which they may only fall, and 0 for a free one,
        which a dict may leave out. A prediction is the value of the only target, or the probability of the second of
        two classes. A missing value may give any prediction.
    n_jobs : int or None, default=None
        Threads of the surrogates that place the knots and find the pairs; None for all cores.
    random_state : int, RandomState instance or None, default=None
        Seed, or generator of the random numbers.

    Attributes
    ----------
    pairs_ : int ndarray of shape (p, 2)
        Positions of the columns of each pair, the one that explained the most first.
    encoder_ : TableEncoder
        The encoding of the table, with the units of the pairs' grids.
    terms_ : object
        The weights of the features and of their products, with which `encoder_` makes the score.
    n_iter_ : int
        Passes made over every row.
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

    Notes
    -----
    All weights are learnt together, which is a convex problem (a generalised additive model with interactions, GA2M,
    Lou et al., 2013). The functions that users see have mean zero over `background_`, a sample of the rows, and those
    of pairs also along each of their columns, so that main effects are where they belong (Lengerich et al., 2020).
    Therefore the contribution of a column, its function plus half of the functions of its pairs, is its exact Shapley
    value with respect to `background_`.

    With `monotonic_cst`, the weight of each unit of a constrained column is large enough to outweigh the products of
    the unit with other columns at any of their values. The contribution of the column then never falls (or never rises)
    as only the column rises. If no background row has a larger value or a missing one, the contribution is not below
    zero (or not above); and the reverse if none has a smaller one.

    References
    ----------
    Y. Lou, R. Caruana, J. Gehrke, G. Hooker, "Accurate Intelligible Models with Pairwise Interactions", KDD 2013.
    B. Lengerich, S. Tan, C.-H. Chang, G. Hooker, R. Caruana, "Purifying Interaction Effects with the Functional ANOVA",
    AISTATS 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from tabkd.students import AdditiveStudent
    >>> X = np.random.default_rng(0).uniform(size=(500, 3))
    >>> y = np.sin(6 * X[:, 0]) + X[:, 1] * X[:, 2]
    >>> student = AdditiveStudent(n_pairs=1, max_iter=50, random_state=0).fit(X, y)
    >>> student.pairs_.tolist()
    [[1, 2]]
    >>> bool(student.score(X, y) > 0.99)
    True
    """

    _parameter_constraints = {
        **MinibatchStudent._parameter_constraints,
        "n_pairs": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
    }

    def __init__(
        self,
        *,
        n_pairs: int | Literal["auto"] = "auto",
        n_knots: int = 96,
        max_levels: int = 64,
        max_units: int = 288,
        batch_size: int = 256,
        learning_rate_init: float = 0.02,
        max_iter: int | Literal["auto"] = "auto",
        monotonic_cst: Any = None,
        n_jobs: int | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.n_pairs = n_pairs
        self.n_knots = n_knots
        self.max_levels = max_levels
        self.max_units = max_units
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.monotonic_cst = monotonic_cst
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _fit_encoder(self, real: SoftRows, rng: np.random.RandomState) -> None:
        """Set `encoder_`, with the units of the chosen pairs, and `pairs_`."""
        super()._fit_encoder(real, rng)
        if len(self.encoder_.mean_columns_):
            seed = rng.randint(2**31 - 1)
            self.encoder_ = self.encoder_.with_merged_means(real.codes, real.weights, _MOST_MEANS, seed)
        is_classifier, is_constrained = self.task_ == "classification", bool(self.monotonic_cst_.any())
        grids = chosen_grids(self.encoder_, real, self.n_pairs, is_classifier, is_constrained, rng, self.n_jobs)
        grids = grids.in_order()
        self.encoder_ = grids.encoder
        self._sides = sides(grids.pairs.values())
        named = dict.fromkeys(tuple(sorted(pair.columns)) for pair in grids.pairs.values())
        self.pairs_ = np.array(list(named), dtype=np.int64).reshape(-1, 2)

    def _trainer(self, real: SoftRows, rng: np.random.RandomState) -> Learner:
        left, right, together = self._sides
        terms = Terms.first(self._prior(real), self.encoder_.n_features_out_, len(left), len(right))
        units = encoded_units(self.encoder_)
        allowed = Allowed(together, self._directions(self.encoder_.n_features_out_, left, right))
        return AdditiveTrainer(terms, units, left, right, allowed, self._loss())

    def _set_weights(self, weights: AdditiveTerms) -> None:
        """Learnt weights as weights of all features: an unseen level has the units that the encoder gives it."""
        terms = weights.float64()
        if self.task_ == "classification" and not self._is_binary:
            terms = terms.relative()
        levels = self.encoder_.level_units_
        self.terms_ = terms.spread(block_diag(np.eye(len(self.encoder_.unit_column_)), levels)).rounded()
        if directions := self._directions(len(self._columns()), self.terms_.left, self.terms_.right):
            self.terms_ = directions.imposed_on(self.terms_)

    def _directions(self, n_features: int, left: np.ndarray, right: np.ndarray) -> Directions | None:
        """How the score moves along the first features, with products of some of them; None without constraints."""
        if not self.monotonic_cst_.any():
            return None
        return Directions.of(self.encoder_, self._signs()[:n_features], left, right)

    def _signs(self) -> np.ndarray:
        """The sign with which the score has to move along each feature, 0 for any."""
        return np.where(self._is_number(), self.monotonic_cst_[self._columns()], 0)

    def _loss(self) -> Callable:
        return binary_cross_entropy if self._is_binary else super()._loss()

    def _learnt(self, targets: np.ndarray) -> np.ndarray:
        return targets[:, 1:] if self._is_binary else super()._learnt(targets)

    def _prior(self, real: SoftRows) -> np.ndarray:
        """The scores of the best constant: log-odds, log frequencies, or zero."""
        prior = super()._prior(real)
        return np.diff(prior) if self._is_binary else prior

    def _is_number(self) -> np.ndarray:
        """Whether a feature rises with a numeric column: it is not of levels, their means, or missing values."""
        return np.concatenate([self.encoder_.rising_columns() >= 0, np.zeros(len(self.encoder_.level_units_), bool)])

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
        scores = self.raw_scores(codes)
        if self.task_ == "regression":
            return scores
        if self._is_binary:
            return np.hstack([expit(-scores), expit(scores)])
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
        units = AdditiveUnits.of(self.encoder_, self.terms_)
        u, terms = write_units(graph, inputs, units), units.terms(self.terms_)
        if self._is_binary:
            # The softmax of these halves is the sigmoid of the score.
            scores = write_score(graph, u, units, terms, [-0.5, 0.5])
        elif self.task_ == "regression" and self.n_outputs_ == 1 and not self.is_wide:
            return Tensors(write_score(graph, u, units, terms, self.target_scale_, float(self.target_mean_[0])))
        elif self.n_outputs_ == 1:
            scores = write_score(graph, u, units, terms, [1.0])
        else:
            scores = write_scores(graph, u, units, terms)
        if self.task_ == "regression":
            return Tensors(self.write_values(graph, scores))
        return Tensors(graph.node("Softmax", [scores], axis=1))

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
        """
        units = AdditiveUnits.of(self.encoder_, self.terms_)
        factor = float(self.target_scale_[0])  # of the only score, whose effects are in standard deviations
        explanation = units.explanation(self._explanation(), factor, self.background_)
        return write_explanation(graph, write_units(graph, inputs, units), units, explanation)

    def proved_monotone(self) -> np.ndarray:
        """Prove the constraints: along each unit of a column, its weight outweighs its products with other columns.

        Returns
        -------
        int8 array of shape (d,)
            `monotonic_cst_`, with 0 for each column whose constraint is not proved.
        """
        proved = self.monotonic_cst_.copy()
        columns = self._columns()
        if directions := self._directions(len(columns), self.terms_.left, self.terms_.right):
            proved[columns[~directions.kept_by(self.terms_)]] = 0
        return proved
