"""A number between two bounds as the value of an option."""

from __future__ import annotations

import math
from typing import Any

import click


class Fraction(click.FloatRange):
    """A range that does not contain NaN; Click's does."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number that a text represents."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number
