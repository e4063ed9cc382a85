"""What users ask about a single score: what it is made of, and how far the teacher may be from it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from tabkd._doubt import measured_doubt
from tabkd._tables.schema import TableSchema
from tabkd._task import Task
from tabkd._typing import TableLike
from tabkd._validation import check_table
from tabkd.scoring._contributions import as_explanation, plain_values
from tabkd.students import Student
from tabkd.students._registry import check_contributions
from tabkd.teachers._answers import soft_targets


class Signed:
    """The part of a distilled estimator that explains scores and measures their doubt."""

    teacher_: Any
    schema_: TableSchema
    temperature: float
    doubt_: dict[str, Any] | None
    _task: Task
    _student: Student
    _training_scores: np.ndarray

    @abstractmethod
    def _scores(self, X: TableLike) -> np.ndarray:
        """The predictions for `X`, of shape (n, K)."""

    def measure_doubt(self, X: TableLike) -> Self:
        """Measure how far the student is from the teacher, by bands of the score, on rows that neither was fitted on.

        No labels are needed. `to_onnx` writes the result into the file, `tabkd inspect` shows it, and scoring gives
        each row the doubt of its band. A report from :func:`tabkd.evaluation.evaluate`, given to `to_onnx`, does the
        same with its test rows.

        Parameters
        ----------
        X : pandas or polars frame or array of shape (n, d)
            Rows like those that will be scored. With rows of the fit, its `X_unlabeled` included, doubt would be too
            small.

        Returns
        -------
        self
            With the attribute `doubt_`.

        Raises
        ------
        ValueError
            If the table cannot be used, or the model has several targets, whose differences have no common unit.

        Notes
        -----
        In each band the points at 50, 90 and 99 % are order statistics of the differences: split conformal prediction,
        with a guarantee for new rows that are exchangeable with those of `X`, and for no others. A point at level q is
        the k-th smallest of n differences, k = ⌈(n + 1) q⌉. Where k > n, neighbouring bands share a point, and the
        guarantee holds for them together. The difference of two rows of probabilities is the largest over the classes.

        References
        ----------
        V. Vovk, A. Gammerman, G. Shafer, "Algorithmic Learning in a Random World", 2005, ch. 4.
        A. Angelopoulos, S. Bates, "Conformal Prediction: A Gentle Introduction", 2023, eq. 1.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.ensemble import RandomForestRegressor
        >>> from tabkd import DistilledRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> teacher = RandomForestRegressor(10, random_state=0)
        >>> model = DistilledRegressor(teacher, student="tree", n_synthetic=500, random_state=0).fit(X[:300], y[:300])
        >>> sum(band["rows"] for band in model.measure_doubt(X[300:]).doubt_["bands"])
        142
        """
        check_is_fitted(self)
        X = check_table(self, X, reset=False)
        student = self._scores(X)
        teacher = soft_targets(self.teacher_, X, self._task.classes)
        found = measured_doubt(student, teacher.reshape(student.shape), self._task.name, self._training_scores)
        if found is None:
            raise ValueError(f"doubt is not defined for {student.shape[1]} targets: they have no common unit.")
        self.doubt_ = found
        return self

    def contributions(self, X: TableLike) -> Any:
        """Compute how much each column contributes to the scores of each row.

        Contributions are Shapley values of the student: exact for trees, estimated for the MLP. They are in log-odds of
        the second class, for more classes in log-probabilities minus their mean over the classes, and for regression in
        units of the target, or on the scale of `link_`. Those of a row and its baseline add up to its score. A
        prediction that is raised to `least_prediction_` is above that sum.

        Parameters
        ----------
        X : pandas or polars frame or array of shape (n, d)
            The columns of the fit, by name where they have names.

        Returns
        -------
        Contributions or shap.Explanation
            With the attributes `values`, `base_values`, `data` and `feature_names`; see
            `tabkd.ExportedStudent.contributions`.

        Raises
        ------
        NotImplementedError
            If the student has no contributions, or its trees have paths with too many columns.
        ValueError
            If a column is missing.

        Examples
        --------
        >>> from sklearn.datasets import load_breast_cancer
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> from tabkd import DistilledClassifier
        >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
        >>> teacher = DecisionTreeClassifier(max_depth=3, random_state=0)
        >>> model = DistilledClassifier(teacher, student="tree", n_synthetic=1000, random_state=0).fit(X, y)
        >>> reasons = model.contributions(X[:5])
        >>> log_odds = reasons.base_values + reasons.values.sum(axis=1)
        >>> bool(np.allclose(1 / (1 + np.exp(-log_odds)), model.predict_proba(X[:5])[:, 1], atol=1e-5))
        True
        """
        check_is_fitted(self)
        check_contributions(self._student)
        X = check_table(self, X, reset=False)
        values = self._explain_codes(self.schema_.encode(X))
        outputs = None if self._task.classes is None else [str(label) for label in self._task.classes]
        data = plain_values(self.schema_.aligned(X))
        return as_explanation(values, self._base_values(), data, self.schema_.titles, outputs)

    def _raw_scores(self, codes: np.ndarray) -> np.ndarray:
        """The scores that contributions add up to, (n, M)."""
        return self._task.raw_factor(self.temperature) * self._student.raw_scores(codes) + self._task.raw_offset()

    def _base_values(self) -> np.ndarray:
        """The baseline of contributions, (M,)."""
        return self._task.raw_factor(self.temperature) * self._student.base_values() + self._task.raw_offset()

    def _explain_codes(self, codes: np.ndarray) -> np.ndarray:
        """Contributions, (n, M, d)."""
        return self._task.raw_factor(self.temperature) * self._student.explain_codes(codes)
