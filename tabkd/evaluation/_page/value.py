"""A value of a user's table, as text."""

from __future__ import annotations

from typing import Any

from tabkd.evaluation import _show as show


def shown_value(value: Any) -> str:
    """Nothing for a missing value."""
    if value is None or value != value:
        return ""
    return show.number(value) if isinstance(value, float) else str(value)
