"""The check of contributions: the graph gives those of Python, and they add up to the scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from tabkd._export.probes import row_text
from tabkd._reasons import CONTRIBUTIONS
from tabkd.onnx import ParityError
from tabkd.scoring import ExportedStudent
from tabkd.students import Student
from tabkd.students._student import predicted

#: Largest error of a contribution and of a row's sum, in standard deviations of the score over the background rows.
TOLERANCE = 1e-4
# Most numbers that Python, and `tabkd.load`, hold for contributions, over all rows that they explain for the check.
_MOST_VALUES = 1 << 27
# The spread of scores that vary less: in log-odds, or in standard deviations of the target.
_LEAST_SPREAD = 0.01
# Largest difference between what the raw scores mean and what the student predicts.
_SCALE_TOLERANCE = 1e-5


def check_additivity(
    model: Any, codes: np.ndarray, frame: pd.DataFrame, exported: ExportedStudent, whole: dict[str, np.ndarray]
) -> float:
    """Compare the contributions of a file with Python's, and their sums with the scores.

    Sums are checked on all rows. If a row takes so many numbers that Python would need minutes, only some rows of every
    kind are also explained by Python and by `tabkd.load`.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
        The fitted estimator.
    codes : ndarray of shape (n, d)
        The rows to compare.
    frame : pandas.DataFrame
        The same rows.
    exported : ExportedStudent
        The loaded file.
    whole : dict of str to array
        The outputs of the whole graph for the rows.

    Returns
    -------
    float
        The largest error of a sum, in standard deviations of its score.

    Raises
    ------
    ParityError
        If a difference is too large; the message has the row, and the sum and the score or both contributions.
    """
    _check_scale(model, codes, frame)
    some = _some_rows(len(codes), model._student.values_per_explanation())
    some_codes, some_frame = codes[some], frame.iloc[some]
    expected = model._explain_codes(some_codes)
    graph, loaded = (
        found.reshape(-1, *expected.shape[1:]).astype(np.float64)
        for found in (whole[CONTRIBUTIONS], exported.output(some_frame, CONTRIBUTIONS))
    )
    spread = _spread(model)
    worst = max(
        _check_sums(model, codes, frame, graph, spread), _check_sums(model, some_codes, some_frame, loaded, spread)
    )
    for got in (graph[some], loaded):
        _check_equal(model, some_frame, got, expected, spread)
    return worst


def _some_rows(n: int, values_per_row: int) -> np.ndarray:
    """The positions of the rows to explain in every way: all of n, or as many as time allows, evenly spaced."""
    return np.linspace(0, n - 1, min(n, max(1, _MOST_VALUES // values_per_row))).astype(np.int64)


def _spread(model: Any) -> np.ndarray:
    """The unit of errors of each score, (M,): its standard deviation over the background rows."""
    student = model._student
    # Scores that hardly vary are not more exact in float32 than others.
    least = _LEAST_SPREAD * (student.target_scale_ if student.task_ == "regression" else 1.0)
    return np.maximum(model._raw_scores(student.background_).std(axis=0), least)


def _check_sums(model: Any, codes: np.ndarray, frame: pd.DataFrame, got: np.ndarray, spread: np.ndarray) -> float:
    """The largest error of the sums of contributions (n, M, d); refuse those that are not the scores."""
    baseline, scores = model._base_values(), model._raw_scores(codes)
    sums = baseline + got.sum(axis=2)
    gaps = _gaps(sums, scores, spread)
    worst = float(gaps.max())
    if worst > TOLERANCE:
        row, k = _largest(gaps)
        what = (
            f"the baseline {baseline[k]:.9g} and the contributions add up to {sums[row, k]:.9g}, but the score is "
            f"{scores[row, k]:.9g}; at most {TOLERANCE * spread[k]:.3g} is allowed, {TOLERANCE:g} of its spread"
        )
        raise _error(model, frame, row, what)
    return worst


def _check_equal(model: Any, frame: pd.DataFrame, got: np.ndarray, expected: np.ndarray, spread: np.ndarray) -> None:
    """Refuse contributions (n, M, d) that differ from Python's."""
    gaps = _gaps(got, expected, spread[:, None])
    if gaps.max() > TOLERANCE:
        row, k, column = _largest(gaps)
        what = (
            f"column {frame.columns[column]!r} contributes {expected[row, k, column]:.9g} in Python, but "
            f"{got[row, k, column]:.9g} in ONNX; at most {TOLERANCE * spread[k]:.3g} is allowed"
        )
        raise _error(model, frame, row, what)


def _check_scale(model: Any, codes: np.ndarray, frame: pd.DataFrame) -> None:
    """Refuse raw scores that are not those of the student's predictions."""
    student = model._student
    targets, meant = predicted(student, codes), _targets(student, student.raw_scores(codes))
    gaps = _gaps(meant, targets, student.target_scale_)
    if gaps.max() > _SCALE_TOLERANCE:
        row, k = _largest(gaps)
        what = (
            f"raw_scores, which contributions add up to, mean that {model._task.output_name(k)} is "
            f"{meant[row, k]:.9g}, but the student predicts {targets[row, k]:.9g}"
        )
        raise _error(model, frame, row, what)


def _gaps(got: np.ndarray, expected: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """The differences in a unit; infinite where a number is missing."""
    return np.nan_to_num(np.abs(got - expected) / unit, nan=np.inf)


def _largest(gaps: np.ndarray) -> tuple[int, ...]:
    """The position of the largest."""
    return tuple(int(i) for i in np.unravel_index(np.argmax(gaps), gaps.shape))


def _targets(student: Student, raw: np.ndarray) -> np.ndarray:
    """The targets (n, K) that raw scores (n, M) mean."""
    if student.task_ == "regression":
        return raw
    return softmax(np.column_stack([np.zeros(len(raw)), raw]) if raw.shape[1] == 1 else raw, axis=1)


def _error(model: Any, frame: pd.DataFrame, row: int, what: str) -> ParityError:
    return ParityError(
        f"The contributions of the student {type(model.student_).__name__} are wrong, so nothing was written: {what}, "
        f"for the row {row_text(model.schema_, frame, row)}. Write the file without contributions, or, for your own "
        "student, let raw_scores, explain_codes and write_contributions agree; see tabkd.students.Student."
    )
