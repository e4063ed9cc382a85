"""A report in the form in which it is stored: plain JSON types."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from tabkd.evaluation._findings import Findings

# The scores of single test rows are not stored, and what only the page shows is in the page.
_NOT_STORED = ("scores", "exhibits")


def as_dict(findings: Findings) -> dict[str, Any]:
    """The fields by name, as JSON types; None for numbers that are not finite.

    Parameters
    ----------
    findings : Findings
        The findings to store, without their scores.
    """
    names = (field.name for field in dataclasses.fields(findings))
    return {name: _json_safe(getattr(findings, name)) for name in names if name not in _NOT_STORED}


def _json_safe(value: Any) -> Any:
    """`value` as JSON types; numbers that are not finite become None."""
    if isinstance(value, dict):
        return {str(key): _json_safe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_json_safe(item) for item in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value
