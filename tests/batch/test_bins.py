"""The bins of a column: one for drift, comparisons and reports."""

import numpy as np
import pyarrow as pa
import pytest

from tabkd._bins import Bins, categories_of, numbers_of


def test_counts_of_numbers_are_those_of_their_places():
    bins = Bins([0.0, 1.5])
    values = np.array([-1.0, 0.0, 0.5, 1.5, 2.0, np.nan])
    places = bins.of_numbers(values)
    assert places.tolist() == [0, 0, 1, 1, 2, bins.n]
    assert bins.counts_of_numbers(values, 1).tolist() == np.bincount(places, minlength=4)[:3].tolist() == [2, 2, 1]


def test_rare_categories_share_a_bin_and_missing_ones_have_none():
    bins = Bins.of({"levels": [2, 0]}, {"categories": ["a", "b", 3], "missing": ["?"]})
    names, positions = categories_of(pa.chunked_array([pa.array(["3.0", "a", "b", "?", None])]))
    places = bins.of_categories([*names, None])
    assert places[positions.fill_null(len(names)).to_numpy(zero_copy_only=False)].tolist() == [0, 1, 2, 3, 3]
    assert bins.counts_of_categories(names, np.array([5, 4, 3, 2])).tolist() == [5, 4, 3]


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64(), pa.int8(), pa.bool_()])
def test_numbers_are_read_from_every_type(kind):
    values = pa.chunked_array([pa.array([0, 1, None]).cast(kind)])
    assert np.array_equal(numbers_of(values), [0.0, 1.0, np.nan], equal_nan=True)


def test_columns_without_bins_have_none():
    assert Bins.of(None, {}) is None
    assert Bins.of({"levels": [0]}, {"kind": "categorical"}) is None
