"""The fields of a report: plain values, independent of how they are shown or stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tabkd.evaluation._scores import Scores
from tabkd.evaluation._verdict import Verdict

if TYPE_CHECKING:
    from tabkd.evaluation._exhibits import Exhibits


@dataclass(frozen=True, repr=False)
class Findings:
    """The findings about a distillation; :class:`tabkd.evaluation.Report` describes the fields."""

    task: Literal["classification", "regression"]
    teacher: str
    student: str
    n_test: int
    metrics: dict[str, dict[str, float]]
    fidelity: dict[str, float]
    skill_kept: float
    skill_kept_interval: tuple[float, float]
    recovered_gap: float | None
    recovered_gap_interval: tuple[float, float] | None
    verdict: Verdict
    advice: str
    why: str
    warnings: list[str]
    metric: str
    measure: str
    reasons: dict[str, str]
    per_class: dict[Any, dict[str, float]]
    n_bytes: int | None = None
    speed: dict | None = None
    parity: dict | None = None
    against_teacher: dict | None = None
    classes: list = field(default_factory=list)
    doubt: dict | None = None
    segments: list[dict] = field(default_factory=list)
    worst_rows: list[dict] = field(default_factory=list)
    costs: dict | None = None
    monotone: dict[str, int] = field(default_factory=dict)
    drift: dict | None = None
    provenance: dict | None = None
    review: list[dict] = field(default_factory=list)
    front: list[dict] = field(default_factory=list)
    # Comparing arrays does not give a single truth value, and they follow from the models and the rows.
    scores: Scores | None = field(default=None, compare=False)
    # What only the page shows, made on demand: figures, rules, contributions, and the student itself.
    exhibits: Exhibits | None = field(default=None, compare=False)
