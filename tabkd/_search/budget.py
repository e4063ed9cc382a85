"""What a student may cost, and what it has to keep; and the front of students that no other beats in both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from tabkd._options import option

# Candidates that an error names.
_SHOWN = 6


@dataclass(frozen=True)
class Budget:
    """Limits on what a student may cost, and on what it has to keep; None for no limit.

    Attributes
    ----------
    max_bytes : int or None
        The largest size of its ONNX file, metadata included.
    max_latency_us : float or None
        The longest median time for one row in microseconds, with `tabkd.load` on the machine of the search.
    keep : float or None
        The smallest share of the teacher's skill, measured on the labels of held-out rows.

    Examples
    --------
    >>> from tabkd import Budget
    >>> Budget(max_bytes=20_000, keep=0.98)
    Budget(max_bytes=20000, max_latency_us=None, keep=0.98)
    """

    max_bytes: int | None = None
    max_latency_us: float | None = None
    keep: float | None = None

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_latency_us", "keep"):
            value, kind = getattr(self, name), Integral if name == "max_bytes" else Real
            if value is None:
                continue
            if not isinstance(value, kind) or isinstance(value, bool):
                expected = "a whole number" if kind is Integral else "a number"
                raise TypeError(f"{option(name)} is {value!r:.80}; expected {expected}, or None.")
            if not 0 < float(value) < math.inf:
                raise ValueError(f"{option(name)} is {value!r}; expected more than zero, or None for no limit.")
        if self.keep is not None and self.keep > 1:
            raise ValueError(
                f"{option('keep')} is {self.keep!r}; expected a share of the teacher's skill of at most 1."
            )

    def allows(self, found: Any) -> bool:
        """Whether a candidate costs no more than is allowed.

        Parameters
        ----------
        found : Measures
            Its `n_bytes` and `latency_us`.

        Returns
        -------
        bool
            Also true without limits.
        """
        return (self.max_bytes is None or found.n_bytes <= self.max_bytes) and (
            self.max_latency_us is None or found.latency_us <= self.max_latency_us
        )

    def is_met(self, found: Any) -> bool:
        """Whether a candidate costs no more than is allowed, and keeps enough.

        Parameters
        ----------
        found : Measures
            Also its `skill_kept`.

        Returns
        -------
        bool
            Also true without limits.
        """
        return self.allows(found) and (self.keep is None or found.skill_kept >= self.keep)

    def __str__(self) -> str:
        limits = (("max_bytes", self.max_bytes), ("max_latency_us", self.max_latency_us), ("keep", self.keep))
        return ", ".join(option(name, value) for name, value in limits if value is not None) or "no limit"


def front(candidates: Sequence[Any]) -> list[Any]:
    """The candidates that no other beats in both size and fidelity, the smallest first.

    Parameters
    ----------
    candidates : sequence of Candidate
        Measured.
    """
    best, found = -math.inf, []
    for candidate in sorted(candidates, key=lambda each: (each.found.n_bytes, -each.found.fidelity)):
        if candidate.found.fidelity > best:
            best = candidate.found.fidelity
            found.append(candidate)
    return found


def infeasible(budget: Budget, candidates: Sequence[Any]) -> ValueError:
    """The error of a budget that no candidate meets, with the nearest candidates and the front.

    Parameters
    ----------
    budget : Budget
        The budget.
    candidates : sequence of Candidate
        Measured.
    """
    cheap = [each for each in candidates if budget.allows(each.found)]
    if cheap:
        nearest = max(cheap, key=lambda each: _number(each.found.skill_kept))
        what = f"Of those within it, the most faithful is {nearest}"
    else:
        nearest = min(candidates, key=lambda each: _excess(budget, each.found))
        what = f"The nearest is {nearest}"
    shown = "; ".join(map(str, front(candidates)[:_SHOWN]))
    raise_it = "Allow a larger cost, ask for less skill, or add students"
    return ValueError(f"No candidate meets {budget}. {what}. The smallest of each fidelity: {shown}. {raise_it}.")


def _excess(budget: Budget, found: Any) -> float:
    """The cost of a candidate as a multiple of the allowed cost."""
    pairs = ((found.n_bytes, budget.max_bytes), (found.latency_us, budget.max_latency_us))
    return max(cost / limit for cost, limit in pairs if limit is not None)


def _number(value: float) -> float:
    return value if math.isfinite(value) else -math.inf
