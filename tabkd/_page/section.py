"""What a page consists of: sections of figures and tables under a title, and headlines above them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


@dataclass
class Section:
    """A part of a page.

    Attributes
    ----------
    title, text : str
        Its heading and first sentence.
    figures : list of (title, svg, note)
        Drawings.
    tables : list of dict
        From `table`.
    key : dict of str to str
        The meaning of the colours in the figures: a class of the style sheet, and a name.
    html : Markup
        What replaces all of this, without its heading.
    """

    title: str
    text: str = ""
    figures: list[tuple[str, Any, str]] = field(default_factory=list)
    tables: list[dict[str, Any]] = field(default_factory=list)
    key: dict[str, str] = field(default_factory=dict)
    html: Any = ""


class Verdict(NamedTuple):
    """What a reader should know first.

    Attributes
    ----------
    kind : {"good", "care", "bad", ""}
        Its colour.
    title : str
        A short sentence.
    notes : sequence of str
        The reasons, and anything else to know.
    """

    kind: str
    title: str
    notes: Sequence[str] = ()


@dataclass
class Document:
    """All that a page shows.

    Attributes
    ----------
    title, subtitle : str
        Its heading, and the line below.
    sections : list of Section
        Its parts.
    verdict : Verdict or None
        The box at the top.
    cards : list of (name, value, note)
        The headlines.
    scripts : list of Markup
        Elements at the end of a page, left out if it is a part of another page.
    """

    title: str
    subtitle: str
    sections: list[Section]
    verdict: Verdict | None = None
    cards: list[tuple[str, str, str]] = field(default_factory=list)
    scripts: list[Any] = field(default_factory=list)


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[Any]],
    title: str = "",
    is_open: bool = True,
    bold: Iterable[int] = (),
) -> dict[str, Any]:
    """A table, the first cell of each row its label; under a title it can be folded.

    Parameters
    ----------
    heads : sequence of str
        The headings of the columns.
    rows : iterable of sequences
        The cells: a text, or a pair of a text and its class in the style sheet.
    title : str
        What is shown when it is folded.
    is_open : bool
        Whether it is not folded.
    bold : iterable of int
        The rows that matter most.
    """
    matters = set(bold)
    made = [
        {
            "label": str(first),
            "is_long": len(str(first)) > _LONG,
            "cells": list(map(_cell, rest)),
            "bold": k in matters,
        }
        for k, (first, *rest) in enumerate(rows)
    ]
    return {"title": title, "open": is_open, "heads": list(heads), "rows": made}


def number(value: float | None) -> str:
    """Four digits, or a dash for an unknown number.

    Examples
    --------
    >>> number(0.12345), number(1234567.0), number(None)
    ('0.1235', '1.235e+06', '–')
    """
    return "–" if value is None or value != value else f"{value:.4g}"


def percent(value: float | None) -> str:
    """A share in percent, or a dash for an unknown one."""
    return "–" if value is None or value != value else f"{value:.1%}"


def _cell(cell: Any) -> tuple[str, str]:
    text, kind = cell if isinstance(cell, tuple) else (str(cell), "")
    return text, kind or ("text" if len(text) > _LONG else "")


# Longer texts are left-aligned, and may be broken.
_LONG = 24
