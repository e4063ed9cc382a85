"""What a student may cost, as options: numbers with a unit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import click

#: How messages name the parameters of a budget.
OPTIONS = {"max_bytes": "--max-bytes", "max_latency_us": "--max-latency", "keep": "--keep", "students": "--student"}


class Quantity(click.ParamType):
    """A number above zero with one of some units.

    Parameters
    ----------
    name : str
        What it is.
    units : dict of str to float
        The size of each unit, in small letters.
    example : str
        An example.
    """

    def __init__(self, name: str, units: Mapping[str, float], example: str) -> None:
        self.name, self._units, self._example = name, units, example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number in the unit of size one."""
        if not isinstance(value, str):
            return float(value)
        found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([a-zµμ]*)\s*", value.lower())
        number: float = float(found[1]) * self._units.get(found[2], 0) if found else 0
        if not number > 0:
            self.fail(f"{value!r} is not a {self.name} above zero, such as {self._example}.", param, ctx)
        return int(number) if number == int(number) else number


BYTES = Quantity(
    "size", {"": 1, "b": 1, "k": 1e3, "kb": 1e3, "m": 1e6, "mb": 1e6, "kib": 1024, "mib": 1024**2}, "20k or 1.5MB"
)
MICROSECONDS = Quantity("time", {"us": 1, "µs": 1, "μs": 1, "ms": 1e3, "s": 1e6}, "20us or 0.5ms")
