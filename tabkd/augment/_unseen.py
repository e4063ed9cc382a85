"""Categories that no row has: the teacher has an answer to them, and the student is to give the same.

The world brings them, as the next month, a new shop or a misspelt name, and what the teacher does then cannot be learnt
from rows of the table.
"""

from __future__ import annotations

import numpy as np

from tabkd._tables.schema import TableSchema

# The share of rows with such a category, and, within these, of columns that have one besides the first.
_ROWS, _FURTHER_COLUMNS = 0.05, 0.1


def unseen_codes(schema: TableSchema, codes: np.ndarray) -> dict[int, np.ndarray]:
    """For each categorical column the codes that no row of `codes` (n, d) has.

    They are the levels of its dtype without a row; where there are none, that of anything else.
    """
    found = {}
    for i in schema.positions("categorical"):
        n = len(schema.columns[i].categories)
        seen = codes[:, i][~np.isnan(codes[:, i])].astype(int)
        without = np.setdiff1d(np.arange(n), seen)
        found[int(i)] = (without if len(without) else np.array([n])).astype(np.float64)
    return found


def with_unseen(codes: np.ndarray, unseen: dict[int, np.ndarray], rng: np.random.RandomState) -> np.ndarray:
    """The rows of `codes`, a twentieth of them with an unseen category in a column or a few."""
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
    """The first row of `codes` with an unseen category in one column at a time."""
    out = np.repeat(codes[:1], len(unseen), axis=0)
    for row, (i, choices) in zip(out, unseen.items(), strict=True):
        row[i] = choices[0]
    return out
