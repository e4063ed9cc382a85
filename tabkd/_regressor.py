"""The distilled regressor."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags

from tabkd._distilled import Distilled
from tabkd._link import LINKS, choose_link
from tabkd._sklearn import StrOptions
from tabkd._task import Regression
from tabkd._typing import ColumnLike, RandomState, TableLike
from tabkd._validation import as_targets, check_targets
from tabkd._weights import takes_weights
from tabkd.students._student import predicted
from tabkd.teachers import DefaultTeacherRegressor
from tabkd.teachers._objective import objective_of
from tabkd.teachers._teacher import teacher_name


class DistilledRegressor(RegressorMixin, Distilled):
    """A compact regressor that has learnt from a teacher's predictions.

    Parameters
    ----------
    teacher : estimator, FrozenEstimator or None, default=None
        The ensemble to distil. It is cloned and fitted; a `sklearn.frozen.FrozenEstimator`, or a fitted model that
        scikit-learn cannot fit again, such as AutoGluon's `TabularPredictor`, is used as it is: see `tabkd.teachers`.
        With None, the mean of LightGBM and XGBoost with early stopping. Scores on rows that a frozen teacher was fitted
        on are too good: hold rows out of it to compare settings.
    student : {"mlp", "additive", "tree", "boosted_trees"} or regressor, default="mlp"
        The model that learns from the teacher: one of tabkd's, or any scikit-learn regressor that takes 2-D targets.
    augmenter : {"mixture", "munge", "marginal", "jitter", "mixup"}, Augmenter or None, default="mixture"
        The method that makes synthetic rows for the teacher to label. "mixture" makes three rows by MUNGE for each row
        from the marginals; None makes none.
    n_synthetic : int or "auto", default="auto"
        The number of synthetic rows. "auto" makes 20 for each real row, at most 400 000; for more than four classes,
        which take longer to label, proportionally fewer; and at least 40 000. An MLP that follows its teacher after the
        first 65 536 reads no more, and the others are not labelled. A teacher that is too slow to label the rows within
        `max_label_seconds` gets fewer. Rows of `LabelledParquet` replace them.
    max_label_seconds : float or None, default=600.0
        With `n_synthetic="auto"`, about how long the teacher may take to label synthetic rows; None for no limit. It is
        timed on the first rows. A slow teacher labels as many as it can in this time, at least 1000: their number then
        depends on the speed of the machine, and `labelling_` records it. If that is from 3000 to 6000, and takes
        half a minute or more, half of them are rows on which two first students disagree. Other teachers label the same
        rows as without a limit.
    temperature : float, default=1.0
        Hinton's T: the student learns the teacher's probabilities to the power of 1/T, and its own are raised to the
        power of T.
    alpha : float, default=1.0
        The weight of the soft targets on labelled rows; the labels get 1 − alpha, without the teacher's class weights.
    link : {"auto", "identity", "log", "logit"}, default="auto"
        The scale on which the student learns. With "log" its predictions are above zero, with "logit" between zero and
        one, in Python and in the exported file. "auto" takes "log" for a teacher with a Poisson, gamma or Tweedie loss,
        "logit" for a cross-entropy, and otherwise "identity". If the teacher answered no real or synthetic row with a
        value below zero, "auto" also raises lower predictions to its lowest answer.
    cv : "auto", int, splitter or None, default="auto"
        Where the soft targets of the labelled rows come from. With None they are the answers of the teacher, which was
        fitted on these rows; with folds, of copies that were not. "auto" takes the out-of-bag answers of forests and
        bagging. For any other teacher it fits a copy without a fifth of the rows and, if this shows that the teacher
        has memorized its rows, one copy for each fifth. A frozen teacher that has memorized them is asked about rows
        close to them. The answers of the default teacher, which stops early, are taken as they are, and so are those
        of any teacher if labels have little noise. `own_rows_` says what was found.
    monotonic_cst : "teacher", array of shape (d,), dict of column to direction, or None, default="teacher"
        The columns with which predictions may only rise (1) or only fall (-1); 0 is for unconstrained columns, which a
        dict may leave out. The student obeys them on every row, and `to_onnx` proves it. "teacher" is what the teacher
        was fitted with: LightGBM, XGBoost, CatBoost, or an estimator of scikit-learn, also in a pipeline after scalers
        and imputers. For several targets "teacher" is like None. Your own constraints replace those of the teacher and
        must not contradict them; the default teacher is fitted with them. None is for no constraints.
    n_jobs : int, optional
        The number of threads of the default teacher, of tabkd's students and augmenters, and of scikit-learn forests
        with `n_jobs=None` while they label synthetic rows; None for all cores.
    random_state : int, RandomState instance or None
        The same number gives the same student on the same machine, unless `max_label_seconds` left out rows.
    verbose : int, default=0
        1 shows a progress bar with the stage, and how far an MLP follows its teacher after each stage of its training.

    Attributes
    ----------
    teacher_ : estimator
        The fitted teacher.
    student_ : regressor
        The fitted student.
    link_ : {"identity", "log", "logit"}
        The scale on which the student learnt. If the student takes weights, its squared error on this scale is
        weighted so that it approximates the loss of the teacher. An answer to a synthetic row for which the scale is
        not defined counts as the teacher's nearest answer to a real row.
    least_prediction_ : array of shape (K,) or None
        The lower bound of the predictions of each target, or None.
    own_rows_ : OwnRows
        Where the soft targets of the labelled rows came from (`source`), and how much better the teacher is on its own
        rows than it would be on others (`optimism`), how much more its answers change there (`spikes`), and how far
        labels are from answers of copies (`noise`); None if not measured.
    labelling_ : Labelling
        How many synthetic rows the teacher labelled (`n_rows`), and the most that it would have labelled without a time
        limit (`n_wanted`). If the time limit reduced their number, also how fast it answered (`rows_per_second`), and
        how many were chosen because first students disagree on them (`n_chosen`); otherwise the student followed the
        teacher after fewer rows.
    schema_ : TableSchema
        The columns of the table at fit: their kinds, dtypes and categories.
    reference_ : dict
        The distributions of the training rows and their predictions, with which scoring compares later rows.
    doubt_ : dict or None
        After `measure_doubt`: how far the student is from the teacher, by bands of the score.
    parity_ : dict
        After `to_onnx`: on how many `rows` the file was checked, and the `max_difference` that was found.
    n_features_in_ : int
        The number d of columns.
    feature_names_in_ : array of shape (d,)
        Their names, if the columns have names.

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
    >>> bool(model.fit(X, y).score(X, y) > 0.5)
    True
    """

    _default_teacher = DefaultTeacherRegressor
    _task: Regression
    _parameter_constraints = {**Distilled._parameter_constraints, "link": [StrOptions(set(LINKS))]}

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
        link: str = "auto",
        cv: Any = "auto",
        monotonic_cst: Any = "teacher",
        n_jobs: int | None = None,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            teacher,
            student=student,
            augmenter=augmenter,
            n_synthetic=n_synthetic,
            max_label_seconds=max_label_seconds,
            temperature=temperature,
            alpha=alpha,
            cv=cv,
            monotonic_cst=monotonic_cst,
            n_jobs=n_jobs,
            random_state=random_state,
            verbose=verbose,
        )
        self.link = link

    def predict(self, X: TableLike) -> np.ndarray:
        """Predict the values.

        Parameters
        ----------
        X : pandas or polars frame or array of shape (n, d)
            The columns of the fit, by name where they have names.

        Returns
        -------
        array of shape (n,) or (n, K), float64
            (n, K) where there were several targets at fit.
        """
        targets = self._scores(X)
        return targets[:, 0] if self._task.one_dimensional else targets

    def score(self, X: TableLike, y: ColumnLike, sample_weight: ColumnLike | None = None) -> float:
        """Measure R² of the predictions.

        Parameters
        ----------
        X : pandas or polars frame or array of shape (n, d)
            Rows that neither teacher nor student was fitted on.
        y : array of shape (n,) or (n, K)
            Their values.
        sample_weight : array of shape (n,), optional
            How much each row counts.

        Returns
        -------
        float
            One for perfect predictions, zero for those of the best constant.
        """
        return super().score(X, as_targets(y, self), sample_weight)

    def _learn_task(self, X: Any, y: ColumnLike) -> np.ndarray:
        y = check_targets(self, y)
        self._task = Regression(y.ndim == 1)
        return y

    def _choose_scale(self, soft: np.ndarray) -> None:
        weighted = isinstance(self.student, str) or takes_weights(self.student)
        objective, teacher = objective_of(self.teacher_), teacher_name(self.teacher_)
        self._task.link = choose_link(self.link, objective, soft, teacher, weighted)

    def _settle_scale(self, codes: np.ndarray, soft: np.ndarray, weights: np.ndarray, lowest: np.ndarray) -> None:
        self._task.link = self._task.link.settled(partial(predicted, self._student, codes), soft, weights, lowest)
        self.link_, self.least_prediction_ = self._task.link.name, self._task.link.bound

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
