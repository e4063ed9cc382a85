"""Stability indices in words and colours."""

from __future__ import annotations

#: Above these a distribution has changed somewhat, and much, as is customary.
SOME, MUCH = 0.1, 0.25


def moved(index: float) -> str:
    """How much a distribution has changed.

    Examples
    --------
    >>> moved(0.01), moved(0.2), moved(0.3)
    ('hardly any change', 'some change', 'much change')
    """
    return "much change" if index > MUCH else "some change" if index > SOME else "hardly any change"


def cell(index: float | None) -> tuple[str, str]:
    """The cell of a table: the index, and the class of its colour."""
    if index is None:
        return "–", ""
    return f"{index:.3f}", "much" if index > MUCH else "some" if index > SOME else ""
