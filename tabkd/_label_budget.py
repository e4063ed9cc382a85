"""How many synthetic rows a teacher can label within a time budget."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# Rows that a teacher is asked about to time it, one part after the other: a call has overhead, which counts less in a
# larger part.
_TRIALS = (256, 1_024, 4_096, 16_384)
# The share of the budget after which its rate is known well enough.
_TRIAL_SHARE = 0.1
# A budget never leaves fewer rows: by default a quarter of them are away from the rows of the table, and a twentieth
# have an unseen category, so fewer rows would teach the student hardly anything about either.
_LEAST_ROWS = 1_000
# Labels that take less time are not announced.
_FEW_SECONDS = 10


class Labelling(NamedTuple):
    """How many synthetic rows the teacher labels.

    Attributes
    ----------
    n_rows : int
        Their number.
    n_wanted : int
        The most that may be labelled without a time budget. Fewer are labelled if the budget does not allow more, or if
        the student follows the teacher before it has read them all.
    rows_per_second : float or None
        How fast the teacher answered the first rows; None if the budget did not limit the number.
    n_chosen : int
        The number of those that were chosen because two first students disagree on them; the others are random.
    """

    n_rows: int
    n_wanted: int
    rows_per_second: float | None = None
    n_chosen: int = 0

    def noted(self) -> Labelling:
        """The same without a rate that had no effect, because it differs from run to run."""
        return self if self.n_rows < self.n_wanted else self._replace(rows_per_second=None)

    def told(self) -> str:
        """The name of the stage in a progress bar, with the time that is to be expected."""
        of = f" of {self.n_wanted:,}" if self.n_rows < self.n_wanted else ""
        seconds = self.n_rows / (self.rows_per_second or np.inf)
        if not of and seconds < _FEW_SECONDS:
            return "synthetic rows"
        wait = f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
        return f"synthetic rows{of}, labelled in about {wait}"


class Trial(NamedTuple):
    """Rows that the teacher was asked about: codes (n, d), and its answers (n, K)."""

    codes: np.ndarray
    answers: np.ndarray


def within_budget(
    draw: Callable[[int], np.ndarray], ask: Callable[[np.ndarray], np.ndarray], n_wanted: int, seconds: float
) -> tuple[Labelling, Trial | None]:
    """Find out how many rows a teacher labels in a number of seconds.

    Parameters
    ----------
    draw : callable
        Draws the codes (n, d) of n further rows.
    ask : callable
        Gives the teacher's answers (n, K) to codes.
    n_wanted : int
        The number of rows that are wanted, at least 40,000.
    seconds : float
        How long labelling may take.

    Returns
    -------
    labelling : Labelling
        All rows if the teacher seems fast enough, otherwise as many as it labels in this time, at least 1,000.
    trial : Trial or None
        The rows that were used for timing. None if all rows can be labelled: then they are the same rows in the same
        calls as without a budget.

    Examples
    --------
    >>> labelling, trial = within_budget(lambda n: np.zeros((n, 3)), lambda codes: codes[:, :1], 40_000, 60.0)
    >>> labelling.noted(), trial
    (Labelling(n_rows=40000, n_wanted=40000, rows_per_second=None, n_chosen=0), None)
    """
    asked: list[Trial] = []
    spent = 0.0
    for size in _TRIALS:
        codes = draw(size)
        start = time.perf_counter()
        asked.append(Trial(codes, ask(codes)))
        took = max(time.perf_counter() - start, 1e-9)
        spent, rate = spent + took, size / took
        if n_wanted <= rate * seconds:
            return Labelling(n_wanted, n_wanted, rate), None
        if spent >= _TRIAL_SHARE * seconds:
            break
    trial = Trial(*map(np.concatenate, zip(*asked, strict=True)))
    n_rows = len(trial.codes) + int(rate * max(0.0, seconds - spent))
    return Labelling(min(n_wanted, max(_LEAST_ROWS, n_rows)), n_wanted, rate), trial
