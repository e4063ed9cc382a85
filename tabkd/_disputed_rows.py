"""Rows for a teacher that is too slow to label many: half of them are those that two first students dispute."""

from __future__ import annotations

import numpy as np

from tabkd._label_budget import Labelling
from tabkd._learning_rows import CHUNK_ROWS, SyntheticRows
from tabkd._tables.schema import TableSchema
from tabkd.students import MLPStudent, SoftRows, SoftStream

# Around the 4,000 rows for which it was measured to help; with 2,000 it may do harm (docs/benchmarks.md, few labels).
_FEWEST_ROWS, _MOST_ROWS = 3_000, 6_000
# Two first students take some seconds; where labels take less than this, they would not be worth it.
_LEAST_SECONDS = 30
# Candidates for each chosen row. Their total is limited to the rows that a student reads at a time.
_CANDIDATES = 40
# Probabilities are compared from here up, so that two nearly impossible classes are no dispute.
_LEAST_PROBABILITY = 1e-4


def is_worth_choosing(labelling: Labelling) -> bool:
    """Whether a time budget left so few rows, and each takes so long, that they should be chosen."""
    if labelling.rows_per_second is None or labelling.n_rows == labelling.n_wanted:
        return False
    is_slow = labelling.n_rows >= _LEAST_SECONDS * labelling.rows_per_second
    return is_slow and _FEWEST_ROWS <= labelling.n_rows <= _MOST_ROWS


def with_disputed(
    rows: SyntheticRows, schema: TableSchema, real: SoftRows, rng: np.random.RandomState
) -> tuple[SoftStream, int]:
    """Choose half of the synthetic rows: those on which two students of the other half disagree most.

    This is query by committee (Seung, Opper and Sompolinsky, 1992) with the disagreement of McCallum and Nigam (1998).
    It needs no label to choose a row.

    Parameters
    ----------
    rows : SyntheticRows
        Random rows, as many as the teacher may label. The chosen rows replace the second half, which is removed.
    schema : TableSchema
        Their columns.
    real : SoftRows
        The real rows, which the first students learn too.
    rng : RandomState
        Draws the seeds of the first students.

    Returns
    -------
    SoftStream
        As many rows as were asked for, labelled and in memory; the random ones come first.
    int
        The number of chosen ones.
    """
    n_rows = rows.n_rows
    n_chosen = min(n_rows // 2, n_rows - rows.n_timed)
    if n_chosen == 0:
        return rows, 0
    rows.note(f"{n_chosen:,} of the rows to label are chosen: two first students disagree on them.")
    rows.n_rows -= n_chosen
    first = rows.kept()
    committee = [_first_student(schema, real, first, rng) for _ in range(2)]
    candidates = rows.others(min(_CANDIDATES * n_chosen, CHUNK_ROWS))
    one, other = (student.predict_codes(candidates) for student in committee)
    disputed = disagreement(one, other, committee[0].task_)
    chosen = rows.label(candidates[np.argsort(-disputed, kind="stable")[:n_chosen]])
    # In one chunk, because a student that follows the teacher may leave further ones unread.
    return SoftStream(n_rows, [SoftRows.concatenate([*first, chosen])], first.noise, first.is_optional), n_chosen


def _first_student(
    schema: TableSchema, real: SoftRows, synthetic: SoftStream, rng: np.random.RandomState
) -> MLPStudent:
    return MLPStudent(random_state=rng.randint(2**31 - 1)).fit_stream(schema, real, synthetic)


def disagreement(one: np.ndarray, other: np.ndarray, task: str) -> np.ndarray:
    """How far apart two students' predictions (n, K) for each row are, shape (n,).

    Probabilities are compared by the Kullback-Leibler divergence of either from the other; values by the squared
    difference, of each target in the unit of its spread.
    """
    if task == "classification":
        one, other = (np.maximum(p, _LEAST_PROBABILITY) for p in (one, other))
        return ((one - other) * np.log(one / other)).sum(axis=1)
    spread = one.std(axis=0)
    return (((one - other) / np.where(spread > 0, spread, 1.0)) ** 2).sum(axis=1)
