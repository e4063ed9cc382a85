"""Columns that a person did not mean, in Python: a warning with the column, a cell and what to do."""

import datetime
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor

from tabkd import DistilledClassifier, DistilledRegressor
from tabkd._tables.lookalikes import look
from tabkd._tables.schema import TableSchema

N = 300


def fitted(X, cls=DistilledClassifier):
    dummy = DummyClassifier() if cls is DistilledClassifier else DummyRegressor()
    return cls(dummy, student="tree", n_synthetic=0).fit(X, np.arange(len(X)) % 2)


def amounts(cell=None, spelt=str):
    values = [spelt(value) for value in np.random.default_rng(0).lognormal(3, 1, N).round(3)]
    if cell is not None:
        values[17] = cell
    return values


CONTAINERS = {
    "objects": lambda values: pd.DataFrame({"amount": pd.Series(values, dtype=object), "x": np.arange(N) % 7}),
    "strings": lambda values: pd.DataFrame({"amount": pd.Series(values, dtype="str"), "x": np.arange(N) % 7}),
    "Arrow": lambda values: pd.DataFrame({"amount": pd.Series(values, dtype="string[pyarrow]"), "x": 1.0}),
    "polars": lambda values: pl.DataFrame({"amount": values, "x": [1.0] * N}),
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("cell", ["#REF!", "unknown", None])
@pytest.mark.parametrize("cls", [DistilledClassifier, DistilledRegressor])
def test_numbers_that_are_text_because_of_a_cell_are_warned_of(container, cell, cls):
    X = CONTAINERS[container](amounts(cell))
    count, row = (299, "row 17 has '#REF!'".replace("#REF!", cell)) if cell else (300, "row 0 has")
    with pytest.warns(
        UserWarning, match=rf"Column 'amount' is text.*{count} of its 300.*{row}.*pd\.to_numeric\(X\['am"
    ):
        fitted(X, cls)


@pytest.mark.parametrize(
    ("spelt", "what"),
    [
        (lambda value: f"{value:.2f}".replace(".", ","), r"numbers \(row 0 has '\d+,\d\d'\)"),
        (lambda value: f"€ {value}", r"numbers \(row 0 has '€"),
        (lambda value: str(datetime.date.fromordinal(int(700_000 + 9 * value))), r"dates .*pd\.to_datetime"),
    ],
    ids=["decimal comma", "currency", "dates"],
)
def test_text_that_looks_like_something_else_is_warned_of(spelt, what):
    with pytest.warns(UserWarning, match=f"Column 'amount' is text, a category of .* look like {what}"):
        fitted(CONTAINERS["objects"](amounts(spelt=spelt)))


@pytest.mark.parametrize("name", ["Unnamed: 0", ""])
@pytest.mark.parametrize("numbers", [np.arange(N), np.random.default_rng(0).permutation(N * 3)[:N]])
def test_row_numbers_without_a_name_are_warned_of(name, numbers):
    X = pd.DataFrame({name: numbers, "x": np.arange(N) % 7})
    with pytest.warns(UserWarning, match=rf"Column '{name}' has no name.*X\.drop\(columns='{name}'\)"):
        fitted(X)


def test_what_is_meant_is_not_warned_of():
    X = pd.DataFrame(
        {
            "amount": pd.Categorical(amounts("#REF!")),
            "zip": [f"{i:05}" for i in range(N)],
            "grade": ["1", "2", "3+"] * 100,
            "id": np.arange(N),
            "Unnamed: 0": np.arange(N) % 7,
            "Unnamed: 1": np.linspace(0, 1, N),
            "name": [f"shop {i}" for i in range(N)],
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted(X)
        fitted(X.to_numpy(dtype=object)[:, 6:])


def test_a_column_of_numbers_and_one_text_names_the_cell_and_to_numeric():
    X = pd.DataFrame({"amount": pd.Series([1.5] * 17 + ["#REF!"] + [2.5] * 9, dtype=object)})
    with pytest.raises(
        ValueError, match=r"Column 'amount'.*'#REF!' in row 17.*pd\.to_numeric\(X\[c\], errors='coerce'\)"
    ):
        TableSchema.of(X)


def test_a_column_of_times_has_a_remedy():
    X = pd.DataFrame({"at": [datetime.time(12, 30), datetime.time(13)]})
    with pytest.raises(ValueError, match=r"Column 'at'.*convert it to a number, for example its hour"):
        TableSchema.of(X)


@pytest.mark.parametrize(
    ("levels", "kind"),
    [
        (["1", "2.5", "-3e5", " 7 "], "numbers"),
        (["1,234.50", "1.234,5", "1 234", "1'234", "(12.00)", "€12", "12 €", "5%", "USD 7", "12"], "spelt numbers"),
        (["2026-10-24", "2026-10-24T10:00:00Z", "24.10.2026", "10/24/26", "24 Oct 2026", "Oct 24, 2026"], "dates"),
        (["12:30", "9:05:11.5", "12:30 pm"], "times"),
        (["SKU0012", "AB12", "3+", "1.2.3", "10.0.0.1", "555 123 4567", "1/2", "a,b"], None),
        (["", "NA", "null"], None),
        ([], None),
    ],
)
def test_what_text_looks_like(levels, kind):
    counts = np.ones(len(levels), dtype=int)
    for level in levels:
        found = look([level], np.ones(1, dtype=int))
        assert (found and found.kind) in ((kind, "numbers") if kind == "spelt numbers" else (kind,)), level
    found = look(levels, counts)
    assert (found and found.kind) == kind


def test_the_spelling_of_the_user_decides_what_is_a_number():
    levels = [f"1.{i:03},5" for i in range(50)]
    assert look(levels, np.ones(50)).kind == "spelt numbers"
    assert look(levels, np.ones(50), decimal=",", thousands=".").kind == "numbers"
    assert look([f"{i}.5" for i in range(50)], np.ones(50), decimal=",").kind == "spelt numbers"


def test_a_table_of_many_levels_is_looked_at_by_a_sample_first():
    levels = [f"shop {i}" for i in range(50_000)]
    assert look(levels, np.ones(50_000)) is None
    numbers = [f"{i}.5" for i in range(50_000)] + ["#REF!"]
    assert look(numbers, np.ones(50_001)).n_other == 1
