"""What distilled estimators share: a teacher's skill in one small student."""

from __future__ import annotations

from abc import abstractmethod
from copy import copy as shallow_copy
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted

from tabkd._disputed_rows import is_worth_choosing, with_disputed
from tabkd._doubt import banded
from tabkd._drawn_columns import for_used_columns
from tabkd._in_onnx import InOnnx
from tabkd._in_sql import InSql
from tabkd._label_budget import Labelling
from tabkd._labelled_parquet import LabelledParquet
from tabkd._labelled_rows import LabelledRows, labelled_files
from tabkd._learning_rows import (
    Lessons,
    SyntheticRows,
    Teaching,
    lowest_targets,
    n_synthetic_rows,
    real_rows,
)
from tabkd._monotone import is_explicit
from tabkd._named_parts import NamedParts
from tabkd._own_rows import OwnRows, Refit, label_noise, unlearnt_answers
from tabkd._progress import Silent, progress
from tabkd._reference import ranked, reference
from tabkd._sklearn import N_JOBS, HasMethods, Interval, StrOptions, routing_enabled, validate_params
from tabkd._student_constraints import asked_directions, constrained, student_directions
from tabkd._tables.schema import TableSchema
from tabkd._tables.surprises import warn_of_surprises
from tabkd._task import Task
from tabkd._typing import ColumnLike, RandomState, TableLike
from tabkd._validation import TakesTables, check_table
from tabkd._weights import check_weights, weight_params
from tabkd.augment import AUGMENTERS
from tabkd.students import STUDENTS, SoftRows, SoftStream, Student
from tabkd.students._foreign import as_student
from tabkd.students._student import Legend, predicted
from tabkd.teachers import DefaultTeacherClassifier, DefaultTeacherRegressor
from tabkd.teachers._answers import soft_targets, soft_targets_of_codes
from tabkd.teachers._by_heart import KnownRows
from tabkd.teachers._on_all_cores import on_all_cores
from tabkd.teachers._teacher import check_teacher, fit_teacher, is_frozen, set_seed, unfitted_copy, unfrozen

if TYPE_CHECKING:
    from tabkd.evaluation import Report

_DEFAULT_TEACHERS = (DefaultTeacherClassifier, DefaultTeacherRegressor)
# Largest number of rows for the reference distribution of the scores.
_REFERENCE_ROWS = 10_000
# Largest number of real rows, and of synthetic ones, that the model keeps to verify its ONNX file.
_PROBE_ROWS = 256


class Distilled(InOnnx, InSql, TakesTables, NamedParts):
    """The common part of the classifier and the regressor."""

    _task: Task
    _student: Student
    labelling_: Labelling
    # Whether it is a clone; and the rows that its frozen teacher has memorized, until the first rows are scored.
    _is_copy = False
    _known_rows: KnownRows | None = None
    _parameter_constraints = {
        "teacher": [HasMethods("predict"), HasMethods("predict_proba"), HasMethods("fit"), None],
        "student": [StrOptions(set(STUDENTS)), HasMethods(["fit", "predict"])],
        "augmenter": [StrOptions(set(AUGMENTERS)), HasMethods(["fit", "sample"]), None],
        "n_synthetic": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "max_label_seconds": [Interval(Real, 0, None, closed="neither"), None],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "alpha": [Interval(Real, 0, 1, closed="both")],
        "cv": ["cv_object", StrOptions({"auto"})],
        "monotonic_cst": ["array-like", dict, StrOptions({"teacher"}), None],
        "n_jobs": N_JOBS,
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        teacher: Any = None,
        *,
        student: str | BaseEstimator = "mlp",
        augmenter: str | BaseEstimator | None = "mixture",
        n_synthetic: int | str = "auto",
        max_label_seconds: float | None = 600.0,
        temperature: float = 1.0,
        alpha: float = 1.0,
        cv: Any = "auto",
        monotonic_cst: Any = "teacher",
        n_jobs: int | None = None,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.teacher = teacher
        self.student = student
        self.augmenter = augmenter
        self.n_synthetic = n_synthetic
        self.max_label_seconds = max_label_seconds
        self.temperature = temperature
        self.alpha = alpha
        self.cv = cv
        self.monotonic_cst = monotonic_cst
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: TableLike,
        y: ColumnLike,
        sample_weight: ColumnLike | None = None,
        X_unlabeled: TableLike | LabelledParquet | None = None,
        **fit_params: Any,
    ) -> Self:
        """Fit the teacher, ask it about real and synthetic rows, and fit the student on its answers.

        Parameters
        ----------
        X : pandas or polars frame or array of shape (n, d)
            Columns of numbers, booleans, strings or categories, with or without missing values.
        y : array of shape (n,), or (n, K) for regression
            Labels or values; a list, or a series or one-column frame of pandas, polars or pyarrow, works too.
        sample_weight : array of shape (n,), optional
            Weights of the rows, for teacher and student, and with `cv` for the teachers of the folds.
        X_unlabeled : pandas or polars frame, array of shape (m, d) or LabelledParquet, optional
            Further real rows, which the teacher labels for the student; or rows that are already labelled, in files of
            any size, which replace synthetic rows.
        **fit_params
            Arguments for the teacher and for the splitter of `cv`, if metadata routing is enabled; `groups` reach the
            splitter even without routing.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If the table, the target, the weights or a parameter cannot be used; the message names the column or
            parameter, the value and the remedy.
        """
        self._check_params()
        rng = check_random_state(self.random_state)
        with progress(self.verbose) as bar:
            self._learn(self._teach(X, y, sample_weight, X_unlabeled, fit_params, rng, bar), rng)
        return self

    def _teach(
        self,
        X: TableLike,
        y: ColumnLike,
        sample_weight: ColumnLike | None,
        X_unlabeled: TableLike | LabelledParquet | None,
        fit_params: dict[str, Any],
        rng: np.random.RandomState,
        bar: Silent,
    ) -> Lessons:
        """Fit the teacher, and ask it about real and synthetic rows."""
        X = check_table(self, X)
        self.schema_ = TableSchema.of(X)
        codes = self.schema_.encode(X)
        warn_of_surprises(self.schema_, codes)
        y = self._learn_task(X, y)
        check_consistent_length(codes, y)
        weights = check_weights(sample_weight, codes)
        n_outputs = self._task.targets(y[:1]).shape[1]
        files = labelled_files(X_unlabeled, self.schema_, self._task, n_outputs, self.n_synthetic)
        asked = asked_directions(self, n_outputs)
        bar.stage("teacher")
        teacher = self._unfitted_teacher(rng, asked)
        params, split_params = self._routed(teacher, None if sample_weight is None else weights, fit_params)
        self.teacher_ = fit_teacher(teacher, X, y, params)
        teaching = Teaching(self.teacher_, self.schema_, self._task, self.temperature, self.alpha)
        bar.stage("soft targets")
        again = Refit(teacher, X, y, params, self._task)
        answers = self._answers(again, split_params)
        teaching.check_width(answers, y)
        monotonic_cst = student_directions(self, asked, n_outputs)
        unlearnt, self.own_rows_ = self._unlearnt(teaching, again, codes, answers, rng)
        soft = teaching.blended(unlearnt, y)
        self._choose_scale(soft)
        unlabeled = None if isinstance(X_unlabeled, LabelledParquet) else X_unlabeled
        real = real_rows(teaching, codes, soft, weights, unlabeled)
        n_synthetic = n_synthetic_rows(self.n_synthetic, len(codes), self._task)
        self._probe_codes = codes[rng.permutation(len(codes))[:_PROBE_ROWS]]
        noise = label_noise(unlearnt, self._task.targets(y), weights, is_scaled=self._task.classes is None)
        synthetic: SoftStream
        if files is None:
            synthetic = self._synthetic_rows(teaching, codes, real, n_synthetic, weights.mean(), rng, bar, noise)
        else:
            self.labelling_ = Labelling(0, 0)
            bar.stage("labelled rows", files.n_rows)
            seed = rng.randint(2**31 - 1)
            synthetic = LabelledRows(files, teaching, weights.mean(), seed, bar, noise=noise)
        return Lessons(codes, y, answers, soft, weights, real, synthetic, monotonic_cst)

    def _learn(self, lessons: Lessons, rng: np.random.RandomState) -> None:
        """Fit the student on lessons, and settle what its targets mean."""
        self._student = self._fit_student(lessons.real, lessons.synthetic, lessons.monotonic_cst, rng)
        self.student_ = self._student.estimator_
        if isinstance(lessons.synthetic, SyntheticRows):
            self.labelling_ = self.labelling_._replace(n_rows=lessons.synthetic.n_labelled)
        # Others may learn from the same lessons, on the scale that was chosen for all of them.
        self._task = shallow_copy(self._task)
        self._settle_scale(
            lessons.codes, lessons.soft, lessons.weights, lowest_targets(lessons.real, lessons.synthetic)
        )
        self._student.legend_ = self._legend()
        self._note_rows(lessons.codes, lessons.answers, lessons.y)

    def __sklearn_clone__(self) -> Self:
        template = shallow_copy(self)
        # A frozen teacher is shared, like the estimator of a FrozenEstimator: cloning would copy a whole ensemble.
        if is_frozen(self.teacher):
            template.teacher = None
        copy = super(Distilled, template).__sklearn_clone__()
        if is_frozen(self.teacher):
            copy.teacher = self.teacher
        # Searches and cross-validation fit copies, and score them on held-out rows.
        copy._is_copy = True
        return copy

    def _check_params(self) -> None:
        validate_params(self)
        for name in ("teacher", "student", "augmenter"):
            given = getattr(self, name)
            if isinstance(given, type):
                raise TypeError(f"{name} is the class {given.__name__}; pass an instance: {given.__name__}().")

    @abstractmethod
    def _learn_task(self, X: Any, y: ColumnLike) -> np.ndarray:
        """Check the target, set `_task`, and return the target as an array."""

    def _choose_scale(self, soft: np.ndarray) -> None:
        """Decide by the answers (n, K) to the labelled rows on what scale the student learns."""

    def _settle_scale(self, codes: np.ndarray, soft: np.ndarray, weights: np.ndarray, lowest: np.ndarray) -> None:
        """Decide by the fitted student and its labelled rows how its targets become predictions.

        `lowest` is the lowest target of each output that the student has read.
        """

    def _unfitted_teacher(self, rng: np.random.RandomState, asked: np.ndarray | None) -> Any:
        """The teacher to fit, a copy with seeds; a frozen one is returned as it is."""
        teacher = self._make_teacher(self.teacher)
        check_teacher(teacher, self._task.name)
        if not is_frozen(teacher):
            teacher = unfitted_copy(teacher)
            if asked is not None and isinstance(teacher, _DEFAULT_TEACHERS) and teacher.monotonic_cst is None:
                teacher.set_params(monotonic_cst=asked.tolist())
            set_seed(teacher, rng)
        return teacher

    def _routed(self, teacher: Any, weights: np.ndarray | None, fit_params: dict[str, Any]) -> tuple[dict, dict]:
        """The metadata for the teacher's fit, and those for the splitter."""
        if routing_enabled():
            given = fit_params if weights is None else {"sample_weight": weights, **fit_params}
            routed = process_routing(self, "fit", **given)
            return dict(routed.teacher.fit), dict(routed.splitter.split) if "splitter" in routed else {}
        split_params = {name: fit_params[name] for name in fit_params if name == "groups" and hasattr(self.cv, "split")}
        unknown = sorted(set(fit_params) - set(split_params))
        if unknown:
            raise TypeError(
                f"fit got {unknown}; parameters for the teacher need "
                "sklearn.set_config(enable_metadata_routing=True) and set_fit_request on the teacher, and groups need "
                "a splitter as cv."
            )
        return {} if is_frozen(teacher) else weight_params(teacher, weights), split_params

    def _answers(self, again: Refit, split_params: dict[str, Any]) -> np.ndarray:
        """The teacher's answers to the labelled rows; with folds, those of copies that were not fitted on them."""
        if self.cv is None or isinstance(self.cv, str):
            return soft_targets(self.teacher_, again.X, self._task.classes)
        return again.out_of_fold(self.cv, self.n_jobs, split_params)

    def _unlearnt(
        self, teaching: Teaching, again: Refit, codes: np.ndarray, answers: np.ndarray, rng: np.random.RandomState
    ) -> tuple[np.ndarray, OwnRows]:
        """The answers to the labelled rows that the student learns, without memorized labels."""
        if self.cv is not None and not isinstance(self.cv, str):
            return answers, OwnRows("out-of-fold")
        # The default teacher stops before it has memorized its rows.
        if self.cv is None or isinstance(unfrozen(self.teacher_), _DEFAULT_TEACHERS):
            return answers, OwnRows("teacher")
        seed = rng.randint(2**31 - 1)
        return unlearnt_answers(self.teacher_, again, self.schema_, codes, answers, teaching.answers, seed, self.n_jobs)

    def _asked(self, codes: np.ndarray) -> np.ndarray:
        """The fitted teacher's answers to further rows."""
        return soft_targets_of_codes(self.teacher_, self.schema_, codes, self._task.classes)

    def _synthetic_rows(
        self,
        teaching: Teaching,
        codes: np.ndarray,
        real: SoftRows,
        n_rows: int,
        weight: float,
        rng: np.random.RandomState,
        bar: Silent,
        noise: float,
    ) -> SoftStream:
        """The rows that the teacher labels while the student reads them; some are kept to verify the file."""
        augmenter = self._make_augmenter(self.augmenter)
        if augmenter is None or n_rows == 0:
            self.labelling_ = Labelling(0, 0)
            return SoftStream()
        bar.stage("augmenter")
        augmenter = for_used_columns(augmenter, real, rng, self.n_jobs)
        seed = rng.randint(2**31 - 1)
        teaching = replace(teaching, teacher=on_all_cores(teaching.teacher, self.n_jobs))
        is_optional = self.n_synthetic == "auto"
        rows = SyntheticRows(
            teaching, augmenter, codes, n_rows, weight, seed, bar, noise=noise, is_optional=is_optional
        )
        self._probe_codes = np.vstack([self._probe_codes, rows.unlabelled(_PROBE_ROWS)])
        labelling = Labelling(n_rows, n_rows)
        if self.n_synthetic == "auto" and self.max_label_seconds is not None:
            labelling = rows.limit(self.max_label_seconds)
        self.labelling_ = labelling.noted()
        bar.stage(labelling.told(), labelling.n_rows)
        if not is_worth_choosing(labelling):
            return rows
        chosen, n_chosen = with_disputed(rows, self.schema_, real, rng)
        self.labelling_ = self.labelling_._replace(n_chosen=n_chosen)
        return chosen

    def _fit_student(
        self, real: SoftRows, synthetic: SoftStream, monotonic_cst: np.ndarray, rng: np.random.RandomState
    ) -> Student:
        student = as_student(self._make_student(self.student))
        if monotonic_cst.any():
            student = constrained(student, monotonic_cst, self.schema_, is_explicit(self.monotonic_cst))
        set_seed(student, rng)
        return student.fit_stream(self.schema_, real, synthetic)

    def _legend(self) -> Legend:
        """What the student's targets mean."""
        predictions = partial(self._task.predictions, temperature=self.temperature)
        names = self._task.names(self._student.n_outputs_)
        return Legend(names, predictions, self._task.raw_factor(self.temperature), self._task.raw_offset())

    def _note_rows(self, codes: np.ndarray, answers: np.ndarray, y: np.ndarray) -> None:
        """Keep what later rows are compared with: rows that a frozen teacher has memorized, and the distribution."""
        if self._is_copy and is_frozen(self.teacher_):
            self._known_rows = self._task.known_rows(answers, y, self._scores_of_codes(codes))
        some = codes[:: -(-len(codes) // _REFERENCE_ROWS)]
        scores = self._scores_of_codes(some)
        n_categories = [len(column.categories) for column in self.schema_.columns]
        self.reference_ = reference(some, ranked(scores, self._task.name), n_categories)
        self._training_scores = np.sort(banded(scores, self._task.name))
        self.doubt_ = None

    def _scores(self, X: TableLike) -> np.ndarray:
        """The predictions for `X`, of shape (n, K)."""
        check_is_fitted(self)
        return self._scores_of_codes(self.schema_.encode(check_table(self, X, reset=False)))

    def _scores_of_codes(self, codes: np.ndarray) -> np.ndarray:
        return self._task.predictions(predicted(self._student, codes), self.temperature)

    def report(self, X_test: TableLike, y_test: ColumnLike, **options: Any) -> Report:
        """Measure the student against its teacher with :func:`tabkd.evaluation.evaluate`, and export it for that.

        Parameters
        ----------
        X_test : pandas or polars frame or array of shape (n, d)
            Rows that neither teacher nor student was fitted on.
        y_test : array of shape (n,) or (n, n_outputs)
            Their labels or values.
        **options : object
            Further arguments of `evaluate`: with `X_train` and `y_train`, the rows of the fit, it compares the student
            with models that could be shipped instead, and says whether to distil.

        Returns
        -------
        tabkd.evaluation.Report
            It shows itself in a notebook; `to_html` writes it as one page with the student to try.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.ensemble import RandomForestRegressor
        >>> from tabkd import DistilledRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> teacher = RandomForestRegressor(10, random_state=0)
        >>> model = DistilledRegressor(teacher, student="tree", n_synthetic=500, random_state=0).fit(X[:300], y[:300])
        >>> report = model.report(X[300:], y[300:], timing=False)
        >>> report.to_html().splitlines()[0]
        '<!doctype html>'
        """
        from tabkd.evaluation import evaluate
        from tabkd.scoring import ExportedStudent

        check_is_fitted(self)
        if "exported" not in options:
            try:
                proto = self.to_onnx(contributions=True)
            except NotImplementedError:  # a student without contributions, or trees with too long paths
                proto = self.to_onnx()
            options["exported"] = ExportedStudent(proto.SerializeToString())
        return evaluate(self, X_test, y_test, **options)

    def get_metadata_routing(self) -> MetadataRouter:
        """Describe the routing of metadata: `fit` takes them for itself, for the teacher and for the splitter.

        Returns
        -------
        MetadataRouter
            The routes.
        """
        router = (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(
                teacher=self._make_teacher(self.teacher),
                method_mapping=MethodMapping().add(caller="fit", callee="fit"),
            )
        )
        if hasattr(self.cv, "split"):
            router.add(splitter=self.cv, method_mapping=MethodMapping().add(caller="fit", callee="split"))
        return router
