"""How a candidate is measured: its exported file on this machine, and its answers to the held-out rows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from tabkd._doubt import measured_doubt
from tabkd._export.build import build
from tabkd._export.metadata import noted
from tabkd._search.candidates import Measures
from tabkd.evaluation._held_out import HeldOut
from tabkd.scoring import ExportedStudent

# Rows that latency is measured on, and turns of them.
_TIMED_ROWS, _TURNS = 20, 5


@dataclass(frozen=True)
class Yardstick:
    """Measures all candidates.

    Attributes
    ----------
    held_out : HeldOut
        The teacher's answers to the held-out rows.
    codes : array of shape (n, d)
        These rows.
    """

    held_out: HeldOut
    codes: np.ndarray

    def measured(self, model: Any, share: float, fit_time: float) -> Measures:
        """Measure a distilled estimator that learnt from a share of the lessons in a number of seconds."""
        scores = model._scores_of_codes(self.codes)
        skill_kept = self.held_out.skill_kept(scores)
        teacher = self.held_out.scores["teacher"].reshape(scores.shape)
        doubt = measured_doubt(scores, teacher, model._task.name, model._training_scores)
        content = noted(build(model), _Note(skill_kept, self.held_out.criterion.name, doubt))
        latency = latency_us(model, content, self.codes)
        return Measures(share, len(content), latency, self.held_out.fidelity(scores), skill_kept, fit_time)


@dataclass(frozen=True)
class _Note:
    """The quality of a student, so that a candidate's bytes are those of a file that contains it."""

    skill_kept: float
    metric: str
    doubt: dict[str, Any] | None


def latency_us(model: Any, content: bytes, codes: np.ndarray) -> float:
    """The median microseconds of one row, scored like in a service: a dict, or an array if columns have no names.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
        The model of the file.
    content : bytes
        The file.
    codes : array of shape (n, d)
        The rows to score, encoded.
    """
    exported = ExportedStudent(content, n_jobs=1)
    predict = exported.predict if model._task.name == "regression" else exported.predict_proba
    frame = model.schema_.decode(codes[:_TIMED_ROWS])
    if isinstance(frame, np.ndarray):
        rows: list[Any] = [frame[i : i + 1] for i in range(len(frame))]
    else:
        rows = frame.to_dict("records")
    times = []
    for _ in range(_TURNS):
        for row in rows:
            start = time.perf_counter()
            predict(row)
            times.append(time.perf_counter() - start)
    return 1e6 * float(np.median(times[len(rows) :]))
