"""The memory of scoring, measured in processes of their own."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from tabkd import DistilledRegressor, ExportedStudent
from tabkd.evaluation import _memory
from tabkd.evaluation._memory import memory

MEGABYTE = 1_000_000


@pytest.fixture(scope="module", params=["array", "frame"])
def scored(request):
    X = np.random.default_rng(0).normal(size=(300, 3))
    X = X if request.param == "array" else pd.DataFrame(X, columns=["a", "b", "c"])
    y = np.arange(300.0)
    model = DistilledRegressor(LinearRegression(), student="tree", n_synthetic=0, random_state=0).fit(X, y)
    return model, ExportedStudent(model.to_onnx().SerializeToString()).content, X


def test_both_need_what_their_packages_and_rows_need(scored):
    model, content, X = scored
    found = memory(model.teacher_, content, X, "predict")
    assert all(part["memory_reason"] is None for part in found.values())
    assert 20 * MEGABYTE < found["student"]["memory"] < found["teacher"]["memory"] < 1000 * MEGABYTE


def test_a_larger_model_needs_more(scored):
    model, content, X = scored
    model.teacher_.ballast_ = None
    small = memory(model.teacher_, content, X, "predict")["teacher"]["memory"]
    model.teacher_.ballast_ = np.ones(5 * MEGABYTE)
    large = memory(model.teacher_, content, X, "predict")["teacher"]["memory"]
    del model.teacher_.ballast_
    assert large - small > 35 * MEGABYTE


def test_what_cannot_be_measured_says_why(scored, monkeypatch):
    _, content, X = scored
    lambdas = LinearRegression()
    lambdas.of_a_lambda = lambda: 0
    assert memory(lambdas, content, X, "predict")["teacher"]["memory_reason"] == "it cannot be pickled"
    found = memory(LinearRegression(), content, X, "predict")["teacher"]  # not fitted
    assert (found["memory"], found["memory_reason"]) == (None, "it does not run in a process of its own")
    monkeypatch.setattr(_memory, "_STATUS", _memory.Path("/nowhere"))
    found = memory(LinearRegression(), content, X, "predict")["student"]
    assert found["memory_reason"] == "this system does not tell the peak of a process in /proc"
