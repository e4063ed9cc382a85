"""The steps of a network: Muon for the weights of hidden layers that have no limits, Adam for all others."""

from itertools import pairwise

import numpy as np
import optax
import pytest

from tabkd.students import MLPStudent
from tabkd.students._network.muon import muon, orthogonal
from tabkd.students._network.signs import limits


def adam():
    return optax.scale_by_adam(b2=0.99)


def random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(40, 12), (12, 40), (16, 16), (9, 1), (1, 1)])
def test_singular_values_become_about_one_and_singular_vectors_stay(shape):
    left, _, right = np.linalg.svd(random(*shape), full_matrices=False)
    values = np.geomspace(1, 0.02, len(right), dtype=np.float32)  # divided by their norm, at least 0.01
    found = np.asarray(orthogonal(left * values @ right))
    turned = left.T @ found @ right.T
    assert found.shape == shape
    assert np.abs(np.diag(turned) - 1).max() < 0.28
    np.testing.assert_allclose(turned, np.diag(np.diag(turned)), atol=1e-3)


def test_a_layer_without_a_gradient_stays():
    np.testing.assert_array_equal(orthogonal(np.zeros((5, 3), np.float32)), 0)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_hidden_weights_take_steps_of_muon_and_all_others_those_of_adam(scale):
    shapes = [(30, 20), (20, 10), (10, 3)]
    layers = [(random(*shape), random(shape[1])) for shape in shapes]
    gradients = [(scale * random(*shape, seed=1), scale * random(shape[1], seed=2)) for shape in shapes]
    (found, _), (usual, _) = (one.update(gradients, one.init(layers), layers) for one in (muon(), adam()))
    for (step, of_bias), (_, bias_of_adam) in zip(found[:-1], usual[:-1], strict=True):
        # About 0.2 on average, like steps of Adam, even if the gradient is small or large (Liu et al., equation 4).
        assert 0.13 < np.sqrt(np.mean(np.square(step))) < 0.25
        np.testing.assert_array_equal(of_bias, bias_of_adam)
    for ours, theirs in zip(found[-1], usual[-1], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_weights_with_limits_take_steps_of_adam_and_do_not_turn_those_of_muon():
    roles = [np.repeat([1, -1, 0], [10, 10, 20]), np.tile([1, -1, 0], 4), np.array([1])]
    shapes = [(len(above), len(below)) for above, below in pairwise(roles)]
    layers = [(random(*shape), random(shape[1])) for shape in shapes]
    gradients = [(random(*shape, seed=1), random(shape[1], seed=2)) for shape in shapes]
    ((found, _), _), _ = muon().update(gradients, muon().init(layers), layers, limits=limits(roles))
    ((of_adam, _), _), _ = adam().update(gradients, adam().init(layers), layers)
    np.testing.assert_array_equal(found[:20], of_adam[:20])
    # The other rows take the step of a layer that has no rows but these.
    alone = [(layers[0][0][20:], layers[0][1]), layers[1]], [(gradients[0][0][20:], gradients[0][1]), gradients[1]]
    ((expected, _), _), _ = muon().update(alone[1], muon().init(alone[0]), alone[0])
    np.testing.assert_allclose(found[20:], expected, atol=1e-5)
    assert 0.13 < np.sqrt(np.mean(np.square(found[20:]))) < 0.25


class WithAdam(MLPStudent):
    _optimizer = staticmethod(adam)


def test_a_network_follows_its_teacher_further_than_with_adam():
    X = np.random.RandomState(0).rand(3000, 4)
    y = np.sin(8 * X[:, 0] * X[:, 1]) + np.abs(X[:, 2] - X[:, 3])
    settings = {"hidden_layer_sizes": (32, 16), "n_knots": 32, "max_iter": 20, "batch_size": 256, "random_state": 0}
    students = [student(**settings).fit(X[:2000], y[:2000]) for student in (MLPStudent, WithAdam)]
    with_muon, with_adam = (1 - student.score(X[2000:], y[2000:]) for student in students)
    assert with_muon < 0.8 * with_adam


def muon_for_all():
    regardless = muon()
    return optax.GradientTransformation(regardless.init, lambda *gradients: regardless.update(*gradients))


class WithMuonForAll(MLPStudent):
    _optimizer = staticmethod(muon_for_all)


def test_a_monotone_network_follows_its_teacher_further_than_with_muon_for_all():
    X = np.random.RandomState(0).rand(3000, 4)
    y = np.minimum(X[:, 0], X[:, 1]) + 2 * np.minimum(X[:, 2], X[:, 3])
    settings = {"monotonic_cst": [1] * 4, "hidden_layer_sizes": (64, 32), "max_iter": 30, "random_state": 0}
    students = [student(**settings).fit(X[:2000], y[:2000]) for student in (MLPStudent, WithMuonForAll)]
    ours, for_all = (1 - student.score(X[2000:], y[2000:]) for student in students)
    assert ours < 0.8 * for_all
