"""Options of the form KEY=VALUE that may be repeated."""

from __future__ import annotations

from collections.abc import Sequence

from tabkd._cli.errors import CommandError


def pairs(name: str, given: Sequence[str], form: str) -> dict[str, str]:
    """The keys and values of a repeated option KEY=VALUE."""
    found: dict[str, str] = {}
    for text in given:
        key, _, value = text.partition("=")
        if not (key and value):
            raise CommandError(f"--{name} {text!r} is not of the form {form}.")
        if found.setdefault(key, value) != value:
            raise CommandError(f"--{name} {key!r} is given twice, as {found[key]!r} and {value!r}; give it once.")
    return found
