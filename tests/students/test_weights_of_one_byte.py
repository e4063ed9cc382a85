"""The MLP with weights of one byte: its file, its predictions, and what is proved of it."""

import numpy as np
import pytest

from tabkd import DistilledClassifier, ExportedStudent
from tabkd.students import MLPStudent
from tabkd.students._network.one_byte import in_bytes
from tests.export.hard import mixed_table, teacher

SIZES = {"hidden_layer_sizes": (32, 16), "max_levels": 20, "max_iter": 3}


def fitted(weight_bits, **params):
    X, signal = mixed_table()
    student = MLPStudent(weight_bits=weight_bits, **SIZES)
    model = DistilledClassifier(teacher(), student=student, **{"n_synthetic": 500, "random_state": 0, **params})
    return model.fit(X, signal > np.median(signal)), X


def n_bytes(model, **options):
    return len(model.to_onnx(**options).SerializeToString())


@pytest.mark.parametrize("n_synthetic", [500, 0])
def test_weights_take_one_byte_of_the_file_also_where_contributions_read_them_again(n_synthetic):
    # Without synthetic rows, the weights of an unseen level are the average of others.
    (wide, _), (narrow, _) = (fitted(bits, n_synthetic=n_synthetic) for bits in (32, 8))
    saved = 3 * sum(weights.size for weights in wide.student_.coefs_)
    for options in ({}, {"contributions": True}):
        assert n_bytes(narrow, **options) < n_bytes(wide, **options) - 0.8 * saved


def test_onnx_runtime_reproduces_the_predictions_as_exactly_as_those_of_float32():
    model, X = fitted(8)
    content = model.to_onnx(contributions=True).SerializeToString()
    assert model.parity_["max_difference"] < 1e-5
    assert model.parity_["additivity"] < 1e-4
    np.testing.assert_allclose(ExportedStudent(content).predict_proba(X), model.predict_proba(X), atol=1e-5)


def test_rounding_costs_next_to_nothing():
    X = np.random.default_rng(0).random((1000, 2))
    y = 50 * X[:, 0] + np.sin(40 * X[:, 1])
    settings = {"hidden_layer_sizes": (16, 8), "max_iter": 40, "batch_size": 32, "random_state": 0}
    wide, narrow = (MLPStudent(weight_bits=bits, **settings).fit(X, y) for bits in (32, 8))
    assert narrow.score(X, y) > wide.score(X, y) - 1e-4
    for weights in narrow.coefs_:
        np.testing.assert_array_equal(in_bytes(weights), weights)


def test_constraints_stay_proved():
    X = np.random.default_rng(0).random((400, 3))
    student = MLPStudent(weight_bits=8, monotonic_cst=[1, -1, 0], max_iter=20, random_state=0)
    student.fit(X, X[:, 0] - X[:, 1] + np.sin(9 * X[:, 2]))
    assert student.proved_monotone().tolist() == [1, -1, 0]


def test_rounded_weights_are_near_keep_their_sign_and_stay_when_rounded_again():
    rng = np.random.default_rng(0)
    weights = (rng.standard_normal((50, 3000)) * 10.0 ** rng.integers(-6, 6, 3000)).astype(np.float32)
    weights[:, 3] = 0
    rounded = in_bytes(weights)
    assert (np.abs(rounded - weights).max(axis=0) <= 0.501 * np.abs(weights).max(axis=0) / 127).all()
    assert (rounded * weights >= 0).all()
    np.testing.assert_array_equal(in_bytes(rounded), rounded)
    np.testing.assert_array_equal(in_bytes(np.vstack([rounded, rounded[:9]]))[50:], rounded[:9])


def test_other_numbers_of_bits_are_refused():
    with pytest.raises(ValueError, match=r"'weight_bits' parameter of MLPStudent must be .*Got 4 instead"):
        MLPStudent(weight_bits=4).fit(np.zeros((9, 1)), np.zeros(9))
