"""The base class of students that learn by minibatches on the units of a `TableEncoder`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from sklearn.utils import check_random_state

from tabkd._sklearn import N_JOBS, Interval, StrOptions
from tabkd._typing import RandomState
from tabkd.students._encoding.encoder import TableEncoder
from tabkd.students._encoding.knots import Splits, surrogate_splits
from tabkd.students._soft_rows import SoftRows, SoftStream, log_frequencies
from tabkd.students._student import Student
from tabkd.students._training.batches import cross_entropy, squared_error, usual_batch_size
from tabkd.students._training.encoded import EncodedRows
from tabkd.students._training.lessons import Learner, Progress, hold_out
from tabkd.students._training.school import USUAL_ROWS, Schedule, n_passes, school


class MinibatchStudent(Student):
    """A student whose weights are learnt by minibatches.

    A subclass makes a trainer with the initial weights in `_trainer`, keeps learnt weights in `_set_weights`, and has
    the parameters below.
    """

    _parameter_constraints = {
        "n_knots": [Interval(Integral, 0, None, closed="left")],
        "max_levels": [Interval(Integral, 1, None, closed="left")],
        "max_units": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "monotonic_cst": ["array-like", dict, None],
        "n_jobs": N_JOBS,
        "random_state": ["random_state"],
    }
    on_simplex = True
    # Networks of two sizes share the splits that their encoders find.
    _find_splits: Callable[..., list[Splits]] = staticmethod(surrogate_splits)
    n_knots: int
    max_levels: int
    max_units: int
    batch_size: int | Literal["auto"]
    learning_rate_init: float
    max_iter: int | Literal["auto"]
    n_jobs: int | None
    random_state: RandomState

    def _fit_rows(self, real: SoftRows, synthetic: SoftStream) -> None:
        rng = check_random_state(self.random_state)
        self._fit_encoder(real, rng)
        real, held_out = self._held_out(real, synthetic, rng)
        trainer = self._trainer(real, rng)
        rows = EncodedRows(self.encoder_, real, synthetic, self._learnt)
        n_rows = rows.n_real + rows.n_synthetic
        in_all = self._rows_in_all() if rows.n_synthetic else USUAL_ROWS
        batch_size = self._batch_size(n_rows)
        schedule = Schedule(n_passes(self.max_iter, n_rows, in_all), batch_size, self.learning_rate_init)
        progress = self._progress(held_out)
        weights, self.n_iter_ = school(trainer, rows, schedule, progress, rng)
        self.encoder_.set_learnt(rows.unseen)
        self._set_weights(weights)

    def _fit_encoder(self, real: SoftRows, rng: np.random.RandomState) -> None:
        """Set `encoder_`."""
        n_knots, max_units = self._unit_limits()
        self.encoder_ = TableEncoder(
            n_knots=n_knots,
            max_levels=self.max_levels,
            max_units=max_units,
            n_jobs=self.n_jobs,
            random_state=rng.randint(2**31 - 1),
        ).fit_rows(self.schema_, real, self._find_splits)

    def _unit_limits(self) -> tuple[int, int]:
        """The parameters `n_knots` and `max_units` of the encoder."""
        return self.n_knots, self.max_units

    def _batch_size(self, n_rows: int) -> int:
        """The rows of a minibatch, if there are `n_rows` in total."""
        return usual_batch_size(n_rows) if self.batch_size == "auto" else int(self.batch_size)

    def _rows_in_all(self) -> int:
        """How many rows "auto" passes over in total if there are synthetic rows."""
        return USUAL_ROWS

    def _held_out(
        self, real: SoftRows, synthetic: SoftStream, rng: np.random.RandomState
    ) -> tuple[SoftRows, SoftRows | None]:
        """The rows to train on, and those for early stopping, if there are any."""
        if synthetic.n_rows == 0 and self.max_iter == "auto":
            return hold_out(real, rng)
        return real, None

    def _progress(self, held_out: SoftRows | None) -> Progress:
        """What ends the training early."""
        return Progress(self._loss_on(held_out) if held_out is not None else None)

    @abstractmethod
    def _trainer(self, real: SoftRows, rng: np.random.RandomState) -> Learner:
        """The trainer of the initial weights."""

    @abstractmethod
    def _set_weights(self, weights: Any) -> None:
        """Keep the weights of a trainer as those of the student."""

    def _loss(self) -> Callable:
        """The loss of outputs and targets (n, M), as JAX arrays, for each row."""
        return cross_entropy if self.task_ == "classification" else squared_error

    def _learnt(self, targets: np.ndarray) -> np.ndarray:
        """The targets of the training (n, M), from targets (n, K)."""
        return (targets - self.target_mean_) / self.target_scale_

    def _prior(self, real: SoftRows) -> np.ndarray:
        """The outputs of the best constant: log frequencies, or zero."""
        if self.task_ == "regression":
            return np.zeros(self.n_outputs_)
        return log_frequencies(real)

    def _loss_on(self, rows: SoftRows) -> Callable[[Any], float]:
        """The function that computes the mean loss of weights on rows: cross-entropy, or scaled squared error."""

        def loss(weights: Any) -> float:
            self._set_weights(weights)
            answers = self.predict_codes(rows.codes)
            if self.task_ == "classification":
                each = -(rows.targets * np.log(np.maximum(answers, 1e-12))).sum(axis=1)
            else:
                each = (((answers - rows.targets) / self.target_scale_) ** 2).mean(axis=1)
            return float((each * rows.weights).sum() / max(rows.weights.sum(), 1e-12))

        return loss
