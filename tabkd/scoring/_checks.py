"""Checks of JSON values, which combine into the schema of a whole document."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable
from typing import Any

#: Takes a value and the name of its place for errors; returns the checked value or raises `WrongError`.
Check = Callable[[Any, str], Any]


class WrongError(ValueError):
    """A value that a student's metadata cannot have."""


def _wrong(place: str, value: object, expected: str) -> WrongError:
    return WrongError(f"{place} is {reprlib.repr(value)}, where {expected} is expected")


def is_text(value: object, place: str) -> str:
    """Any text."""
    if not isinstance(value, str):
        raise _wrong(place, value, "text")
    return value


def is_flag(value: object, place: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise _wrong(place, value, "true or false")
    return value


def whole(low: int, high: int) -> Check:
    """A check for a whole number within these bounds."""

    def check(value: object, place: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _wrong(place, value, f"a whole number from {low} to {high}")
        return value

    return check


def number(low: float = -math.inf, high: float = math.inf) -> Check:
    """A check for a finite number within these bounds."""

    def check(value: object, place: str) -> float:
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not _finite(value):
            raise _wrong(place, value, "a number")
        if not low <= value <= high:
            raise _wrong(place, value, f"a number from {low:g} to {high:g}")
        return value

    return check


def _finite(value: int | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond float64
        return False


def one_of(*words: str) -> Check:
    """A check for one of these words."""

    def check(value: object, place: str) -> str:
        if not isinstance(value, str) or value not in words:
            raise _wrong(place, value, f"one of {', '.join(words)}")
        return value

    return check


def maybe(inner: Check) -> Check:
    """A check for null, or a value that passes `inner`."""
    return lambda value, place: None if value is None else inner(value, place)


def either(*inner: Check) -> Check:
    """A check for a value that passes at least one of these checks."""

    def check(value: object, place: str) -> Any:
        for one in inner:
            try:
                return one(value, place)
            except WrongError as error:
                last = error
        raise last

    return check


def each(inner: Check) -> Check:
    """A check for a list of values that pass `inner`."""

    def check(value: object, place: str) -> list:
        if not isinstance(value, list):
            raise _wrong(place, value, "a list")
        return [inner(item, f"{place}[{i}]") for i, item in enumerate(value)]

    return check


def record(optional: tuple[str, ...] = (), **fields: Check) -> Check:
    """A check for an object with these keys; other keys are dropped, and `optional` ones may be missing."""

    def check(value: object, place: str) -> dict:
        if not isinstance(value, dict):
            raise _wrong(place, value, "an object")
        if missing := [key for key in fields if key not in value and key not in optional]:
            raise WrongError(f"{place} has no {missing[0]!r}")
        return {key: inner(value[key], f"{place}.{key}") for key, inner in fields.items() if key in value}

    return check
