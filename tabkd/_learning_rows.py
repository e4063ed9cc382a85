"""The rows that a student learns from: real rows, and synthetic rows that the teacher labels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from itertools import islice
from typing import Any

import numpy as np

from tabkd._label_budget import Labelling, Trial, within_budget
from tabkd._progress import Silent
from tabkd._tables.schema import TableSchema
from tabkd._task import Task
from tabkd._typing import TableLike
from tabkd.augment._augmenter import Draw, fitted_draw
from tabkd.augment._unseen import one_of_each, unseen_codes, with_unseen
from tabkd.students import SoftRows, SoftStream
from tabkd.teachers._answers import soft_targets_of_codes
from tabkd.teachers._teacher import teacher_name

#: Rows that a student reads at a time.
CHUNK_ROWS = 65_536
# The number of synthetic rows for "auto": this many for each real row, within these bounds.
_AUTO_RATIO = 20
_AUTO_ROWS = (40_000, 400_000)


@dataclass(frozen=True)
class Teaching:
    """Turn the answers of a fitted teacher into targets for a student.

    Attributes
    ----------
    teacher : fitted estimator
        The teacher.
    schema : TableSchema
        The columns of the table.
    task : Task
        What the student predicts.
    temperature, alpha : float
        The parameters of `DistilledClassifier`.
    """

    teacher: Any
    schema: TableSchema
    task: Task
    temperature: float
    alpha: float

    def check_width(self, answers: np.ndarray, y: np.ndarray) -> None:
        """Refuse a teacher that predicts more or fewer targets than `y` has."""
        given, expected = answers.shape[1], self.task.targets(y[:1]).shape[1]
        if given != expected:
            raise ValueError(
                f"predict of teacher {teacher_name(self.teacher)} gave {given} targets, but y has {expected}. Pass a y "
                "with the targets of the teacher, or another teacher."
            )

    def answers(self, codes: np.ndarray) -> np.ndarray:
        """The teacher's answers, float64 of shape (n, K), to codes of shape (n, d)."""
        return soft_targets_of_codes(self.teacher, self.schema, codes, self.task.classes)

    def soft(self, answers: np.ndarray) -> np.ndarray:
        """The targets of rows without a label."""
        return self.task.soften(answers, self.temperature)

    def blended(self, answers: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The targets of labelled rows."""
        soft = self.alpha * self.soft(answers)
        if self.alpha < 1:
            soft += (1 - self.alpha) * self.task.targets(y)
        return soft

    def rows(self, codes: np.ndarray, soft: np.ndarray, weights: np.ndarray) -> SoftRows:
        """The rows that a student learns from: codes (n, d), targets (n, K), weights (n,)."""
        return SoftRows(codes, self.task.taught(soft), weights * self.task.emphasis(soft))


@dataclass(frozen=True)
class Lessons:
    """What a teacher has to teach; several students may learn from it.

    Attributes
    ----------
    codes : array of shape (n, d)
        The labelled rows.
    y : array of shape (n,) or (n, K)
        Their labels or values.
    answers, soft : array of shape (n, K)
        The teacher's answers to these rows, and the student's targets.
    weights : array of shape (n,)
        The weights of these rows.
    real : SoftRows
        These rows and the unlabelled ones, as a student reads them.
    synthetic : SoftStream
        Synthetic rows.
    monotonic_cst : int8 array of shape (d,)
        The directions that a student has to obey.
    """

    codes: np.ndarray
    y: np.ndarray
    answers: np.ndarray
    soft: np.ndarray
    weights: np.ndarray
    real: SoftRows
    synthetic: SoftStream
    monotonic_cst: np.ndarray

    def kept(self) -> Lessons:
        """The same with the synthetic rows in memory, so that the teacher labels them once."""
        return replace(self, synthetic=self.synthetic.kept())

    def as_read(self) -> Lessons:
        """The same with only those synthetic rows that a student has read, in memory."""
        synthetic = self.synthetic
        return replace(self, synthetic=synthetic.labelled() if isinstance(synthetic, SyntheticRows) else synthetic)

    def limit_to(self, before: Lessons) -> None:
        """Use no more synthetic rows than students read of earlier lessons; all of them if they read all of those."""
        if isinstance(self.synthetic, SyntheticRows) and isinstance(before.synthetic, SyntheticRows):
            self.synthetic.is_optional &= before.synthetic.is_optional
            if before.synthetic.n_labelled < before.synthetic.n_rows:
                self.synthetic.n_rows = min(self.synthetic.n_rows, before.synthetic.n_labelled)

    def part(self, share: float, rng: np.random.RandomState, least: int = 1) -> Lessons:
        """A random share of the synthetic rows, which are in memory, and of the real rows, at least `least` of them."""
        parts = [_part(chunk, share, rng) for chunk in self.synthetic]
        of_real = max(share, min(1.0, least / len(self.real)))
        synthetic = SoftStream(sum(map(len, parts)), parts, self.synthetic.noise, self.synthetic.is_optional)
        return replace(self, real=_part(self.real, of_real, rng), synthetic=synthetic)


def _part(rows: SoftRows, share: float, rng: np.random.RandomState) -> SoftRows:
    return rows.take(rng.permutation(len(rows))[: math.ceil(share * len(rows))])


def real_rows(
    teaching: Teaching,
    codes: np.ndarray,
    soft: np.ndarray,
    weights: np.ndarray,
    X_unlabeled: TableLike | None = None,
) -> SoftRows:
    """The labelled rows with their targets, followed by the unlabelled ones.

    Parameters
    ----------
    teaching : Teaching
        Makes targets of answers.
    codes : array of shape (n, d)
        The labelled rows.
    soft : array of shape (n, K)
        The student's targets for these rows.
    weights : array of shape (n,)
        The weights of these rows.
    X_unlabeled : frame or array, optional
        Unlabelled rows; each has the mean of `weights` as its weight.
    """
    rows = teaching.rows(codes, soft, weights)
    if X_unlabeled is None:
        return rows
    more = teaching.schema.encode(X_unlabeled)
    of_more = teaching.soft(teaching.answers(more))
    return SoftRows.concatenate([rows, teaching.rows(more, of_more, np.full(len(more), weights.mean()))])


class TaughtRows(SoftStream):
    """A stream of rows that a teacher has answered.

    Parameters
    ----------
    teaching : Teaching
        Turns the answers into targets.
    n_rows : int
        The number of rows.
    bar : Silent, optional
        Counts the answered rows, and shows what the student has decided.
    **of_targets
        The arguments of `SoftStream` about its targets.

    Attributes
    ----------
    lowest : array of shape (K,)
        The lowest target of each output in the chunks that were read; infinite before.
    """

    def __init__(self, teaching: Teaching, n_rows: int, bar: Silent | None, **of_targets: Any) -> None:
        super().__init__(n_rows, **of_targets)
        self.lowest = np.array([np.inf])
        self._teaching, self._bar = teaching, bar or Silent()

    def note(self, text: str) -> None:
        self._bar.note(text)

    def _taught(self, codes: np.ndarray, answers: np.ndarray, weights: np.ndarray) -> SoftRows:
        """A chunk: codes (n, d), the teacher's answers (n, K), weights (n,)."""
        rows = self._teaching.rows(codes, self._teaching.soft(answers), weights)
        self.lowest = np.minimum(self.lowest, rows.targets.min(axis=0))
        return rows


class SyntheticRows(TaughtRows):
    """Synthetic rows, drawn chunk by chunk whenever they are read; they are the same each time, and labelled once.

    Parameters
    ----------
    teaching : Teaching
        Labels the rows.
    augmenter : Augmenter or object with `fit` and `sample`
        Draws the rows.
    codes : array of shape (n, d)
        The rows that the augmenter is fitted on.
    n_rows : int
        The number of synthetic rows.
    weight : float
        The weight of each synthetic row.
    seed : int
        The seed of the rows.
    bar : Silent, optional
        Counts the rows that were labelled.
    **of_targets
        As for `TaughtRows`.
    """

    def __init__(
        self,
        teaching: Teaching,
        augmenter: Any,
        codes: np.ndarray,
        n_rows: int,
        weight: float,
        seed: int,
        bar: Silent | None = None,
        **of_targets: Any,
    ) -> None:
        super().__init__(teaching, n_rows, bar, **of_targets)
        self._weight, self._seed = weight, seed
        self._unseen = _answered_unseen(teaching, codes)
        self._draw: Draw = fitted_draw(augmenter, teaching.schema, codes)
        self._trial: Trial | None = None
        self._answered: dict[int, np.ndarray] = {}

    @property
    def n_labelled(self) -> int:
        """The number of rows that were read, and therefore labelled by the teacher."""
        return sum(map(len, self._answered.values()))

    def labelled(self) -> SoftStream:
        """The rows that were read, in memory."""
        chunks = list(islice(self, len(self._answered)))
        return SoftStream(self.n_labelled, chunks, self.noise, self.is_optional)

    def limit(self, seconds: float) -> Labelling:
        """Use fewer rows if the teacher is too slow to label all of them in this time."""
        # Other rows than those that are drawn when the stream is read.
        rng = np.random.RandomState([self._seed, 1])
        labelling, self._trial = within_budget(
            lambda n: self._codes(n, rng), self._teaching.answers, self.n_rows, seconds
        )
        self.n_rows = labelling.n_rows
        return labelling

    def __iter__(self) -> Iterator[SoftRows]:
        rng = np.random.RandomState(self._seed)
        for start in range(0, self.n_rows, CHUNK_ROWS):
            codes = self._chunk(start, rng)
            yield self._weighted(codes, self._answers(start, codes))

    @property
    def n_timed(self) -> int:
        """The number of the first rows that were labelled already, to time the teacher."""
        return 0 if self._trial is None else len(self._trial.codes)

    def others(self, n: int) -> np.ndarray:
        """The codes, shape (n, d), of n further rows."""
        return self._codes(n, np.random.RandomState([self._seed, 2]))

    def label(self, codes: np.ndarray) -> SoftRows:
        """Rows with these codes, shape (n, d), labelled by the teacher."""
        self._bar.advance(len(codes))
        return self._weighted(codes, self._teaching.answers(codes))

    def unlabelled(self, n: int) -> np.ndarray:
        """The codes, shape (n, d), of the first n rows or of all, without asking the teacher."""
        return self._codes(min(n, self.n_rows), np.random.RandomState(self._seed))

    def _chunk(self, start: int, rng: np.random.RandomState) -> np.ndarray:
        """The rows of the chunk that starts there; the first one begins with those that the teacher was timed on."""
        n = min(CHUNK_ROWS, self.n_rows - start)
        timed = None if self._trial is None or start else self._trial.codes
        if timed is None:
            return self._codes(n, rng)
        return timed if len(timed) == n else np.vstack([timed, self._codes(n - len(timed), rng)])

    def _answers(self, start: int, codes: np.ndarray) -> np.ndarray:
        """The teacher's answers to the chunk that starts there: they are kept, because they cost more than the rows."""
        if start not in self._answered:
            known = [] if self._trial is None or start else [self._trial.answers]
            rest = codes[sum(map(len, known)) :]
            self._answered[start] = np.concatenate([*known, self._teaching.answers(rest)] if len(rest) else known)
            self._bar.advance(len(codes))
            # A student that needed a second chunk shows that others will: none of the rows is optional any longer.
            self.is_optional &= start == 0
        return self._answered[start]

    def _weighted(self, codes: np.ndarray, answers: np.ndarray) -> SoftRows:
        return self._taught(codes, answers, np.full(len(codes), self._weight))

    def _codes(self, n: int, rng: np.random.RandomState) -> np.ndarray:
        return with_unseen(self._draw(n, rng), self._unseen, rng)


def lowest_targets(real: SoftRows, synthetic: SoftStream) -> np.ndarray:
    """The lowest target of each output, shape (K,), among the rows that a student has read."""
    read = [synthetic.lowest] if isinstance(synthetic, TaughtRows) else [c.targets.min(axis=0) for c in synthetic]
    return reduce(np.minimum, read, real.targets.min(axis=0))


def n_synthetic_rows(asked: int | str, n_real: int, task: Task) -> int:
    """The number of synthetic rows that `n_synthetic` means."""
    if asked != "auto":
        return int(asked)
    fewest, most = _AUTO_ROWS
    return int(max(fewest, min(_AUTO_RATIO * n_real, most) / task.labelling_cost))


def _answered_unseen(teaching: Teaching, codes: np.ndarray) -> dict[int, np.ndarray]:
    """The categories without a row that the teacher is asked about; none if it refuses them."""
    unseen = unseen_codes(teaching.schema, codes)
    if unseen:
        try:
            teaching.answers(one_of_each(codes, unseen))
        except Exception:  # a teacher may raise any error for categories that it does not know
            return {}
    return unseen
