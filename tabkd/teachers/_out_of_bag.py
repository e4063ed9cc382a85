"""Out-of-bag soft targets: the answers to a row of those members of a bagged ensemble that were not fitted on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from tabkd._sklearn import safe_indexing
from tabkd.teachers._teacher import unfrozen

# By name: the classes are already imported if a teacher is one. Ensembles of other libraries inherit the attributes
# from which the samples are read, but draw them in other ways.
_KINDS = {f"{kind}{task}" for kind in ("RandomForest", "ExtraTrees", "Bagging") for task in ("Classifier", "Regressor")}
# Fewer members than this say too little about a row.
_LEAST_MEMBERS = 10


def out_of_bag_targets(teacher: Any, X: Any, classes: np.ndarray | None = None) -> np.ndarray | None:
    """The mean answer to each row over the members whose bootstrap sample does not have it.

    Parameters
    ----------
    teacher : fitted estimator
        A scikit-learn forest or bagging ensemble, possibly frozen or at the end of a pipeline.
    X : frame or array of shape (n, d)
        The rows that it was fitted on, in their order.
    classes : array of shape (K,), optional
        The order of the columns; without it, the answers are real values.

    Returns
    -------
    array of shape (n, K), float64, or None
        None if the teacher is another one, has no bootstrap samples of n rows, or has fewer than ten members without a
        row.

    References
    ----------
    L. Breiman, "Out-of-bag estimation", 1996.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> X, y = np.arange(100.0)[:, None], np.arange(100) % 2
    >>> forest = RandomForestRegressor(60, random_state=0).fit(X, y)
    >>> bool(abs(forest.predict(X) - y).mean() < 0.5 < abs(out_of_bag_targets(forest, X)[:, 0] - y).mean())
    True
    """
    model = unfrozen(teacher)
    before = None
    if isinstance(model, Pipeline):
        before, model = model[:-1], model[-1]
    kind = type(model)
    if not kind.__module__.startswith("sklearn.ensemble.") or kind.__name__ not in _KINDS or not model.bootstrap:
        return None
    if classes is not None and list(model.classes_) != list(classes):
        return None
    if before:
        X = before.transform(X)
    n = X.shape[0]
    # Members are fitted without column names.
    X = np.asarray(X) if hasattr(X, "columns") else X
    total, count = np.float64(0), np.zeros(n)
    for member, columns, sample in _members(model):
        if sample.max() >= n:
            return None
        out = np.setdiff1d(np.arange(n), sample)
        if not len(out):
            continue
        said = _asked(member, safe_indexing(X, out)[:, columns], None if classes is None else len(classes))
        answers = np.zeros((n, said.shape[1]))
        answers[out] = said
        total, count[out] = total + answers, count[out] + 1
    return total / count[:, None] if count.min() >= _LEAST_MEMBERS else None


def _members(model: Any) -> Iterator[tuple[Any, Any, np.ndarray]]:
    """Each member of an ensemble, the columns and the positions of the rows that it was fitted on."""
    features = getattr(model, "estimators_features_", None) or [slice(None)] * len(model.estimators_)
    return zip(model.estimators_, features, model.estimators_samples_, strict=True)


def _asked(member: Any, X: Any, n_classes: int | None) -> np.ndarray:
    """A member's answers to rows; the classes of a member are positions among those of the ensemble."""
    if n_classes is None:
        said = np.asarray(member.predict(X), dtype=np.float64)
        return said.reshape(len(said), -1)
    answers = np.zeros((X.shape[0], n_classes))
    answers[:, np.asarray(member.classes_, dtype=np.intp)] = member.predict_proba(X)
    return answers
