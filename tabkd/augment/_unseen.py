"""Synthetic rows with categories that no row of the table has, so that the student learns the teacher's answer.

New data has such categories: the next month, a new shop, a misspelt name. The rows of the table cannot show how the
teacher responds to them.
"""

from __future__ import annotations

import numpy as np

from tabkd._tables.schema import TableSchema

# The share of rows with such a category, and, within these, of columns that have one besides the first.
_ROWS, _FURTHER_COLUMNS = 0.05, 0.1


def unseen_codes(schema: TableSchema, codes: np.ndarray) -> dict[int, np.ndarray]:
    """For each categorical column the codes that no row of `codes` (n, d) has.

    They are the categories of the column's dtype without a row; if each has a row, the code of an unseen category.
    """
    found = {}
    for i in schema.positions("categorical"):
        n = len(schema.columns[i].categories)
        seen = codes[:, i][~np.isnan(codes[:, i])].astype(int)
        without = np.setdiff1d(np.arange(n), seen)
        found[int(i)] = (without if len(without) else np.array([n])).astype(np.float64)
    return found


def with_unseen(codes: np.ndarray, unseen: dict[int, np.ndarray], rng: np.random.RandomState) -> np.ndarray:
    """The rows of `codes`, a twentieth of them with unseen categories in one or more columns."""
    if not unseen:
        return codes
    rows = np.flatnonzero(rng.random_sample(len(codes)) < _ROWS)
    changed = rng.random_sample((len(rows), len(unseen))) < _FURTHER_COLUMNS
    changed[np.arange(len(rows)), rng.randint(len(unseen), size=len(rows))] = True
    out = codes.copy()
    for (i, choices), of_column in zip(unseen.items(), changed.T, strict=True):
        out[rows[of_column], i] = rng.choice(choices, np.count_nonzero(of_column))
    return out


def one_of_each(codes: np.ndarray, unseen: dict[int, np.ndarray]) -> np.ndarray:
    """For each column, the first row of `codes` with an unseen category in that column."""
    out = np.repeat(codes[:1], len(unseen), axis=0)
    for row, (i, choices) in zip(out, unseen.items(), strict=True):
        row[i] = choices[0]
    return out
