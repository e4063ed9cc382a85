"""Models to export."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tabkd import DistilledClassifier
from tabkd.students import STUDENTS
from tests.export.hard import FAST, classifier, fast_students, mixed_table, teacher


@pytest.fixture(scope="module")
def numbers():
    X, y = load_breast_cancer(return_X_y=True)
    return X[:, :12].astype(np.float32), y


@pytest.fixture(scope="module")
def distilled(numbers):
    return classifier().fit(*numbers)


@pytest.fixture(scope="module")
def pipeline(numbers):
    return make_pipeline(StandardScaler(), classifier()).fit(*numbers)


@pytest.fixture(scope="module", params=STUDENTS)
def mixed(request):
    X, signal = mixed_table()
    y = np.where(signal > np.median(signal), "yes", "nö")
    student = fast_students()[request.param]
    if request.param == "mlp":
        student.set_params(max_levels=20)
    return DistilledClassifier(teacher(), student=student, **FAST).fit(X, y), X
