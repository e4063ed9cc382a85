"""The search for the smallest student that is good enough, by scikit-learn's conventions for searches."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy as shallow_copy
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.multiclass import type_of_target

from tabkd._classifier import DistilledClassifier
from tabkd._distilled import Distilled
from tabkd._export.build import export
from tabkd._learning_rows import Lessons
from tabkd._options import option
from tabkd._progress import Silent, progress
from tabkd._regressor import DistilledRegressor
from tabkd._search.budget import Budget, infeasible
from tabkd._search.candidates import Candidate, candidates
from tabkd._search.chosen import AsChosen
from tabkd._search.halves import halves
from tabkd._search.race import Race, learnt, preferred
from tabkd._search.results import as_columns, as_front
from tabkd._search.yardstick import Yardstick
from tabkd._sklearn import N_JOBS, HasMethods, Interval, safe_indexing, validate_params
from tabkd._tables.schema import TableSchema
from tabkd._typing import ColumnLike, RandomState, TableLike
from tabkd._validation import TakesTables, as_column, check_table
from tabkd._weights import check_weights
from tabkd.evaluation._contest import Rows
from tabkd.evaluation._held_out import held_out
from tabkd.teachers._predictor import task_of
from tabkd.teachers._teacher import unfrozen

# Most rows that are held out: fidelity and skill are known well enough by then.
_MOST_HELD_OUT = 20_000


class DistillationSearch(AsChosen, MetaEstimatorMixin, TakesTables, BaseEstimator):
    """Search for the smallest student that keeps enough of its teacher, or for the best one within a budget.

    The teacher labels the rows once, and all candidates learn from the same rows: first from a small share of them,
    then the promising ones from more, and in the end a few, and the default student, from all. Bytes and latency are
    those of the exported file.

    Parameters
    ----------
    teacher : estimator, FrozenEstimator, DistilledClassifier, DistilledRegressor or None, default=None
        The ensemble to distil, as for `DistilledClassifier`; or a distilled estimator with its own settings, whose
        student is replaced. None is the default teacher, for the task that `y` implies: labels that are text, booleans
        or whole numbers are classes.
    budget : Budget or None, default=None
        What a student may cost and has to keep. With `keep` the smallest student that keeps enough is chosen, otherwise
        the most faithful one within the limits.
    students : "all", sequence of str or regressor, or dict of str to grid, default="all"
        The candidates: names of students, each with settings from small to large; regressors as they are; or names with
        grids of their parameters, as in `GridSearchCV`. If the file of a setting is larger than the budget, larger
        settings are not tried. The weights of an "mlp" take one byte each, except in the default student.
    n_iter : int, default=16
        Largest number of candidates. Longer lists are thinned evenly.
    refit : bool, default=True
        Whether the chosen settings are fitted on all rows, with the teacher.
    validation_fraction : float, default=0.2
        The share of the rows that is held out to measure candidates on, at most 20,000 rows.
    random_state : int, RandomState instance or None, default=None
        The same number gives the same student on the same machine, unless the budget limits latency.
    n_jobs : int or None, default=None
        Threads of the default teacher, of students and augmenters; None for all cores. A distilled estimator that is
        given as `teacher` uses its own `n_jobs`.
    verbose : int, default=0
        1 shows a progress bar with the stage.

    Attributes
    ----------
    cv_results_ : dict of str to array
        For each candidate that was tried `params`, and each of them as `param_…`; `student`; `share` of the lessons
        that it learnt from last, and by then `fidelity` (also as `mean_test_score`), `skill_kept`, `n_bytes`,
        `latency_us` and `mean_fit_time`; `meets_budget`; `rank_test_score`, by share and then fidelity.
    best_estimator_ : DistilledClassifier or DistilledRegressor
        The chosen model, fitted on all rows; only with `refit`.
    best_params_ : dict
        Its parameters: `student`, and those of the student as ``student__…``.
    best_score_ : float
        Its fidelity on held-out rows.
    best_index_ : int
        Its place in `cv_results_`.
    front_ : list of dict
        The candidates that no other beats in both bytes and fidelity, the smallest first, and the chosen one: student,
        params, n_bytes, fidelity, skill_kept, latency_us, share, chosen.
    n_features_in_ : int
        The number d of columns.
    feature_names_in_ : array of shape (d,)
        Their names, if the columns have names.

    Notes
    -----
    Fidelity is the share of the teacher's answers on held-out rows that a student explains. For classification it is
    one minus the divergence from the teacher divided by that of the teacher's mean answer; for regression it is R² to
    the teacher. It needs no labels and ranks candidates. `keep` refers to skill on the labels of these rows, as in
    :func:`tabkd.evaluation.evaluate`. A frozen teacher may have been fitted on them; its skill is then too good, and
    the share that students keep too low. The rows are drawn at random: if rows are in time order, such rows flatter
    teacher and students alike. The best of many candidates is chosen on these rows, so measure it on new ones.

    References
    ----------
    K. Jamieson, A. Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS 2016.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from tabkd import Budget, DistillationSearch
    >>> X, y = load_diabetes(return_X_y=True)
    >>> search = DistillationSearch(
    ...     RandomForestRegressor(20, random_state=0),
    ...     budget=Budget(max_bytes=20_000),
    ...     students={"tree": {"max_leaf_nodes": [8, 32]}},
    ...     random_state=0,
    ... ).fit(X, y)
    >>> search.best_params_
    {'student': 'tree', 'student__max_leaf_nodes': 32}
    >>> bool(search.front_[0]["n_bytes"] <= 20_000)
    True
    """

    _parameter_constraints = {
        "teacher": [HasMethods("predict"), HasMethods("predict_proba"), HasMethods("fit"), None],
        "budget": [Budget, None],
        "students": ["array-like", dict, str],
        "n_iter": [Interval(Integral, 1, None, closed="left")],
        "refit": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
        "n_jobs": N_JOBS,
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        teacher: Any = None,
        *,
        budget: Budget | None = None,
        students: Any = "all",
        n_iter: int = 16,
        refit: bool = True,
        validation_fraction: float = 0.2,
        random_state: RandomState = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.teacher = teacher
        self.budget = budget
        self.students = students
        self.n_iter = n_iter
        self.refit = refit
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X: TableLike, y: ColumnLike, sample_weight: ColumnLike | None = None) -> Self:
        """Measure the candidates on held-out rows, choose one, and fit it on all rows.

        Parameters
        ----------
        X : pandas or polars frame or array of shape (n, d)
            Columns of numbers, booleans, strings or categories, with or without missing values.
        y : array of shape (n,), or (n, K) for regression
            Labels or values.
        sample_weight : array of shape (n,), optional
            Weights of the rows, for the teacher, the students, and the measures on held-out rows.

        Returns
        -------
        self
            The fitted search.

        Raises
        ------
        ValueError, TypeError
            If no candidate meets the budget: the message names the nearest one and the front. If the table, the target,
            the weights or a parameter cannot be used.
        """
        validate_params(self)
        to_try = candidates(self.students, self.n_iter)
        X = check_table(self, X)
        template = self._template(y)
        template._check_params()
        y = _shaped(template, X, y)
        rng = check_random_state(self.random_state)
        learn, measure = self._split(template, y, rng)
        if template.random_state is None:
            template.random_state = int(rng.randint(2**31 - 1))
        budget = self.budget or Budget()
        with progress(self.verbose) as bar:
            race = self._race(clone(template), X, y, sample_weight, learn, measure, budget, bar)
            found = race.run(to_try, bar.stage, bar.advance)
            self._note(found, budget)
            if self.refit:
                self._refit(clone(template), X, y, sample_weight, preferred(found, budget), race.lessons, budget, bar)
        return self

    def _template(self, y: ColumnLike) -> Distilled:
        """The distilled estimator whose student is searched for."""
        if isinstance(self.teacher, Distilled):
            return clone(self.teacher)
        task = None if self.teacher is None else task_of(unfrozen(self.teacher))
        if task is None:
            if y is None:
                raise ValueError(
                    f"{type(self).__name__} requires y to be passed, but the target y is None; give it as the second "
                    "argument of fit."
                )
            kind = type_of_target(as_column(y, ravel=False), input_name="y")
            task = "regression" if kind.startswith("continuous") else "classification"
        estimator = DistilledRegressor if task == "regression" else DistilledClassifier
        return estimator(self.teacher, n_jobs=self.n_jobs)

    def _split(self, template: Distilled, y: np.ndarray, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        fraction = min(self.validation_fraction, _MOST_HELD_OUT / len(y))
        learn, measure = halves(y, fraction, isinstance(template, DistilledClassifier), rng)
        if len(measure) == 0 or len(learn) == 0:
            raise ValueError(
                f"n_samples={len(y)}: {len(measure)} rows can be held out by "
                f"{option('validation_fraction', self.validation_fraction)}; give more rows, or another share."
            )
        return learn, measure

    def _race(
        self,
        model: Distilled,
        X: Any,
        y: np.ndarray,
        sample_weight: ColumnLike | None,
        learn: np.ndarray,
        measure: np.ndarray,
        budget: Budget,
        bar: Silent,
    ) -> Race:
        """The teacher, fitted on the rows to learn from; its lessons; and its answers to the held-out rows."""
        weights = None if sample_weight is None else check_weights(sample_weight, y)
        of_learn, of_measure = (None if weights is None else weights[rows] for rows in (learn, measure))
        rng = check_random_state(model.random_state)
        lessons = model._teach(safe_indexing(X, learn), y[learn], of_learn, None, {}, rng, bar)
        codes = model.schema_.encode(check_table(model, safe_indexing(X, measure), reset=False))
        answers = model._asked(codes)
        known, test = Rows(y[learn], sample_weight=of_learn), Rows(y[measure], sample_weight=of_measure)
        yardstick = Yardstick(held_out(model, answers, test, known), codes)
        return Race(model, lessons, rng, yardstick, budget)

    def _note(self, found: Sequence[Candidate], budget: Budget) -> None:
        """Choose, and keep the measures."""
        chosen = preferred(found, budget)
        if not chosen:
            raise infeasible(budget, found)
        self.best_index_ = next(i for i, each in enumerate(found) if each is chosen[0])
        self.best_params_, self.best_score_ = dict(chosen[0].params), chosen[0].found.fidelity
        self.front_ = as_front(found, chosen[0])
        self.cv_results_ = as_columns(found, budget)

    def _refit(
        self,
        model: Distilled,
        X: Any,
        y: np.ndarray,
        sample_weight: ColumnLike | None,
        preferred: Sequence[Candidate],
        before: Lessons,
        budget: Budget,
        bar: Silent,
    ) -> None:
        """Fit the chosen settings on all rows; if their file is then too large, the next ones."""
        rng = check_random_state(model.random_state)
        lessons = model._teach(X, y, sample_weight, None, {}, rng, bar)
        lessons.limit_to(before)
        if len(preferred) > 1 and budget.max_bytes is not None:
            lessons = lessons.kept()
        bar.stage("chosen student")
        for candidate in preferred:
            fitted = learnt(model, candidate, lessons, rng)
            n_bytes = len(export(fitted).SerializeToString())
            if budget.max_bytes is None or n_bytes <= budget.max_bytes:
                break
        else:
            raise ValueError(
                f"On all rows, the file of {candidate} has {n_bytes:,} bytes, more than "
                f"{option('max_bytes', budget.max_bytes)}. Allow more bytes, or add smaller students."
            )
        # No other code fits this copy.
        fitted._is_copy, fitted._known_rows = False, None
        self.best_estimator_ = fitted
        if candidate is not preferred[0]:
            self._choose_instead(candidate)

    def _choose_instead(self, candidate: Candidate) -> None:
        params = self.cv_results_["params"]
        self.best_index_ = next(i for i, each in enumerate(params) if each is candidate.params)
        self.best_params_, self.best_score_ = dict(candidate.params), candidate.found.fidelity
        of_candidate = {"student": candidate.student, "n_bytes": candidate.found.n_bytes}
        for entry in self.front_:
            entry["chosen"] = all(entry[name] == value for name, value in of_candidate.items())


def _shaped(template: Distilled, X: Any, y: ColumnLike) -> np.ndarray:
    """The target as an array, checked for the task, once the table has rows."""
    TableSchema.of(X)
    y = shallow_copy(template)._learn_task(X, y)
    check_consistent_length(X, y)
    return y
