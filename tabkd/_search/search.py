"""The search for the smallest student that will do, by scikit-learn's conventions for searches."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy as shallow_copy
from copy import deepcopy
from dataclasses import replace
from numbers import Integral, Real
from os import PathLike
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags, check_consistent_length, check_random_state, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from tabkd._classifier import DistilledClassifier
from tabkd._distilled import Distilled
from tabkd._export.build import export
from tabkd._options import option
from tabkd._progress import Silent, progress
from tabkd._regressor import DistilledRegressor
from tabkd._search.budget import Budget, infeasible
from tabkd._search.candidates import Candidate, candidates
from tabkd._search.race import Race, as_front, halves, learnt, preferred, seed_of
from tabkd._sklearn import N_JOBS, HasMethods, Interval, safe_indexing, validate_params
from tabkd._tables.schema import TableSchema
from tabkd._typing import ColumnLike, RandomState, TableLike
from tabkd._validation import TakesTables, as_column, check_table
from tabkd._weights import check_weights
from tabkd.evaluation._contest import Rows
from tabkd.evaluation._held_out import held_out
from tabkd.scoring import ExportedStudent
from tabkd.teachers._predictor import task_of
from tabkd.teachers._teacher import unfrozen

if TYPE_CHECKING:
    from onnx import ModelProto

    from tabkd.evaluation import Report

# Most rows that are held out: fidelity and skill are known well enough by then.
_MOST_HELD_OUT = 20_000


def _has(name: str) -> Any:
    return lambda search: hasattr(search._shown(), name)


class DistillationSearch(MetaEstimatorMixin, TakesTables, BaseEstimator):
    """Search for the smallest student that keeps enough of its teacher, or for the best one within a budget.

    The teacher is asked once, and all candidates learn from the same rows: first from a small share of them, the
    promising ones from more, a few from all. Bytes and latency are those of the exported file.

    Parameters
    ----------
    teacher : estimator, FrozenEstimator, DistilledClassifier, DistilledRegressor or None, default=None
        The ensemble to distil, as for `DistilledClassifier`; or a distilled estimator with settings of its own, of
        which the student is replaced. None is the default teacher of the task that `y` is for: labels that are text,
        booleans or whole numbers are classes.
    budget : Budget or None, default=None
        What a student may cost and has to keep. With `keep` the smallest that does is chosen, otherwise the most
        faithful one within the limits.
    students : "all", sequence of str or regressor, or dict of str to grid, default="all"
        The candidates: names of students, each with settings from small to large; regressors as they are; or names with
        grids of their parameters, as in `GridSearchCV`.
    n_iter : int, default=16
        Most candidates. Longer lists are thinned evenly.
    refit : bool, default=True
        Whether the chosen settings are fitted on all rows, with the teacher.
    validation_fraction : float, default=0.2
        The share of the rows that is held out to measure candidates on, at most 20,000 rows.
    random_state : int, RandomState instance or None, default=None
        The same number gives the same student on the same machine, unless the budget limits latency.
    n_jobs : int or None, default=None
        Threads of the default teacher, of students and augmenters; None for all cores. A distilled estimator that is
        given as `teacher` has its own.
    verbose : int, default=0
        1 shows a progress bar with the stage.

    Attributes
    ----------
    cv_results_ : dict of str to array
        For each candidate `params`, and each of them as `param_…`; `student`; `share` of the lessons that it learnt
        from last, and by then `fidelity` (also as `mean_test_score`), `skill_kept`, `n_bytes`, `latency_us` and
        `mean_fit_time`; `meets_budget`; `rank_test_score`, by share and then fidelity.
    best_estimator_ : DistilledClassifier or DistilledRegressor
        The chosen one, fitted on all rows; with `refit` only.
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
        Their names, where the columns have some.

    Notes
    -----
    Fidelity is the share of the teacher's answers on held-out rows that a student explains. For classes it is one minus
    the divergence from the teacher over that of the teacher's mean answer, for values R² to the teacher. It needs no
    labels and ranks candidates. `keep` is about skill on the labels of these rows, as in :func:`tabkd.evaluation.
    evaluate`. A frozen teacher may have been fitted on them; its skill is then too good, and the share that students
    keep too low. The rows are drawn at random: for rows in the order of time they flatter teacher and students alike.
    The best of many candidates is chosen by these rows, so measure it on further ones.

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
            If no candidate meets the budget: the message has the nearest one and the front. If the table, the target,
            the weights or a parameter cannot be used.
        """
        validate_params(self)
        found = candidates(self.students, self.n_iter)
        X = check_table(self, X)
        template = self._template(y)
        template._check_params()
        y = _shaped(template, X, y)
        rng = check_random_state(self.random_state)
        learn, measure = self._split(template, y, rng)
        if template.random_state is None:
            template.random_state = seed_of(rng)
        budget = self.budget or Budget()
        with progress(self.verbose) as bar:
            race = self._race(clone(template), X, y, sample_weight, learn, measure, budget, bar)
            race.run(found, bar.stage, bar.advance)
            self._note(found, budget)
            if self.refit:
                self._refit(clone(template), X, y, sample_weight, preferred(found, budget), budget, bar)
        return self

    def _template(self, y: ColumnLike) -> Distilled:
        """The distilled estimator whose student is looked for."""
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
        lessons = model._teach(safe_indexing(X, learn), y[learn], of_learn, None, {}, rng, bar).kept()
        codes = model.schema_.encode(check_table(model, safe_indexing(X, measure), reset=False))
        answers = model._asked(codes)
        known, test = Rows(y[learn], sample_weight=of_learn), Rows(y[measure], sample_weight=of_measure)
        return Race(model, lessons, rng, held_out(model, answers, test, known), codes, budget)

    def _note(self, found: Sequence[Candidate], budget: Budget) -> None:
        """Choose, and keep what was measured."""
        chosen = preferred(found, budget)
        if not chosen:
            raise infeasible(budget, found)
        self.best_index_ = next(i for i, each in enumerate(found) if each is chosen[0])
        self.best_params_, self.best_score_ = dict(chosen[0].params), chosen[0].found.fidelity
        self.front_ = as_front(found, chosen[0])
        self.cv_results_ = _results(found, budget)

    def _refit(
        self,
        model: Distilled,
        X: Any,
        y: np.ndarray,
        sample_weight: ColumnLike | None,
        preferred: Sequence[Candidate],
        budget: Budget,
        bar: Silent,
    ) -> None:
        """Fit the chosen settings on all rows; the next ones, where their file then is too large."""
        rng = check_random_state(model.random_state)
        lessons = model._teach(X, y, sample_weight, None, {}, rng, bar)
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
        # Nobody else fits this copy.
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

    def predict(self, X: TableLike) -> np.ndarray:
        """Predict with the chosen student.

        Parameters
        ----------
        X : pandas or polars frame or array of shape (n, d)
            The columns of the fit, by name where they have names.

        Returns
        -------
        array of shape (n,) or (n, K)
            Labels or values.
        """
        return self._best().predict(X)

    @available_if(_has("predict_proba"))
    def predict_proba(self, X: TableLike) -> np.ndarray:
        """Predict the probabilities of the classes with the chosen student.

        Parameters
        ----------
        X : pandas or polars frame or array of shape (n, d)
            The columns of the fit, by name where they have names.

        Returns
        -------
        array of shape (n, K), float64
            Each row sums to one.
        """
        return self._best().predict_proba(X)

    def score(self, X: TableLike, y: ColumnLike, sample_weight: ColumnLike | None = None) -> float:
        """Measure the accuracy, or R², of the chosen student.

        Parameters
        ----------
        X : pandas or polars frame or array of shape (n, d)
            Rows that the search was not fitted on.
        y : array of shape (n,) or (n, K)
            Their labels or values.
        sample_weight : array of shape (n,), optional
            How much each row counts.

        Returns
        -------
        float
            The measure.
        """
        return self._best().score(X, y, sample_weight)

    def to_onnx(self, path: str | PathLike | None = None, **options: Any) -> ModelProto:
        """Write the chosen student as one ONNX model; see `DistilledClassifier.to_onnx`.

        Parameters
        ----------
        path : str or path-like, optional
            Where to write the file.
        **options : object
            Further arguments of `DistilledClassifier.to_onnx`.

        Returns
        -------
        onnx.ModelProto
            The model, as in the file.
        """
        return self._best().to_onnx(path, **options)

    def report(self, X_test: TableLike, y_test: ColumnLike, **options: Any) -> Report:
        """Measure the chosen student, as `DistilledClassifier.report` does, with the front of the search.

        Parameters
        ----------
        X_test : pandas or polars frame or array of shape (n, d)
            Rows that the search was not fitted on.
        y_test : array of shape (n,) or (n, K)
            Their labels or values.
        **options : object
            Further arguments of :func:`tabkd.evaluation.evaluate`.

        Returns
        -------
        tabkd.evaluation.Report
            With the attribute `front`.
        """
        best = self._best()
        if "exported" not in options:
            # The file that the budget is about, without contributions.
            options["exported"] = ExportedStudent(best.to_onnx().SerializeToString())
        return replace(best.report(X_test, y_test, **options), front=self.front_)

    @property
    def classes_(self) -> np.ndarray:
        """The labels, for a classifier."""
        return self._best().classes_

    def _best(self) -> Any:
        check_is_fitted(self, "cv_results_")
        if not hasattr(self, "best_estimator_"):
            raise NotFittedError(
                f"{type(self).__name__} was fitted with {option('refit', False)}, so there is no best_estimator_; fit "
                f"one with best_params_, or use {option('refit', True)}."
            )
        return self.best_estimator_

    def _shown(self) -> Any:
        """What says of which kind the search is: the chosen estimator, or before the fit the teacher."""
        best = getattr(self, "best_estimator_", None)
        return unfrozen(self.teacher) if best is None else best

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "cv_results_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        shown = self._shown()
        if hasattr(shown, "__sklearn_tags__"):
            of_shown = get_tags(shown)
            tags.estimator_type = of_shown.estimator_type
            tags.classifier_tags = deepcopy(of_shown.classifier_tags)
            tags.regressor_tags = deepcopy(of_shown.regressor_tags)
            tags.target_tags.multi_output = of_shown.estimator_type == "regressor"
        tags.target_tags.required = True
        return tags


def _shaped(template: Distilled, X: Any, y: ColumnLike) -> np.ndarray:
    """The target as an array, checked for the task, once the table has rows."""
    TableSchema.of(X)
    y = shallow_copy(template)._learn_task(X, y)
    check_consistent_length(X, y)
    return y


def _results(found: Sequence[Candidate], budget: Budget) -> dict[str, Any]:
    """The candidates as columns."""
    results: dict[str, Any] = {"student": np.array([each.student for each in found], dtype=object)}
    for name in ("share", "n_bytes", "latency_us", "fidelity", "skill_kept"):
        results[name] = np.array([getattr(each.found, name) for each in found])
    results["mean_fit_time"] = np.array([each.found.fit_time for each in found])
    results["mean_test_score"] = results["fidelity"]
    results["meets_budget"] = np.array([budget.is_met(each.found) for each in found])
    order = np.lexsort((-results["fidelity"], -results["share"]))
    results["rank_test_score"] = np.empty(len(found), dtype=np.int32)
    results["rank_test_score"][order] = np.arange(1, len(found) + 1)
    for name in dict.fromkeys(name for each in found for name in each.params):
        column = np.ma.MaskedArray(np.empty(len(found), dtype=object), mask=True)
        for i, each in enumerate(found):
            if name in each.params:
                column[i] = each.params[name]
        results[f"param_{name}"] = column
    results["params"] = [each.params for each in found]
    return results
