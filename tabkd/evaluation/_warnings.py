"""Warnings about a student that the verdict does not cover."""

from __future__ import annotations

from collections.abc import Sequence

from scipy.stats import binom

from tabkd.evaluation._criteria import Criterion
from tabkd.evaluation._scores import Scores

#: Largest size of an exported student that counts as small, in bytes.
MOST_BYTES = 1_000_000
_CHANCE = 0.05
_MOST_NAMED = 5


def warnings_of(scores: Scores, criterion: Criterion, n_bytes: int | None) -> list[str]:
    """A sentence for each: classes that the student misses, a file that is not small, predictions without a deviance.

    Parameters
    ----------
    scores : Scores
        Of teacher and student.
    criterion : Criterion
        The deciding measure.
    n_bytes : int or None
        Of the exported student; None if it was not exported.
    """
    found = (_of_lost_classes(lost_classes(scores)), _of_size(n_bytes), _of_nonpositive(scores, criterion))
    return [sentence for sentence in found if sentence]


def lost_classes(scores: Scores) -> list[tuple[str, int, int, int]]:
    """The classes that the teacher finds and the student does not; none for real values.

    A class is lost if the student finds none of its rows and the teacher a tenth or more, or if the student finds less
    than half as many as the teacher, beyond chance (an exact sign test on the rows that only one of them finds).

    Parameters
    ----------
    scores : Scores
        Of teacher and student.

    Returns
    -------
    list of tuple
        The class, its rows, and how many of them student and teacher find.
    """
    if scores.task == "regression":
        return []
    codes = scores.truth
    right, likewise = (scores[name].argmax(axis=1) == codes for name in ("teacher", "student"))
    lost = []
    for k, label in enumerate(scores.classes.tolist()):
        rows = codes == k
        n, found, kept = int(rows.sum()), int(right[rows].sum()), int(likewise[rows].sum())
        only_teacher, only_student = int((right & ~likewise)[rows].sum()), int((likewise & ~right)[rows].sum())
        by_chance = binom.sf(only_teacher - 1, only_teacher + only_student, 0.5)
        if (kept == 0 and found and found >= n / 10) or (2 * kept < found and by_chance < _CHANCE):
            lost.append((repr(label), n, kept, found))
    return lost


def _of_lost_classes(lost: Sequence[tuple[str, int, int, int]]) -> str | None:
    if not lost:
        return None
    named = [f"{label} ({kept} of its {n} test rows, the teacher {found})" for label, n, kept, found in lost]
    more = f" and {len(lost) - _MOST_NAMED} more" if len(lost) > _MOST_NAMED else ""
    kind = "a class" if len(lost) == 1 else "classes"
    return f"The student misses {kind} that the teacher finds: {', '.join(named[:_MOST_NAMED])}{more}."


def _of_size(n_bytes: int | None) -> str | None:
    if n_bytes is None or n_bytes <= MOST_BYTES:
        return None
    return (
        f"The ONNX file takes {n_bytes / 1e6:,.1f} MB, more than the {MOST_BYTES / 1e6:g} MB of a small model. The "
        "MLP student usually takes a tenth of that."
    )


def _of_nonpositive(scores: Scores, criterion: Criterion) -> str | None:
    if criterion.domain == "real":
        return None
    student = scores["student"]
    n_rows = int((student.reshape(len(student), -1) <= 0).any(axis=1).sum())
    if not n_rows:
        return None
    return (
        f"The student predicts zero or less in {n_rows:,} test rows, where a deviance is not defined; a millionth of "
        "the mean replaces these predictions."
    )
