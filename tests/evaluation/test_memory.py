"""The memory of scoring, measured in processes of their own."""

import copy

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from tabkd import DistilledRegressor, ExportedStudent
from tabkd.evaluation import _memory
from tabkd.evaluation._memory import memory

MEGABYTE = 1_000_000


def fitted(X, teacher):
    model = DistilledRegressor(teacher, student="tree", n_synthetic=0, cv=None, random_state=0).fit(
        X, np.arange(len(X)) / 1.0
    )
    return model.teacher_, ExportedStudent(model.to_onnx().SerializeToString()).content


@pytest.fixture(scope="module")
def numbers():
    return np.random.default_rng(0).normal(size=(300, 3))


@pytest.fixture(scope="module")
def of_numbers(numbers):
    return fitted(numbers, LinearRegression())


def test_both_need_what_their_packages_and_rows_need(numbers):
    X = pd.DataFrame(numbers, columns=["a", "b", "c"]).assign(d=pd.Categorical(["x", "y", None] * 100))
    found = memory(
        *fitted(X, make_pipeline(OrdinalEncoder(encoded_missing_value=-1), LinearRegression())), X, "predict"
    )
    assert all(part["memory_reason"] is None for part in found.values())
    assert 20 * MEGABYTE < found["student"]["memory"] < found["teacher"]["memory"] < 1000 * MEGABYTE


def test_a_larger_teacher_needs_more_and_its_student_does_not(numbers, of_numbers):
    teacher, content = of_numbers
    small = memory(teacher, content, numbers, "predict")
    large = copy.deepcopy(teacher)
    large.ballast_ = np.ones(5 * MEGABYTE)
    large = memory(large, content, numbers, "predict")
    assert large["teacher"]["memory"] - small["teacher"]["memory"] > 35 * MEGABYTE
    assert abs(large["student"]["memory"] - small["student"]["memory"]) < 10 * MEGABYTE


def test_what_cannot_be_measured_says_why(numbers, of_numbers, monkeypatch):
    X, (_, content) = numbers, of_numbers
    lambdas = LinearRegression()
    lambdas.of_a_lambda = lambda: 0
    assert memory(lambdas, content, X, "predict")["teacher"]["memory_reason"] == "it cannot be pickled"
    found = memory(LinearRegression(), content, X, "predict")["teacher"]  # not fitted
    assert (found["memory"], found["memory_reason"]) == (None, "it does not run in a separate process")
    monkeypatch.setattr(_memory, "_STATUS", _memory.Path("/nowhere"))
    found = memory(LinearRegression(), content, X, "predict")["student"]
    assert found["memory_reason"] == "this system does not report the peak memory of a process in /proc"
