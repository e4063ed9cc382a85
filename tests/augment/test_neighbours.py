"""The search for near rows: against brute force, and what near means."""

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestNeighbors

from tabkd import DistilledClassifier
from tabkd._tables.schema import TableSchema
from tabkd.augment import Marginal
from tabkd.augment._neighbours import (
    LEAF_SIZE,
    NOMINAL_WIDTH,
    distinct_neighbours,
    distinct_rows,
    embed,
    nearest,
)
from tests.small_tables import learn


@pytest.mark.parametrize(("d", "recall"), [(3, 0.9), (10, 0.6)])
def test_neighbours_against_brute_force(d, recall):
    points = np.random.default_rng(0).standard_normal((8000, d)).astype(np.float32)
    found = nearest(points, 3)
    distance, true = NearestNeighbors(n_neighbors=4, algorithm="brute").fit(points).kneighbors(points)
    assert np.mean(found[:, 0] == true[:, 1]) > recall
    length = np.linalg.norm(points[found] - points[:, None], axis=2)
    assert np.all(np.diff(length, axis=1) > -1e-3)  # nearest first
    assert length.mean() / distance[:, 1:].mean() < 1.05
    assert np.all(found != np.arange(8000)[:, None])
    assert np.all(np.diff(np.sort(found, axis=1), axis=1) > 0)  # each once


@pytest.mark.parametrize("n", [2, 5, 300, LEAF_SIZE])
def test_neighbours_are_exact_in_small_tables(n):
    points = np.random.default_rng(0).standard_normal((n, 6)).astype(np.float32)
    k = min(3, n - 1)
    true = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(points).kneighbors(points)[1][:, 1:]
    np.testing.assert_array_equal(nearest(points, k), true)


def test_many_neighbours_from_small_leaves():
    points = np.random.default_rng(0).standard_normal((500, 2)).astype(np.float32)
    found = nearest(points, 100, leaf_size=10)
    assert np.all(np.diff(np.sort(found, axis=1), axis=1) > 0)
    assert np.all(found != np.arange(500)[:, None])


def test_neighbours_are_distinct_rows():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, size=(3000, 4)).astype(float)  # at most 81 distinct rows
    X[X == 2] = np.nan
    schema, codes = learn(X)
    first, group = distinct_rows(codes)
    np.testing.assert_array_equal(codes[first][group], codes)
    assert len(first) == len(np.unique(np.nan_to_num(codes, nan=-1), axis=0))
    neighbours = distinct_neighbours(schema, codes, 5)
    for j in range(5):
        np.testing.assert_equal((group[neighbours[:, j]] == group).any(), False)
    assert np.all(np.diff(np.sort(group[neighbours], axis=1), axis=1) > 0)


@pytest.mark.parametrize("n", [800, 4000])
def test_some_rows_have_the_neighbours_that_they_have_among_all(n):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 5))
    X[::7] = X[3]
    some = rng.permutation(n)[: n // 10]
    np.testing.assert_array_equal(distinct_neighbours(*learn(X), 4, rows=some), distinct_neighbours(*learn(X), 4)[some])
    equal = learn(np.zeros((5, 2)))
    np.testing.assert_array_equal(distinct_neighbours(*equal, 4, rows=np.array([3, 1])), [[3], [1]])


def test_zero_and_minus_zero_are_one_value():
    assert len(distinct_rows(np.array([[0.0], [-0.0], [np.nan], [np.nan]]))[0]) == 2


def test_nearness_of_numbers_does_not_depend_on_unit_or_place():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 3))
    one, other = (distinct_neighbours(*learn(Z), 2) for Z in (X, X * [1.0, 1e-6, 1e3] + [1.7e9, 0.0, -5.0]))
    assert np.mean(one == other) > 0.99


@pytest.mark.parametrize("outlier", [1e9, 1e39, -1e300])
def test_an_outlier_does_not_hide_the_rest(outlier):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1000, 2))
    usual = distinct_neighbours(*learn(X), 1)
    X[0, 0] = outlier
    assert np.mean(distinct_neighbours(*learn(X), 1)[1:] == usual[1:]) > 0.95


def test_a_rarely_used_column_counts():
    X = np.column_stack([np.zeros(1000), np.random.default_rng(0).standard_normal(1000)])
    X[:4, 0] = 3.0
    assert set(distinct_neighbours(*learn(X), 1)[:4, 0]) <= set(range(4))


def test_distances_far_from_the_origin_keep_their_digits():
    points = np.random.default_rng(0).integers(0, 1000, size=(500, 3)).astype(np.float32)
    assert np.mean(nearest(points, 1) == nearest(points + np.float32(1e5), 1)) > 0.97  # ties aside


def test_categories_and_missing_values_are_at_distance_one():
    X = pd.DataFrame({"c": list("abca"), "x": [1.5, 1.5, np.nan, np.nan]})
    schema = TableSchema.of(X)
    points = embed(schema, schema.encode(X))
    assert points.dtype == np.float32
    squared = ((points[:, None] - points) ** 2).sum(axis=2)
    np.testing.assert_allclose(squared[0], [0, 1, 2, 1], atol=1e-6)


def test_high_cardinality_is_projected():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"id": rng.integers(0, 10_000, 3000).astype(str), "x": rng.standard_normal(3000)})
    schema = TableSchema.of(X)
    points = embed(schema, schema.encode(X))
    assert points.shape == (3000, 1 + NOMINAL_WIDTH)
    one, other = points[:1500, 1:], points[1500:, 1:]
    squared = ((one - other) ** 2).sum(axis=1)
    same = X["id"].to_numpy()[:1500] == X["id"].to_numpy()[1500:]
    assert abs(squared[~same].mean() - 1) < 0.05
    assert np.all(squared[~same] > 0.3)


def test_the_threads_of_a_distilled_estimator_are_those_of_its_augmenter():
    model = DistilledClassifier(n_jobs=2)
    augmenter = model._make_augmenter(model.augmenter).fit(np.random.default_rng(0).standard_normal((20, 2)))
    assert augmenter.n_jobs == augmenter.augmenters_[0].n_jobs == 2
    assert model.set_params(augmenter="marginal")._make_augmenter("marginal").get_params() == Marginal().get_params()


def test_threads_find_the_same_neighbours():
    points = np.random.default_rng(0).standard_normal((9000, 4)).astype(np.float32)
    np.testing.assert_array_equal(nearest(points, 3, n_jobs=1), nearest(points, 3, n_jobs=4))


def test_the_scale_of_a_long_column_is_that_of_its_rows():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.standard_normal(300_000) * 1e6, np.where(np.arange(300_000) < 5, 7.0, 0.0)])
    points = embed(*learn(X))
    assert np.std(points[:, 0]) == pytest.approx(np.std(np.arcsinh(rng.standard_normal(300_000))), rel=0.02)
    assert np.ptp(points[:, 1]) > 1  # a value in five rows, which hardly any sample has
