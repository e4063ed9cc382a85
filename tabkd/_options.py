"""The names of parameters in messages: their names in Python, or the options of the command that runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_ABSENT = object()
# Those of the command that runs; a process runs one at a time.
_options: Mapping[str, str] = {}


def option(name: str, value: Any = _ABSENT) -> str:
    """The name of a parameter in messages, with its value if one is given.

    Parameters
    ----------
    name : str
        Its name in Python.
    value : optional
        The value that it has, or should have.

    Examples
    --------
    >>> option("max_rejects"), option("keep", "id"), option("append", True)
    ('max_rejects', "keep='id'", 'append=True')
    >>> with called_as({"max_rejects": "--max-rejects", "keep": "--keep", "append": "--append"}):
    ...     option("max_rejects"), option("keep", "id"), option("append", True)
    ('--max-rejects', "--keep 'id'", '--append')
    """
    called = _options.get(name)
    if called is None:
        return name if value is _ABSENT else f"{name}={value!r}"
    return called if value is _ABSENT or value is True else f"{called} {value!r}"


@contextmanager
def called_as(options: Mapping[str, str]) -> Iterator[None]:
    """A block in which messages name parameters by these options; other parameters keep their names."""
    global _options
    before, _options = _options, options
    try:
        yield
    finally:
        _options = before


def called_now() -> Mapping[str, str]:
    """The names of parameters in messages now, for the workers of this process."""
    return _options
