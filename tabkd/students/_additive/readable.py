"""The readable side of an additive student: scores, contributions, the scorecard, a plot, and the rules of a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from tabkd._near_names import known_names
from tabkd.students._additive.grids import features
from tabkd.students._additive.plot import plot_functions
from tabkd.students._additive.scorecard import Functions, Scale, readable, scorecard
from tabkd.students._additive.terms import AdditiveTerms, Explanation
from tabkd.students._training.student import MinibatchStudent

if TYPE_CHECKING:
    import pandas as pd


# Rows whose features are in memory at a time.
_BLOCK_ROWS = 4096


class ReadableStudent(MinibatchStudent):
    """A student whose scores are `AdditiveTerms`: what they are, how columns share them, and how people read them.

    A subclass sets `encoder_`, `terms_` and `pairs_`.
    """

    terms_: AdditiveTerms
    pairs_: np.ndarray

    @property
    def _is_binary(self) -> bool:
        return self.task_ == "classification" and self.n_outputs_ == 2

    def _columns(self) -> np.ndarray:
        """The column of the table that each feature comes from."""
        return self.encoder_.feature_columns()

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
        if self.task_ == "regression":
            return self.terms_.scaled(self.target_scale_, self.target_mean_)
        return self.terms_ if self._is_binary else self.terms_.float64().relative()

    def _in_blocks(self, compute: Callable[[np.ndarray], np.ndarray], codes: np.ndarray) -> np.ndarray:
        blocks = (codes[i : i + _BLOCK_ROWS] for i in range(0, max(len(codes), 1), _BLOCK_ROWS))
        return np.concatenate([compute(features(self.encoder_, block)) for block in blocks])

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

    def _explanation(self) -> Explanation:
        background = features(self.encoder_, self.background_)
        return Explanation.of(self._raw_terms(), background, self._columns(), len(self.schema_.columns))

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
            - For a pair, ``kind_2``, ``column_2``, ``level_2``, ``from_2`` and ``to_2`` describe its second column in
              the same way. The points are bilinear: ``points`` at ``from`` and ``from_2``, ``points_to`` at ``to`` and
              ``from_2``, ``points_2`` at ``from`` and ``to_2``, ``points_to_2`` at ``to`` and ``to_2``. Values without
              a separate row in a pair, such as rare categories, have the row of ``kind`` "other values".
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
                f"columns has {unknown[0]!r:.80}, which is not a column of the table; {known_names(unknown[0], titles)}"
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
            has no row if none was missing at fit. Points are rounded to less than 1e-5 of their spread over
            `background_`. None if there are more than 3000 rows.
        """
        functions = self._functions()
        spread = functions.factor * float(np.ptp(self.raw_scores(self.background_)))
        return readable(functions, self.pairs_, spread)
