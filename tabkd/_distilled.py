"""Distilled estimators: a teacher's skill in one small student."""

from __future__ import annotations

from copy import copy as shallow_copy
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.validation import check_is_fitted

from tabkd._named_parts import NamedParts
from tabkd._progress import progress
from tabkd._reference import ranked, reference
from tabkd._sklearn import N_JOBS, HasMethods, Interval, StrOptions, routing_enabled, validate_params
from tabkd._tables.schema import TableSchema
from tabkd._tables.surprises import warn_of_surprises
from tabkd._validation import TakesTables, as_labels, as_targets, check_labels, check_table, check_targets
from tabkd._weights import check_weights, fit_with, weight_params
from tabkd.augment import AUGMENTERS
from tabkd.augment._augmenter import fitted_draw
from tabkd.augment._unseen import one_of_each, unseen_codes, with_unseen
from tabkd.students import STUDENTS
from tabkd.students._student import Convertible, SoftRows, SoftStream, Student
from tabkd.teachers._answers import classes_of, soft_targets, soft_targets_of_codes
from tabkd.teachers._by_heart import KnownRows, known_rows, warn_if_scored
from tabkd.teachers._default import DefaultTeacherClassifier, DefaultTeacherRegressor
from tabkd.teachers._out_of_fold import out_of_fold_targets
from tabkd.teachers._teacher import check_teacher, fit_teacher, is_frozen, unfitted_copy, warn_of_positions

# Synthetic rows in memory at a time.
_CHUNK_ROWS = 65_536
# What "auto" makes: this many for each real row, within these bounds.
_AUTO_RATIO = 20
_AUTO_ROWS = (40_000, 400_000)
# Rows that the distribution of the scores is noted of.
_REFERENCE_ROWS = 10_000
# Real rows, and as many synthetic ones, that stay with the model to prove its ONNX file on.
_PROBE_ROWS = 256

_PARAMETERS = """teacher : estimator, FrozenEstimator or None, default=None
        Cloned and fitted; a `sklearn.frozen.FrozenEstimator`, AutoGluon's fitted `TabularPredictor`, or an object that
        has no `fit`, is used as it is, see `tabkd.teachers`. None is the mean of LightGBM and XGBoost with early
        stopping. Scores on rows that a frozen teacher was fitted on are too good: hold rows out of it to compare
        settings on.
    student : {"mlp", "tree", "boosted_trees"} or regressor, default="mlp"
        What learns from the teacher: one of ours, or any scikit-learn regressor that takes 2-D targets.
    augmenter : {"mixture", "munge", "marginal", "jitter", "mixup"}, Augmenter or None, default="mixture"
        What makes synthetic rows for the teacher to label; "mixture" is three rows of MUNGE for one of the marginals.
    n_synthetic : int or "auto", default="auto"
        How many. "auto" makes 20 for each real row, at most 400 000, and in proportion fewer for more than four
        classes, whose labelling takes that much longer; but no fewer than 40 000.
    temperature : float, default=1.0
        Hinton's T: the student learns from the teacher's probabilities to the power of 1/T, and its own are
        brought back by the power of T.
    alpha : float, default=1.0
        The weight of the soft targets on labelled rows; the labels get 1 − alpha, without the teacher's class weights.
    cv : int, splitter or None, default=None
        Out-of-fold soft targets for the labelled rows; None asks the teacher that was fitted on them.
    n_jobs : int, optional
        Threads of the default teacher, of our students and of our augmenters; None for all cores.
    random_state : int, RandomState instance or None
        The same number gives the same student, on the same machine.
    verbose : int, default=0
        1 shows a progress bar with the stage."""


class _Distilled(Convertible, TakesTables, NamedParts):
    """What the classifier and the regressor share."""

    # Whether it was cloned, and the rows that its frozen teacher then knows by heart, until some are scored.
    _is_copy = False
    _known_rows: KnownRows | None = None
    _parameter_constraints = {
        "teacher": [HasMethods("predict"), HasMethods("predict_proba"), HasMethods("fit"), None],
        "student": [StrOptions(set(STUDENTS)), HasMethods(["fit", "predict"])],
        "augmenter": [StrOptions(set(AUGMENTERS)), HasMethods(["fit", "sample"]), None],
        "n_synthetic": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "alpha": [Interval(Real, 0, 1, closed="both")],
        "cv": ["cv_object"],
        "n_jobs": N_JOBS,
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        teacher=None,
        *,
        student="mlp",
        augmenter="mixture",
        n_synthetic="auto",
        temperature=1.0,
        alpha=1.0,
        cv=None,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.teacher = teacher
        self.student = student
        self.augmenter = augmenter
        self.n_synthetic = n_synthetic
        self.temperature = temperature
        self.alpha = alpha
        self.cv = cv
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y, sample_weight=None, X_unlabeled=None, **fit_params):
        """Fit the teacher, ask it about real and synthetic rows, and fit the student on its answers.

        Parameters
        ----------
        X : pandas or polars frame or array of shape (n, d)
            Columns of numbers, booleans, strings or categories; missing values are welcome.
        y : array of shape (n,), or (n, K) for regression
            Also a list, or a series or a frame of one column of pandas, polars or pyarrow.
        sample_weight : array of shape (n,), optional
            Reaches teacher and student, and the teachers of the folds with `cv`.
        X_unlabeled : as `X`, optional
            Further real rows: the teacher labels them and the student learns from them.
        **fit_params
            For the teacher and for the splitter of `cv`, where metadata routing is enabled; `groups` reach the
            splitter also without.

        Returns
        -------
        self
        """
        self._check_params()
        X = check_table(self, X)
        self._schema = schema = TableSchema.of(X)
        codes = schema.encode(X)
        warn_of_surprises(schema, codes)
        y = self._check_y(y, X)
        check_consistent_length(codes, y)
        weights = check_weights(sample_weight, codes)
        rng = check_random_state(self.random_state)
        with progress(self.verbose) as bar:
            bar.stage("teacher")
            teacher = self._unfitted_teacher(rng)
            params, split_params = self._routed(teacher, None if sample_weight is None else weights, fit_params)
            self.teacher_ = fit_teacher(teacher, X, y, params)
            bar.stage("soft targets")
            soft = self._soft_targets(teacher, X, y, params, split_params)
            real = self._real_rows(schema, codes, soft, y, weights, X_unlabeled)
            bar.stage("synthetic rows", self._n_synthetic(len(codes)))
            synthetic = self._synthetic_rows(schema, codes, real, rng, bar)
            self.student_ = self._fit_student(schema, real, synthetic, rng)
        if self._is_copy and self.cv is None and is_frozen(teacher):
            self._known_rows = self._found_known_rows(codes, soft, y)
        some = codes[:: -(-len(codes) // _REFERENCE_ROWS)]
        scores = ranked(self._scores_of_codes(some), self._task)
        self.reference_ = reference(some, scores, [len(column.categories) for column in schema.columns])
        return self

    def __sklearn_clone__(self):
        template = shallow_copy(self)
        # A frozen teacher is shared, as FrozenEstimator shares its own: scikit-learn would copy a whole ensemble.
        if is_frozen(self.teacher):
            template.teacher = None
        copy = super(_Distilled, template).__sklearn_clone__()
        if is_frozen(self.teacher):
            copy.teacher = self.teacher
        # Searches and cross-validation fit copies, and score them on rows of their own.
        copy._is_copy = True
        return copy

    def _found_known_rows(self, codes, soft, y) -> KnownRows | None:
        """The labelled rows, where a frozen teacher knows them by heart; unknown of values."""
        return None

    def _check_params(self) -> None:
        validate_params(self)
        for name in ("teacher", "student", "augmenter"):
            given = getattr(self, name)
            if isinstance(given, type):
                raise TypeError(f"{name} is the class {given.__name__}; pass an instance: {given.__name__}().")

    def _unfitted_teacher(self, rng):
        """The teacher to fit, with seeds of its own; a frozen one as it is."""
        teacher = self._make_teacher(self.teacher)
        check_teacher(teacher, self._task)
        if not is_frozen(teacher):
            teacher = unfitted_copy(teacher)
            _set_seed(teacher, rng)
        return teacher

    def _routed(self, teacher, weights, fit_params) -> tuple[dict, dict]:
        """What of the metadata goes to the teacher's fit, and what to the splitter."""
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

    def _soft_targets(self, teacher, X, y, params, split_params) -> np.ndarray:
        """What the teacher says of the labelled rows; with `cv`, what copies not fitted on them say."""
        classes = self._classes()
        if self.cv is None:
            return soft_targets(self.teacher_, X, classes)
        return out_of_fold_targets(teacher, X, y, self.cv, params, classes, self.n_jobs, split_params)

    def _real_rows(self, schema, codes, soft, y, weights, X_unlabeled) -> SoftRows:
        """Labelled rows with their blend of soft targets and labels, then unlabelled rows."""
        targets = self.alpha * self._soften(soft)
        if self.alpha < 1:
            targets += (1 - self.alpha) * self._labels(y)
        rows = SoftRows(codes, targets, weights)
        if X_unlabeled is None:
            return rows
        more = schema.encode(X_unlabeled)
        soft = self._soften(soft_targets_of_codes(self.teacher_, schema, more, self._classes()))
        return SoftRows.concatenate([rows, SoftRows(more, soft, np.full(len(more), weights.mean()))])

    def _synthetic_rows(self, schema, codes, real, rng, bar) -> SoftStream:
        """A stream of chunks, each made and labelled when the student asks for it."""
        n = self._n_synthetic(len(codes))
        augmenter = self._make_augmenter(self.augmenter)
        self.probe_codes_ = codes[rng.permutation(len(codes))[:_PROBE_ROWS]]
        if augmenter is None or n == 0:
            return SoftStream()
        seed, weight = rng.randint(2**31 - 1), real.weights.mean()
        unseen = self._unseen(schema, codes)
        draw = fitted_draw(augmenter, schema, codes)

        def chunks():
            draws = np.random.RandomState(seed)
            for size in _chunk_sizes(n):
                made = with_unseen(draw(size, draws), unseen, draws)
                soft = soft_targets_of_codes(self.teacher_, schema, made, self._classes())
                bar.advance(size)
                if len(self.probe_codes_) <= _PROBE_ROWS:
                    self.probe_codes_ = np.vstack([self.probe_codes_, made[:_PROBE_ROWS]])
                yield SoftRows(made, self._soften(soft), np.full(size, weight))

        return SoftStream(n, chunks())

    def _unseen(self, schema, codes) -> dict[int, np.ndarray]:
        """The categories without a row that the teacher is asked about; none where it refuses them."""
        unseen = unseen_codes(schema, codes)
        if unseen:
            try:
                soft_targets_of_codes(self.teacher_, schema, one_of_each(codes, unseen), self._classes())
            except Exception:  # whatever a teacher raises on what it does not know
                return {}
        return unseen

    def _fit_student(self, schema, real: SoftRows, synthetic: SoftStream, rng):
        student = self._make_student(self.student)
        _set_seed(student, rng)
        if isinstance(student, Student):
            student = student.fit_stream(schema, real, synthetic)
            for name in ("n_features_in_", "feature_names_in_"):
                if hasattr(self, name):
                    setattr(student, name, getattr(self, name))
            return student
        return _fit_foreign(student, schema, SoftRows.concatenate([real, *synthetic]))

    def _n_synthetic(self, n_rows: int) -> int:
        if self.n_synthetic != "auto":
            return int(self.n_synthetic)
        fewest, most = _AUTO_ROWS
        # A boosted teacher has a tree for each class in every round.
        costly = max(1.0, len(self._classes() if self._classes() is not None else ()) / 4)
        return int(max(fewest, min(_AUTO_RATIO * n_rows, most) / costly))

    def _scores(self, X) -> np.ndarray:
        """What is predicted for `X`, of shape (n, K)."""
        check_is_fitted(self)
        return self._scores_of_codes(self._schema.encode(check_table(self, X, reset=False)))

    def _student_targets(self, codes) -> np.ndarray:
        """What the student says of codes (n, d), of shape (n, K)."""
        if isinstance(self.student_, Student):
            return self.student_.predict_codes(codes)
        said = np.asarray(self.student_.predict(self._schema.decode(codes)), dtype=np.float64)
        return said.reshape(len(codes), -1)

    def to_onnx(self, path=None, report=None):
        """The student as one ONNX model, raw columns in, proven to score the same.

        Parameters
        ----------
        path : str or path-like, optional
            Where to write the file. It appears whole or not at all.
        report : tabkd.evaluation.Report, optional
            Its skill kept is written into the model's metadata.

        Returns
        -------
        onnx.ModelProto

        Raises
        ------
        tabkd.onnx.ParityError
            Where ONNX Runtime does not reproduce the student; nothing is written.
        """
        from tabkd._export.build import export

        check_is_fitted(self)
        return export(self, path, report)

    def get_metadata_routing(self):
        """How metadata travels: `fit` takes it for itself, for the teacher and for the splitter."""
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


class DistilledClassifier(ClassifierMixin, _Distilled):
    """A compact classifier that has learnt from a teacher's probabilities.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    teacher_ : estimator
        The fitted teacher.
    student_ : regressor
        The fitted student; its targets are the probabilities of the classes.
    reference_ : dict
        What scoring compares later rows with, see `tabkd._reference.reference`.
    classes_ : array of shape (K,)
    n_features_in_ : int
    feature_names_in_ : array of shape (d,), where the columns have names

    References
    ----------
    G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", 2015.
    C. Buciluă, R. Caruana, A. Niculescu-Mizil, "Model Compression", KDD 2006.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from tabkd import DistilledClassifier
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> model = DistilledClassifier(RandomForestClassifier(random_state=0), n_synthetic=5000, random_state=0)
    >>> bool(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    __doc__ = __doc__.replace("{parameters}", _PARAMETERS)

    _task = "classification"
    _default_teacher = DefaultTeacherClassifier

    def predict_proba(self, X):
        """Probabilities of the classes, float64 of shape (n, K), each row summing to one."""
        scores = self._scores(X)
        if self._known_rows is not None:
            known, self._known_rows = self._known_rows, None
            warn_if_scored(known, self.teacher_, self._schema, X, self.classes_)
        return scores

    def _found_known_rows(self, codes, soft, y):
        return known_rows(soft, np.searchsorted(self.classes_, y), self._scores_of_codes(codes))

    def _scores_of_codes(self, codes):
        probabilities = np.clip(self._student_targets(codes), 0, None)
        if self.temperature != 1:
            probabilities = probabilities**self.temperature
        total = probabilities.sum(axis=1, keepdims=True)
        # A regressor of another library may call every class impossible.
        uniform = np.full_like(probabilities, 1 / probabilities.shape[1])
        return np.divide(probabilities, total, out=uniform, where=total > 0)

    def predict(self, X):
        """The most probable class of each row."""
        probabilities = self.predict_proba(X)
        return self.classes_[np.argmax(probabilities, axis=1)]

    def score(self, X, y, sample_weight=None):
        """The share of the rows of `X` (n, d) whose label in `y` (n,) is predicted, by weight where there are some."""
        return super().score(X, as_labels(y, self), sample_weight)

    def _check_y(self, y, X):
        y = check_labels(self, y)
        present = np.unique(y)
        teacher = self._make_teacher(self.teacher)
        if is_frozen(teacher):
            check_teacher(teacher, self._task)
            present = classes_of(teacher, X, present)
        self.classes_ = present
        warn_of_positions(teacher, present)
        return y

    def _classes(self):
        return self.classes_

    def _labels(self, y):
        return (np.asarray(y)[:, None] == self.classes_[None, :]).astype(np.float64)

    def _soften(self, probabilities):
        """Hinton's eq. 1 on probabilities: the teacher's logits divided by T."""
        if self.temperature == 1:
            return probabilities
        softened = probabilities ** (1 / self.temperature)
        return softened / softened.sum(axis=1, keepdims=True)


class DistilledRegressor(RegressorMixin, _Distilled):
    """A compact regressor that has learnt from a teacher's predictions.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    teacher_ : estimator
        The fitted teacher.
    student_ : regressor
        The fitted student.
    reference_ : dict
        What scoring compares later rows with, see `tabkd._reference.reference`.
    n_features_in_ : int
    feature_names_in_ : array of shape (d,), where the columns have names

    References
    ----------
    C. Buciluă, R. Caruana, A. Niculescu-Mizil, "Model Compression", KDD 2006.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from tabkd import DistilledRegressor
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = DistilledRegressor(RandomForestRegressor(random_state=0), n_synthetic=5000, random_state=0)
    >>> bool(model.fit(X, y).score(X, y) > 0.7)
    True
    """

    __doc__ = __doc__.replace("{parameters}", _PARAMETERS)

    _task = "regression"
    _default_teacher = DefaultTeacherRegressor

    def predict(self, X):
        """Predictions, float64 of shape (n,), or (n, K) where there were several targets."""
        targets = self._scores(X)
        return targets[:, 0] if self._one_dimensional else targets

    def _scores_of_codes(self, codes):
        return self._student_targets(codes)

    def score(self, X, y, sample_weight=None):
        """R² of the predictions for `X` (n, d) against `y`, (n,) or (n, K)."""
        return super().score(X, as_targets(y, self), sample_weight)

    def _check_y(self, y, X):
        y = check_targets(self, y)
        self._one_dimensional = y.ndim == 1
        return y

    def _classes(self):
        return None

    def _labels(self, y):
        return y.reshape(len(y), -1)

    def _soften(self, values):
        return values

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _chunk_sizes(n: int) -> list[int]:
    return [min(_CHUNK_ROWS, n - i) for i in range(0, n, _CHUNK_ROWS)]


def _fit_foreign(student, schema: TableSchema, rows: SoftRows):
    """A regressor that is none of ours, fitted on rows in the table's own form."""
    weights = rows.weights if np.ptp(rows.weights) else None
    # One target is what most regressors want as (n,), and some warn of (n, 1).
    targets = rows.targets[:, 0] if rows.targets.shape[1] == 1 else rows.targets
    return fit_with(student, schema.decode(rows.codes), targets, weight_params(student, weights))


def _set_seed(estimator, rng) -> None:
    """Give every `random_state` of an unfrozen estimator that is None a seed of its own."""
    if isinstance(estimator, BaseEstimator) and not is_frozen(estimator):
        seeds = {
            name: rng.randint(2**31 - 1)
            for name, value in sorted(estimator.get_params(deep=True).items())
            if value is None and (name == "random_state" or name.endswith("__random_state"))
        }
        estimator.set_params(**seeds)
