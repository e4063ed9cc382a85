r"""Text of tables and files on a terminal: shown as it is, never obeyed.

A column may be called ``speed [m/s]``, which rich takes for markup, or hold an escape sequence that a terminal carries
out. A character that is not printable is written as in Python, such as ``\x1b``.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

# More than any line that is written to a file or a pipe.
_WIDEST = 10_000_000


def printable(text: str) -> str:
    r"""`text` in one line, with escapes for what is not printable: control characters, line ends, changes of direction.

    Examples
    --------
    >>> printable("speed [m/s]")
    'speed [m/s]'
    >>> print(printable("red: \x1b[31m, left: \u202e, new\nline"))
    red: \x1b[31m, left: \u202e, new\nline
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def console() -> Console:
    """A rich console that prints text as it is, and cuts nothing if it is not a terminal."""
    from rich.console import Console

    class Plain(Console):
        def render_str(self, text: str, **options: Any) -> Any:
            return super().render_str(printable(text), **options | {"markup": False, "emoji": False})

    made = Plain(markup=False, emoji=False, highlight=False)
    return made if made.is_terminal else Plain(markup=False, emoji=False, highlight=False, width=_WIDEST)


@contextlib.contextmanager
def plain_warnings() -> Iterator[None]:
    """Print a Python warning as one line on standard error, with text from tables unchanged."""
    before = warnings.formatwarning

    def one_line(message: Any, category: Any, filename: Any, lineno: Any, line: Any = None) -> str:
        return printable(" ".join(f"{category.__name__}: {message}".split())) + "\n"

    warnings.formatwarning = one_line
    try:
        yield
    finally:
        warnings.formatwarning = before
