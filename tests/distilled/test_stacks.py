"""Stacks as teachers, with and without a final estimator."""

import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import StackingClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from tests.distilled.quick import classifier


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda stack: stack,
        lambda stack: make_pipeline(StandardScaler(), stack),
        lambda stack: GridSearchCV(stack, {"tree__max_depth": [2, 3]}, cv=2),
    ],
    ids=["alone", "pipeline", "search"],
)
def test_a_stack_may_leave_out_its_final_estimator(wrapped):
    """It has probabilities once it is fitted, by a logistic regression."""
    X, y = make_classification(400, random_state=0)
    stack = StackingClassifier([("tree", DecisionTreeClassifier(max_depth=3))], cv=2)
    assert classifier(wrapped(stack)).fit(X, y).score(X, y) > 0.8
    with pytest.raises(TypeError, match="has no `predict_proba`"):
        classifier(wrapped(stack.set_params(final_estimator=LinearSVC()))).fit(X, y)
