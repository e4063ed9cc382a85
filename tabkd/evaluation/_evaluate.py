"""Measure what a distillation kept and gained, on rows that no model was fitted on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_classifier

from tabkd._review import BUDGETS, check_budgets
from tabkd._sklearn import check_sample_weight
from tabkd._typing import ColumnLike
from tabkd._validation import as_labels, as_targets
from tabkd._weights import check_weights
from tabkd.evaluation._choice import choose
from tabkd.evaluation._contest import Rows, hold
from tabkd.evaluation._report import Report
from tabkd.evaluation._report_parts import MeasuredRows, of_contest, of_file, of_rows
from tabkd.evaluation._warnings import warnings_of
from tabkd.teachers._teacher import teacher_name

if TYPE_CHECKING:
    from tabkd._classifier import DistilledClassifier
    from tabkd._regressor import DistilledRegressor
    from tabkd.scoring import ExportedStudent


def evaluate(
    model: DistilledClassifier | DistilledRegressor,
    X_test: Any,
    y_test: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    metric: str = "auto",
    X_train: Any = None,
    y_train: ArrayLike | None = None,
    sample_weight_train: ArrayLike | None = None,
    exported: ExportedStudent | None = None,
    timing: bool = True,
    n_resamples: int = 999,
    random_state: int = 0,
    review: Iterable[float] = BUDGETS,
) -> Report:
    """Measure a distilled model against its teacher, its hard-label twin, a LightGBM of its bytes and the prior.

    Teacher and student score every test row once, and `Report.scores` keeps the scores. For `Report.against_teacher`
    they also score some rows with one column moved.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
        Fitted.
    X_test : frame or array of shape (n, d)
        Rows that neither teacher nor student was fitted on.
    y_test : array of shape (n,) or (n, n_outputs)
        Their labels or values.
    sample_weight : array of shape (n,), optional
        How much each test row counts, such as its exposure, in every measure and interval.
    metric : str, default="auto"
        The measure of skill that decides the verdict, by the name of scikit-learn's scorer: "neg_log_loss", "roc_auc",
        "average_precision", "accuracy", "balanced_accuracy", "neg_brier_score"; "r2", "neg_mean_squared_error",
        "neg_root_mean_squared_error", "neg_mean_absolute_error", "neg_mean_absolute_percentage_error",
        "neg_mean_poisson_deviance", "neg_mean_gamma_deviance", "neg_mean_tweedie_deviance:power=1.5",
        "neg_mean_pinball_loss:alpha=0.9". "auto" takes the loss that the teacher was fitted for: the log-loss; for
        regression R², the absolute error, the pinball loss, or the deviance of Poisson, Gamma or Tweedie. If the
        teacher favours classes on purpose (`class_weight`, `scale_pos_weight` and the like), or its probabilities are
        far from the frequencies of the test rows, ROC AUC decides (for several classes, the mean of one against the
        rest).
    X_train, y_train : frame or array, optional
        The rows the model was fitted on. With both, a clone of the student is fitted on the labels alone and, with
        `exported` and one output, a LightGBM of its bytes, with the loss and the class weights of the teacher: the
        verdict needs these rivals. The prior is the best constant for `y_train`, or for `y_test` without it.
    sample_weight_train : array of shape (n_train,), optional
        The weights that the model was fitted with; the rivals and the prior use them too.
    exported : ExportedStudent, optional
        The exported model, as returned by `tabkd.load`: adds bytes, speed and parity.
    timing : bool, default=True
        Whether to measure speed and memory, which takes some seconds; needs `exported`.
    n_resamples : int, default=999
        Bootstrap resamples behind each interval.
    random_state : int, default=0
        The seed of the bootstrap, of the LightGBM, and of the rows of which a column is moved.
    review : iterable of float, default=(0.001, 0.005, 0.01, 0.05)
        Review budgets: for each, `Report.review` says how many rows stay among this share of the rows with the highest
        scores when the student replaces its teacher.

    Returns
    -------
    Report
        What was found; it shows itself in a console and in a notebook.

    Raises
    ------
    ValueError
        The test has no rows, labels that the model does not know, or weights that are negative or all zero; a metric
        that is not known for the task, or not defined for the values of the test rows; a budget that is not between 0
        and 1.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from tabkd import DistilledRegressor
    >>> from tabkd.evaluation import evaluate
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = DistilledRegressor(LinearRegression(), student="tree", n_synthetic=500, random_state=0)
    >>> model = model.fit(X[:300], y[:300])
    >>> report = evaluate(model, X[300:], y[300:], X_train=X[:300], y_train=y[:300])
    >>> report.metric
    'r2'
    >>> list(report.metrics)
    ['teacher', 'student', 'hard', 'prior']
    """
    budgets = check_budgets(review)
    test = _test_rows(model, X_test, y_test, sample_weight)
    training = _training_rows(model, X_train, y_train, sample_weight_train)
    n_bytes = getattr(exported, "n_bytes", None)  # a predictor of the caller's own need not have a size
    contest = hold(model, test, training, n_bytes, random_state)
    criterion, why = choose(metric, contest, random_state)
    contest = contest.with_constant(criterion)
    scores = contest.scores
    rows = MeasuredRows(model, X_test, scores, budgets, random_state)
    found, undefined = of_contest(contest, criterion, n_resamples, random_state)
    why_not = {"metric": why, "review": rows.unranked}
    return Report(
        task=scores.task,
        teacher=teacher_name(model.teacher_),
        student=teacher_name(model.student_),
        n_test=len(scores.truth),
        classes=scores.classes.tolist(),
        warnings=warnings_of(scores, criterion, n_bytes),
        reasons={name: reason for name, reason in why_not.items() if reason} | undefined,
        scores=scores,
        exhibits=rows.exhibits(exported),
        **found,
        **of_rows(rows),
        **of_file(rows, exported, n_bytes, timing),
    )


def _test_rows(
    model: DistilledClassifier | DistilledRegressor, X: Any, y: Any, sample_weight: ColumnLike | None
) -> Rows:
    """The rows to measure on, checked."""
    if len(y) == 0:
        raise ValueError("X_test has 0 rows; give the rows to measure on.")
    y = _target(model, y)
    if sample_weight is None:
        return Rows(y, X)
    if not np.any(np.asarray(sample_weight)):
        raise ValueError("sample_weight is zero for every test row, so there is nothing to measure on.")
    weights = check_sample_weight(sample_weight, X, ensure_non_negative=True)
    # A copy, which stays with the scores and does not change with the caller's array.
    return Rows(y, X, np.array(weights, dtype=np.float64))


def _training_rows(
    model: DistilledClassifier | DistilledRegressor, X: Any, y: ColumnLike | None, sample_weight: ColumnLike | None
) -> Rows | None:
    """The rows that the model was fitted on, checked; None if their labels or values are not known."""
    if y is None:
        if sample_weight is not None:
            raise ValueError("sample_weight_train weights the rows of X_train and y_train; pass these as well.")
        return None
    y = _target(model, y)
    return Rows(y, X, None if sample_weight is None else check_weights(sample_weight, y))


def _target(model: DistilledClassifier | DistilledRegressor, y: ColumnLike) -> np.ndarray:
    return as_labels(y, model) if is_classifier(model) else as_targets(y, model)
