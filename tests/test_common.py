"""scikit-learn's own checks, over every estimator and transformer."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks

from tabkd import DistilledClassifier, DistilledRegressor
from tabkd.augment import AUGMENTERS
from tabkd.default_teacher import DefaultTeacherClassifier, DefaultTeacherRegressor
from tabkd.students import STUDENTS, MLPStudent, TableEncoder

# Small and quick: the checks are about conventions, not about skill.
QUICK_MLP = MLPStudent(hidden_layer_sizes=(16,), n_knots=32, max_iter=40, batch_size=32)
QUICK = {"mlp": QUICK_MLP, "tree": STUDENTS["tree"](), "boosted_trees": STUDENTS["boosted_trees"](n_estimators=20)}

ESTIMATORS = [
    *[
        cls(teacher, student=student, n_synthetic=500)
        for student in QUICK.values()
        for cls, teacher in (
            (DistilledClassifier, RandomForestClassifier(n_estimators=10)),
            (DistilledRegressor, RandomForestRegressor(n_estimators=10)),
        )
    ],
    *QUICK.values(),
    TableEncoder(n_knots=32),
    DefaultTeacherClassifier(n_estimators=30),
    DefaultTeacherRegressor(n_estimators=30),
    *[cls() for cls in AUGMENTERS.values()],
]


def expected_failures(estimator):
    return {}


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures)
def test_scikit_learn_checks(estimator, check):
    check(estimator)
