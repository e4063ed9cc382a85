"""Known names that a user may have meant by an unknown one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

# Names in a message, and the most known names that difflib compares.
_SHOWN, _MOST = 10, 2000
# The smallest similarity of two names.
_ALIKE = 0.75


def known_names(name: Any, names: Iterable[Any]) -> str:
    """A hint for a message: the known names that are similar to an unknown one, or else the first of them.

    Examples
    --------
    >>> known_names("incom", ["income", "age"])
    "did you mean 'income'?"
    >>> known_names("town", ["income", "age"])
    "there are 'income', 'age'."
    """
    texts = {str(known): known for known in names}
    folded = [text.casefold() for text in [*texts][:_MOST]]
    similar = get_close_matches(str(name).strip().casefold(), folded, cutoff=_ALIKE)
    if meant := [known for text, known in texts.items() if text.casefold() in similar]:
        return f"did you mean {' or '.join(map(repr, meant[:3]))}?"
    shown = [*texts.values()]
    return f"there are {', '.join(map(repr, shown[:_SHOWN]))}{', …' if len(shown) > _SHOWN else ''}."
