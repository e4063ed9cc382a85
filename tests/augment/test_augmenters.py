"""The augmenters: rows of the same table, and the neighbours that MUNGE stands on."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import kstest, norm
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from tabkd._sklearn import InvalidParameterError
from tabkd._tables.schema import TableSchema
from tabkd.augment import AUGMENTERS, Jitter, Marginal, Mixture, Mixup, Munge
from tabkd.augment._augmenter import base_rows
from tabkd.augment._neighbours import (
    distinct_neighbours,
)

each_augmenter = pytest.mark.parametrize("augmenter", [cls() for cls in AUGMENTERS.values()], ids=AUGMENTERS)


def mixed_frame(n=600, seed=0):
    rng = np.random.default_rng(seed)
    amount = rng.lognormal(3, 1, n)
    amount[rng.random(n) < 0.2] = np.nan
    city = rng.choice(["Bern", "Graz", "Lyon", None], n, p=[0.5, 0.3, 0.1, 0.1])
    return pd.DataFrame(
        {
            "amount": amount,
            "hour": rng.integers(0, 24, n),
            "night": rng.random(n) < 0.3,
            "level": rng.integers(0, 3, n).astype(float),
            "items": pd.array(np.where(rng.random(n) < 0.1, None, rng.integers(1, 9, n)), dtype="Int64"),
            "colour": pd.Categorical(rng.choice(["red", "blue"], n), categories=["never", "red", "blue"]),
            "grade": pd.Categorical(rng.choice([1, 2, 5], n), categories=[1, 2, 3, 5], ordered=True),
            "city": pd.Series(city, dtype="str"),
            "shop": pd.Series(rng.choice(["a", "b", "c"], n), dtype="string"),
            "seconds": 1.7e9 + rng.random(n),
        }
    )


def polars_frame(n=600, seed=0):
    frame = mixed_frame(n, seed)
    return pl.DataFrame(
        {
            "amount": pl.Series(frame["amount"], nan_to_null=True),
            "small": pl.Series(frame["hour"].to_numpy()).cast(pl.UInt8),
            "night": frame["night"].to_numpy(),
            "single": pl.Series(np.random.default_rng(seed).standard_normal(n)).cast(pl.Float32),
            "city": [None if pd.isna(c) else c for c in frame["city"]],
        }
    )


def float32_array(n=600, seed=0):
    X = np.random.default_rng(seed).standard_normal((n, 4)).astype(np.float32)
    X[::7, 1] = np.nan
    X[:, 3] = np.round(X[:, 3])
    return X


TABLES = {"pandas": mixed_frame(), "polars": polars_frame(), "float32": float32_array()}
each_table = pytest.mark.parametrize("X", TABLES.values(), ids=TABLES)


def columns_of(X):
    if isinstance(X, np.ndarray):
        return [pd.Series(x) for x in X.T]
    frame = X.to_pandas() if isinstance(X, pl.DataFrame) else X
    return [frame[name] for name in frame]


def assert_same_table(a, b):
    if isinstance(a, pd.DataFrame):
        pd.testing.assert_frame_equal(a, b)
    elif isinstance(a, pl.DataFrame):
        assert a.equals(b)
    else:
        np.testing.assert_array_equal(a, b)


@parametrize_with_checks([cls() for cls in AUGMENTERS.values()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@each_augmenter
@each_table
def test_rows_have_the_form_of_the_table(augmenter, X):
    rows = clone(augmenter).fit(X).sample(1500, random_state=0)
    assert type(rows) is type(X)
    assert rows.shape == (1500, X.shape[1])
    if isinstance(X, np.ndarray):
        assert rows.dtype == X.dtype
        assert rows.flags.writeable
    else:
        assert list(rows.columns) == list(X.columns)
        # pandas compares categorical dtypes by their categories and order
        assert list(rows.dtypes) == list(X.dtypes)


def test_a_column_of_objects_stays_one():
    X = pd.DataFrame({"city": pd.Series(["Bern", None, "Graz"], dtype=object)})
    assert Munge().fit(X).sample(5, random_state=0)["city"].dtype == object


@each_augmenter
@each_table
def test_values_are_such_as_were_seen(augmenter, X):
    rows = clone(augmenter).fit(X).sample(4000, random_state=0)
    for seen, drawn in zip(columns_of(X), columns_of(rows), strict=True):
        assert abs(drawn.isna().mean() - seen.isna().mean()) < 0.04
        seen, drawn = seen.dropna(), drawn.dropna()
        if seen.dtype.kind not in "fiub":
            assert set(drawn) <= set(seen)
            continue
        assert drawn.min() >= seen.min()
        assert drawn.max() <= seen.max()
        if (seen == np.round(seen.astype(float))).all():
            assert set(drawn) <= set(range(int(seen.min()), int(seen.max()) + 1))


@each_augmenter
@each_table
def test_codes_are_those_of_the_rows(augmenter, X):
    augmenter = clone(augmenter).fit(X)
    rows = augmenter.sample(500, random_state=3)
    codes = augmenter.sample_codes(500, random_state=3)
    assert codes.dtype == np.float64
    np.testing.assert_array_equal(augmenter.schema_.encode(rows), codes)


@each_augmenter
@each_table
def test_same_random_state_same_rows(augmenter, X):
    one, other = clone(augmenter).fit(X), clone(augmenter).fit(X)
    assert_same_table(one.sample(300, random_state=5), one.sample(300, random_state=5))
    assert_same_table(one.sample(300, random_state=5), other.sample(300, random_state=5))
    state = np.random.RandomState(5)
    first, second = one.sample_codes(300, state), one.sample_codes(300, state)
    assert not np.array_equal(first, second, equal_nan=True)


@each_augmenter
def test_sampling_leaves_the_table_alone(augmenter):
    X = np.random.default_rng(0).standard_normal((50, 3))
    before = X.copy()
    augmenter = clone(augmenter).fit(X)
    augmenter.sample(200, random_state=0)[:] = 0.0
    np.testing.assert_array_equal(X, before)


@each_augmenter
@pytest.mark.parametrize(
    "X",
    [
        np.array([[1.5, np.nan]]),
        np.array([[1.5, 2.0], [2.5, np.nan]]),
        np.full((9, 3), 0.1),
        np.column_stack([np.arange(5.0), np.full(5, np.nan), np.full(5, 7.0)]),
        np.full((4, 2), np.nan),
        pd.DataFrame({"a": ["x", "y", None], "b": pd.Categorical(["u", "u", "v"])}),
        pd.DataFrame({"a": pd.Categorical([None, None], categories=["u"])}),
        pd.DataFrame({"a": ["x"]}),
        np.array([[1e308, 5e-324], [-1e308, 0.0], [0.0, -5e-324]]),
    ],
    ids=[
        "1-row",
        "2-rows",
        "same",
        "constant",
        "all-missing",
        "categorical",
        "no-category",
        "1-cell",
        "huge",
    ],
)
def test_small_and_odd_tables(augmenter, X):
    augmenter = clone(augmenter).fit(X)
    for n in (0, 1, 50):
        codes = augmenter.sample_codes(n, random_state=0)
        assert codes.shape == (n, X.shape[1])
        for i, column in enumerate(augmenter.schema_.columns):
            seen = codes[~np.isnan(codes[:, i]), i]
            assert np.all((seen >= column.low) & (seen <= column.high))
            assert column.has_missing or len(seen) == n
    assert len(augmenter.sample(20, random_state=0)) == 20


@each_augmenter
@settings(max_examples=40, deadline=None)
@given(
    X=hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
        elements=st.floats(allow_infinity=False, width=64) | st.sampled_from([0.0, 1.0, np.nan]),
    ),
    seed=st.integers(0, 99),
)
def test_bounds_and_missing_hold_for_any_array(augmenter, X, seed):
    rows = clone(augmenter).fit(X).sample(30, random_state=seed)
    assert rows.shape == (30, X.shape[1])
    for seen, drawn in zip(X.T, rows.T, strict=True):
        missing = np.isnan(seen)
        assert missing.any() or not np.isnan(drawn).any()
        assert not missing.all() or np.isnan(drawn).all()
        if not missing.all():
            drawn = drawn[~np.isnan(drawn)]
            assert np.all((drawn >= seen[~missing].min()) & (drawn <= seen[~missing].max()))


@each_augmenter
def test_rows_that_the_table_could_not_have_are_not_learnt(augmenter):
    X = pd.DataFrame({"city": ["Bern", "Graz"] * 20, "hour": np.arange(40)})
    schema = TableSchema.of(X)
    more = pd.DataFrame({"city": ["Oslo", "Bern"], "hour": [3.0, np.nan]})
    codes = np.vstack([schema.encode(X), schema.encode(more)])
    augmenter = clone(augmenter).fit_codes(schema, codes)
    assert set(augmenter.sample(500, random_state=0)["city"]) == {"Bern", "Graz"}
    with pytest.raises(ValueError, match="None of the 2 rows can be learnt from"):
        clone(augmenter).fit_codes(schema, schema.encode(more))


@pytest.mark.parametrize(
    "augmenter",
    [Munge(p=1.5), Munge(s=0.0), Munge(n_neighbors=0), Marginal(p=-0.1), Jitter(scale=-1.0), Mixup(alpha=0)],
    ids=repr,
)
def test_wrong_parameters_are_named(augmenter):
    with pytest.raises(InvalidParameterError, match=f"of {type(augmenter).__name__} must be"):
        augmenter.fit(np.ones((3, 2)))


def test_n_samples_must_be_a_count():
    augmenter = Marginal().fit(np.ones((3, 2)))
    with pytest.raises(ValueError, match="n_samples == -1, must be >= 0"):
        augmenter.sample(-1)
    with pytest.raises(TypeError, match="n_samples must be an instance of"):
        augmenter.sample(1.5)


@given(n_rows=st.integers(1, 40), n_samples=st.integers(0, 200), seed=st.integers(0, 9))
def test_every_row_is_a_base_row_equally_often(n_rows, n_samples, seed):
    rows = base_rows(n_rows, n_samples, np.random.RandomState(seed))
    counts = np.bincount(rows, minlength=n_rows)
    assert counts.sum() == n_samples
    assert counts.max() - counts.min() <= 1


def test_rounding_gives_no_minus_zero():
    rows = Jitter(scale=1.0).fit(np.array([[0.0], [-1.0], [1.0]])).sample(200, random_state=0)
    assert not np.signbit(rows[rows == 0.0]).any()


# MUNGE


def test_munge_with_p_0_gives_the_table():
    X = mixed_frame(300)
    munge = Munge(p=0.0).fit(X)
    codes = munge.sample_codes(300, random_state=0)
    expected = munge.schema_.encode(X)
    assert_same_rows(codes, expected)


def test_munge_with_p_1_and_no_variance_gives_the_neighbours():
    X = mixed_frame(300).drop(columns="seconds")
    munge = Munge(p=1.0, s=1e12, n_neighbors=1).fit(X)
    codes = munge.schema_.encode(X)
    expected = codes[distinct_neighbours(munge.schema_, codes, 1)[:, 0]]
    assert_same_rows(munge.sample_codes(300, random_state=0), expected, decimals=6)


def assert_same_rows(a, b, decimals=12):
    a, b = (np.round(np.nan_to_num(x, nan=-1e6), decimals) for x in (a, b))
    np.testing.assert_allclose(a[np.lexsort(a.T)], b[np.lexsort(b.T)], atol=10.0**-decimals)


def test_munge_draws_normal_around_the_neighbour():
    # three pairs; the outer ones make room, and the tag tells whose neighbour a row was drawn around
    X = pd.DataFrame({"x": [-100.25, -99.0, 0.0, 1.5, 99.0, 100.25], "tag": list("uvabwz")})
    rows = Munge(p=1.0, s=3.0, n_neighbors=1).fit(X).sample(30_000, random_state=0)
    around = {tag: rows.loc[rows["tag"] == tag, "x"] for tag in "ab"}
    assert len(around["a"]) == len(around["b"]) == 5000
    assert kstest(around["a"], norm(0.0, 0.5).cdf).pvalue > 0.01
    assert kstest(around["b"], norm(1.5, 0.5).cdf).pvalue > 0.01


def test_munge_touches_attributes_with_probability_p():
    X = pd.DataFrame({"a": ["x", "y"] * 10, "b": ["u", "v"] * 10})
    rows = Munge(p=0.3).fit(X).sample(20_000, random_state=0)
    # each base row swaps with the other kind of row: a and b part where just one of them was touched
    parted = (rows["a"] == "x") != (rows["b"] == "u")
    assert abs(parted.mean() - 2 * 0.3 * 0.7) < 0.02


def test_munge_swaps_a_number_that_is_missing_in_one():
    X = np.array([[0.0, 5.25], [0.5, np.nan]])
    rows = Munge(p=1.0).fit(X).sample(1000, random_state=0)
    assert set(rows[~np.isnan(rows[:, 1]), 1]) == {5.25}
    assert np.isnan(rows[:, 1]).sum() == 500


def test_munge_keeps_the_dependence_of_columns_better_than_marginal():
    rng = np.random.default_rng(0)
    x = rng.uniform(size=3000)
    X = np.column_stack([x, x + 0.01 * rng.standard_normal(3000)])
    off = {a: np.abs(np.diff(AUGMENTERS[a]().fit(X).sample(3000, 0))).mean() for a in ("munge", "marginal")}
    assert off["munge"] < 0.02 < off["marginal"]


# The other methods


def test_marginal_replaces_with_probability_p_from_the_column():
    X = np.column_stack([np.arange(1000.0), np.arange(1000.0)]) + 0.5
    rows = Marginal(p=0.4).fit(X).sample(20_000, random_state=0)
    assert np.isin(rows, X).all()
    assert abs(np.mean(rows[:, 0] == rows[:, 1]) - 0.36) < 0.02
    assert_same_rows(Marginal(p=0.0).fit(X).sample(1000, random_state=0), X)


def test_jitter_adds_noise_of_the_columns_deviation():
    rng = np.random.default_rng(0)
    X = np.column_stack([np.repeat([1.0, 5.0], 500), 100 * rng.standard_normal(1000), np.full(1000, np.nan)])
    X[0, 0] = 1.5  # no whole numbers
    X[1] = [-50.0, -1e4, np.nan]  # room for the noise
    X[2] = [50.0, 1e4, np.nan]
    scale = 0.05
    jitter = Jitter(scale=scale).fit(X)
    rows = jitter.sample(50_000, random_state=0)[:, 0]
    fives = rows[np.abs(rows - 5) < 2]
    assert abs(fives.std() / (scale * X[:, 0].std()) - 1) < 0.05
    assert_same_rows(Jitter(scale=0.0).fit(X).sample(1000, random_state=0), X)


def test_jitter_swaps_categories_and_never_missing_ones():
    X = pd.DataFrame({"a": ["x"] * 60 + ["y"] * 20 + [None] * 20})
    rows = Jitter(p_swap=1.0).fit(X).sample(10_000, random_state=0)["a"]
    assert rows.isna().sum() == 2000
    assert abs((rows == "x").mean() - 0.6) < 0.02
    assert_same_rows(Jitter(p_swap=0.0).fit(X).sample_codes(100, 0), TableSchema.of(X).encode(X))


def test_mixup_stays_between_two_rows_with_one_share():
    X = np.array([[0.25, 100.0, 0.0], [1.25, 200.0, 1.0]])
    X[:, 2] = np.nan, 7.0
    rows = Mixup(alpha=0.5).fit(X).sample(4000, random_state=0)
    np.testing.assert_allclose((rows[:, 0] - 0.25) * 100 + 100, rows[:, 1], atol=0.51)  # rounded: whole
    share = rows[:, 0] - 0.25
    mixed = (share > 0) & (share < 1)
    # Beta(1/2, 1/2) has variance 1/8; a missing value comes with the share of its row
    assert abs(share[mixed].var() - 1 / 8) < 0.01
    assert abs(np.mean(np.isnan(rows[mixed, 2])) - np.mean(1 - share[mixed])) < 0.03
    near = share > 0.9
    assert np.mean(np.isnan(rows[near, 2])) < 0.1
    assert set(rows[~np.isnan(rows[:, 2]), 2]) == {7.0}


def test_mixup_takes_categories_with_the_share():
    X = pd.DataFrame({"x": [0.25, 1.25], "c": ["low", "high"]})
    rows = Mixup(alpha=1.0).fit(X).sample(20_000, random_state=0)
    middle = rows[(rows["x"] > 0.25 + 0.65) & (rows["x"] < 0.25 + 0.75)]
    assert abs((middle["c"] == "high").mean() - 0.7) < 0.05


def test_marginals_of_a_lower_power_draw_rare_values_more_often():
    X = np.repeat([[0.0], [1.0]], [9900, 100], axis=0)
    shares = {power: Marginal(p=1, power=power).fit(X).sample(20_000, 0).mean() for power in (1, 0.5, 0)}
    # 100 of 10 000; sqrt(100) of sqrt(9900) + sqrt(100); 1 of 2.
    assert shares == pytest.approx({1: 0.01, 0.5: 10 / (10 + 9900**0.5), 0: 0.5}, abs=0.01)


def test_marginals_of_every_degree_keep_some_rows_whole_and_few_columns_together():
    X = np.repeat(np.arange(1000.0)[:, None], 4, axis=1)
    spread = np.ptp(Marginal(p=None).fit(X).sample(5000, 0), axis=1)
    assert 0.1 < (spread == 0).mean() < 0.4


def test_a_mixture_draws_by_its_weights():
    X = np.arange(200.0).reshape(-1, 1)
    parts = [Marginal(p=0), Jitter(scale=0.5)]
    sampled = Mixture(parts, weights=[1, 3]).fit(X / 7).sample(4000, 0)
    inside = sampled[(sampled > 0) & (sampled < X.max() / 7)]  # where noise is not held to the range
    assert np.isin(inside, X / 7).sum() / 4000 == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("parts", "weights"), [([], None), ([Marginal()], [1, 2]), ([Marginal()], [0]), (None, [-1, 2])]
)
def test_a_mixture_of_nothing_is_refused(parts, weights):
    with pytest.raises(ValueError, match=r"augmenters is empty|weights are"):
        Mixture(parts, weights=weights).fit(np.eye(3))
