"""The additive student: a sum of functions of one column, and of a few functions of two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import expit, softmax
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from tabkd._sklearn import N_JOBS, Interval, StrOptions
from tabkd._typing import RandomState
from tabkd.onnx._graph import Graph
from tabkd.onnx._inputs import Inputs
from tabkd.students._additive.graph import write_explanation, write_score, write_scores, write_units
from tabkd.students._additive.grids import Grids, features
from tabkd.students._additive.pairs import chosen_grids
from tabkd.students._additive.plot import plot_functions
from tabkd.students._additive.scorecard import Functions, Scale, readable, scorecard
from tabkd.students._additive.terms import AdditiveTerms, Explanation, sides
from tabkd.students._additive.training import AdditiveTrainer, Limits, Terms, binary_cross_entropy
from tabkd.students._additive.units import AdditiveUnits
from tabkd.students._encoding.encoder import TableEncoder
from tabkd.students._soft_rows import SoftRows, SoftStream, log_frequencies
from tabkd.students._student import Student
from tabkd.students._student_graph import Tensors
from tabkd.students._training.batches import Batches, cross_entropy, squared_error
from tabkd.students._training.lessons import Progress, hold_out
from tabkd.students._training.school import encoded_batches, encoded_units, loss_of_answers, n_passes, school

if TYPE_CHECKING:
    import pandas as pd

# Rows whose features are in memory at a time.
_BLOCK_ROWS = 4096


class AdditiveStudent(Student):
    """A sum of one function for each column, and of a few functions of two columns, that people can read.

    The score is the log-odds of the second of two classes, a score for each of more classes, of which the softmax is
    taken, or the value of each target. The function of a numeric column is piecewise linear between knots, with a value
    for missing numbers. A categorical column has a number for each level, for missing and for unseen ones. The function
    of two columns is bilinear between the knots of a coarse grid.

    Parameters
    ----------
    n_pairs : int or "auto", default="auto"
        Most functions of two columns. "auto" takes as many, up to 16, as explain more of the teacher's answers on
        held-out rows; 0 gives a sum of functions of one column.
    n_knots : int, default=64
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
        two classes. A missing value may give any prediction. A constrained column is in no pair.
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
    Therefore the contribution of a column is its function plus half of the functions of its pairs: these are the exact
    Shapley values against `background_`.

    With `monotonic_cst`, weights of the wrong sign are set to zero after each step.

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
        "n_pairs": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "n_knots": [Interval(Integral, 0, None, closed="left")],
        "max_levels": [Interval(Integral, 1, None, closed="left")],
        "max_units": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "monotonic_cst": ["array-like", dict, None],
        "n_jobs": N_JOBS,
        "random_state": ["random_state"],
    }
    on_simplex = True

    def __init__(
        self,
        *,
        n_pairs: int | Literal["auto"] = "auto",
        n_knots: int = 64,
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

    def _fit_rows(self, real: SoftRows, synthetic: SoftStream) -> None:
        rng = check_random_state(self.random_state)
        grids = self._grids(real, rng).in_order()
        self.encoder_ = grids.encoder
        named = dict.fromkeys(tuple(sorted(pair.columns)) for pair in grids.pairs.values())
        self.pairs_ = np.array(list(named), dtype=np.int64).reshape(-1, 2)
        held_out = None
        if synthetic.n_rows == 0 and self.max_iter == "auto":
            real, held_out = hold_out(real, rng)
        left, right, allowed = sides(grids.pairs.values())
        trainer = AdditiveTrainer(
            self._first_terms(real, left, right),
            encoded_units(self.encoder_),
            left,
            right,
            Limits(self._signs(), allowed),
            self._loss(),
        )
        progress = Progress(self._loss_of(held_out, left, right) if held_out is not None else None)
        terms, self.n_iter_ = school(
            trainer,
            self.encoder_,
            self._inputs,
            real,
            synthetic,
            n_passes(self.max_iter, len(real) + synthetic.n_rows),
            self.batch_size,
            self.learning_rate_init,
            progress,
            rng,
        )
        self.terms_ = self._terms(terms, left, right)

    def _grids(self, real: SoftRows, rng: np.random.RandomState) -> Grids:
        """The encoding of the table with the units of the chosen pairs."""
        encoder = TableEncoder(
            n_knots=self.n_knots,
            max_levels=self.max_levels,
            max_units=self.max_units,
            n_jobs=self.n_jobs,
            random_state=rng.randint(2**31 - 1),
        ).fit_rows(self.schema_, real)
        fixed = self.monotonic_cst_ != 0
        is_classifier = self.task_ == "classification"
        return chosen_grids(encoder, real, self.n_pairs, fixed, is_classifier, rng, self.n_jobs)

    def _first_terms(self, real: SoftRows, left: np.ndarray, right: np.ndarray) -> Terms:
        """No function yet, and the scores of the best constant: log-odds, log frequencies, or zero."""
        prior = np.zeros(self.n_outputs_)
        if self.task_ == "classification":
            prior = log_frequencies(real)
            prior = prior[1:] - prior[:1] if self._is_binary else prior
        m, z = len(prior), self.encoder_.n_features_out_
        shapes = (z, m), (m,), (len(left), len(right), m)
        weights, intercept, products = (np.zeros(shape, np.float32) for shape in shapes)
        return Terms(weights, intercept + prior.astype(np.float32), products)

    def _signs(self) -> np.ndarray:
        """The sign that the weight of each feature has to have, 0 for a free one."""
        return np.where(self._is_number(), self.monotonic_cst_[self._columns()], 0)[: self.encoder_.n_features_out_]

    def _loss(self) -> Callable:
        if self.task_ == "regression":
            return squared_error
        return binary_cross_entropy if self._is_binary else cross_entropy

    def _loss_of(self, rows: SoftRows, left: np.ndarray, right: np.ndarray) -> Callable[[Terms], float]:
        """The function that computes the mean loss of terms on rows."""

        def loss(terms: Terms) -> float:
            self.terms_ = self._terms(terms, left, right)
            scale = None if self.task_ == "classification" else self.target_scale_
            return loss_of_answers(self.predict_codes(rows.codes), rows, scale)

        return loss

    def _inputs(self, rows: SoftRows) -> Batches:
        targets = (rows.targets - self.target_mean_) / self.target_scale_
        return encoded_batches(self.encoder_, rows, targets[:, 1:] if self._is_binary else targets)

    def _terms(self, learnt: Terms, left: np.ndarray, right: np.ndarray) -> AdditiveTerms:
        """Learnt weights as weights of all features: an unseen level has the units that the encoder gives it."""
        weights, intercept, products = (part.astype(np.float64) for part in learnt)
        if self.task_ == "classification" and not self._is_binary:
            # The softmax does not change, and the scores are log-probabilities minus their mean.
            weights, intercept, products = (
                part - part.mean(axis=-1, keepdims=True) for part in (weights, intercept, products)
            )
        n_units, levels = len(self.encoder_.unit_column_), self.encoder_.level_units_
        spread = np.zeros((n_units + len(levels), len(weights)))
        spread[:n_units, :n_units] = np.eye(n_units)
        spread[n_units:, n_units:] = levels
        rows, columns = (np.flatnonzero(spread[:, side].any(axis=1)) for side in (left, right))
        products = np.einsum("al,lrm,br->abm", spread[np.ix_(rows, left)], products, spread[np.ix_(columns, right)])
        return AdditiveTerms(spread @ weights, intercept, rows, columns, products).float32()

    @property
    def _is_binary(self) -> bool:
        return self.task_ == "classification" and self.n_outputs_ == 2

    def _columns(self) -> np.ndarray:
        """The column of the table that each feature comes from."""
        return self.encoder_.feature_columns()

    def _is_number(self) -> np.ndarray:
        """Whether a feature rises with a numeric column: it is not of levels, their means, or missing values."""
        return np.concatenate([self.encoder_.rising_columns() >= 0, np.zeros(len(self.encoder_.level_units_), bool)])

    def raw_scores(self, codes: np.ndarray) -> np.ndarray:
        """Compute the scores that contributions add up to.

        Parameters
        ----------
        codes : ndarray of shape (n, d), float64
            Rows encoded by `schema_`.

        Returns
        -------
        ndarray of shape (n, M), float64
            For two classes the log-odds of the second one, for more classes their log-probabilities minus the mean of
            these over the classes, and otherwise the values of the targets.
        """
        terms = self._raw_terms()
        return self._in_blocks(terms.scores, codes)

    def _raw_terms(self) -> AdditiveTerms:
        return self.terms_ if self._is_binary else self.terms_.scaled(self.target_scale_, self.target_mean_)

    def _in_blocks(self, compute: Callable[[np.ndarray], np.ndarray], codes: np.ndarray) -> np.ndarray:
        blocks = (codes[i : i + _BLOCK_ROWS] for i in range(0, max(len(codes), 1), _BLOCK_ROWS))
        return np.concatenate([compute(features(self.encoder_, block)) for block in blocks])

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

    def base_values(self) -> np.ndarray:
        """Compute the mean raw scores of `background_`, from which contributions start.

        Returns
        -------
        ndarray of shape (M,), float64
            The baseline of each raw score.
        """
        return self._explanation().base

    def explain_codes(self, codes: np.ndarray) -> np.ndarray:
        """Compute how much each column contributes to the raw scores of a row: its function, and half of its pairs'.

        Parameters
        ----------
        codes : ndarray of shape (n, d), float64
            Rows encoded by `schema_`.

        Returns
        -------
        ndarray of shape (n, M, d), float64
            Exact Shapley values against `background_`.
        """
        return self._in_blocks(self._explanation().contributions, codes)

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

    def _explanation(self) -> Explanation:
        background = features(self.encoder_, self.background_)
        return Explanation.of(self._raw_terms(), background, self._columns(), len(self.schema_.columns))

    def proved_monotone(self) -> np.ndarray:
        """Prove the constraints by the signs of the weights: those of a column all have its sign, and it is in no pair.

        Returns
        -------
        int8 array of shape (d,)
            `monotonic_cst_`, with 0 for each column whose constraint is not proved.
        """
        columns, direction = self._columns(), self.monotonic_cst_
        wrong = self._is_number() & (self.terms_.weights * direction[columns, None] < 0).any(axis=1)
        in_pairs = np.concatenate([self.terms_.left, self.terms_.right])
        proved = direction.copy()
        proved[np.concatenate([columns[wrong], columns[in_pairs]])] = 0
        return proved

    def to_scorecard(
        self, *, pdo: float | None = None, base_points: float | None = None, base_odds: float | None = None
    ) -> pd.DataFrame:
        """List the functions as a table of points, whose sum for a row is its raw score.

        In a distilled estimator with a temperature or a link, points are those of the estimator: they add up to what
        its `contributions` add up to.

        Parameters
        ----------
        pdo : float, optional
            Two classes only: the points that double the odds of the second class. A negative number gives a scale on
            which more points mean a smaller probability of the second class, as usual in credit, where that is default.
        base_points : float, optional
            The points at `base_odds`; 0 by default.
        base_odds : float, optional
            Odds of the second class, p / (1 - p), that have `base_points`; 1 by default.

        Returns
        -------
        pandas.DataFrame
            The first row for each score, of column "(base)", has the base points: the sum of a row's points where
            every function is zero. The further rows are, first for single columns and then for pairs:

            - ``kind`` "range": values of ``column`` between ``from`` and ``to``, where the points rise or fall linearly
              from ``points`` to ``points_to``; "category": the value ``level``; "missing" and "unseen" values.
            - For a pair, ``kind_2``, ``column_2``, ``level_2``, ``from_2`` and ``to_2`` say the same of its second
              column. The points are bilinear: ``points`` at ``from`` and ``from_2``, ``points_to`` at ``to`` and
              ``from_2``, ``points_2`` at ``from`` and ``to_2``, ``points_to_2`` at ``to`` and ``to_2``. What has no
              row of its own in a pair, such as rare categories, has the row of ``kind`` "other values".
            - ``output`` numbers the class or target if there are several scores.

        Raises
        ------
        ValueError
            If points are to be scaled and there are not two classes, or a number is not valid.
        sklearn.exceptions.NotFittedError
            If the student is not fitted.

        Notes
        -----
        With ``factor = pdo / ln 2`` and ``offset = base_points - factor * ln(base_odds)``, the points of a row are
        ``offset + factor * log_odds`` (Siddiqi, "Credit Risk Scorecards", 2006, ch. 6).

        Examples
        --------
        >>> import pandas as pd
        >>> from tabkd.students import AdditiveStudent
        >>> X = pd.DataFrame({"colour": ["red", "blue"] * 50})
        >>> y = (X["colour"] == "red") * 2.0
        >>> card = AdditiveStudent(max_iter=200, random_state=0).fit(X, y).to_scorecard()
        >>> card.loc[card["kind"] == "category", ["column", "level", "points"]].round(1)
           column level  points
        1  colour  blue    -1.0
        2  colour   red     1.0
        """
        check_is_fitted(self)
        scale = Scale.of(pdo, base_points, base_odds, self._is_binary)
        return scorecard(self._functions(), self.pairs_, scale)

    def plot(self, columns: Sequence[Any] | None = None, *, output: int = 0) -> np.ndarray:
        """Draw the functions with matplotlib: a line or bars for each column, and a map for each pair.

        Parameters
        ----------
        columns : sequence of column names, optional
            The columns to draw, and only pairs of these; all by default. Those of an array are x0, x1 and so on.
        output : int, default=0
            Which class or target to draw if there are several scores.

        Returns
        -------
        ndarray of matplotlib.axes.Axes
            One for each column, in the order of the table, then one for each pair.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError, ValueError
            For an unknown column or output.
        sklearn.exceptions.NotFittedError
            If the student is not fitted.
        """
        check_is_fitted(self)
        n_scores = len(self.terms_.intercept)
        if output not in range(n_scores):
            raise ValueError(f"output is {output!r}; expected a number from 0 to {n_scores - 1}.")
        names, titles = self.schema_.names, self.schema_.titles
        if isinstance(columns, str):
            raise TypeError(f"columns is {columns!r:.80}; give a list of columns.")
        if unknown := [name for name in (columns if columns is not None else ()) if name not in [*names, *titles]]:
            raise ValueError(
                f"columns has {unknown[0]!r:.80}, which is not a column of the table; it has {titles!r:.200}."
            )
        drawn = [
            i for i in np.unique(self._columns()).tolist() if columns is None or {names[i], titles[i]} & set(columns)
        ]
        pairs = self.pairs_[np.isin(self.pairs_, drawn).all(axis=1)]
        return plot_functions(self._functions(), drawn, pairs, output)

    def _functions(self) -> Functions:
        scale = () if self.legend_ is None else (self.legend_.raw_factor, self.legend_.raw_offset)
        return Functions(self.schema_, self.encoder_, self._explanation(), self.background_, *scale)

    def rules_frame(self) -> pd.DataFrame | None:
        """The scorecard as `tabkd inspect --rules` shows it: shorter than `to_scorecard`, and rounded.

        Returns
        -------
        pandas.DataFrame or None
            Like `to_scorecard`, without columns that are empty. Of a numeric column, ``kind`` "at" gives the points at
            the number ``from``; between two of these they are linear, and beyond the last they stay. A missing number
            has no row where none was missing at fit. Points are rounded to less than 1e-5 of their spread over
            `background_`. None if there are more than 3000 rows.
        """
        functions = self._functions()
        spread = functions.factor * float(np.ptp(self.raw_scores(self.background_)))
        return readable(functions, self.pairs_, spread)
