"""Queries as a user writes them, put into queries of ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pyarrow as pa

from tabkd._options import option

# What a semicolon in it does not end: comments, texts, names, and PostgreSQL's texts between dollars.
_PIECE = re.compile(
    r"""
    (?P<space> \s+ | --[^\n]* )
    | (?P<comment> /\* )
    | (?P<end> ; )
    | (?P<text> \b[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*" | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
    | (?P<other> \w[\w$]* | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"/\*|\*/")


class Reading(NamedTuple):
    """A database that is read.

    Attributes
    ----------
    columns_of : callable
        Takes a query, which it does not carry out, and gives for each of its columns the SQL whose values arrive as
        they are.
    read : callable
        Takes a query and how many rows to read at a time, and gives them as a `pyarrow.RecordBatchReader`.
    cancel : callable
        Makes what either does in another thread fail.
    """

    columns_of: Callable[[str], dict[str, str]]
    read: Callable[[str, int], pa.RecordBatchReader]
    cancel: Callable[[], None]


def one_statement(query: str) -> str:
    """The one statement of a query, without the semicolon and what comes after it.

    Raises
    ------
    ValueError
        It has none, or several.

    Examples
    --------
    >>> one_statement("SELECT ';' AS a /* ; */ ; -- all of them")
    "SELECT ';' AS a /* ; */ "
    """
    position, end, is_empty = 0, len(query), True
    while match := _PIECE.match(query, position):
        position = _after_comment(query, match.end()) if match["comment"] else match.end()
        if match["end"]:
            end = min(end, match.start())
        elif not (match["space"] or match["comment"]):
            if end < len(query):
                raise ValueError(f"{option('query')} has several statements; give one SELECT.")
            is_empty = False
    if is_empty:
        raise ValueError(f"{option('query', query)} is empty; give a SELECT.")
    return query[:end]


def _after_comment(query: str, position: int) -> int:
    """The end of a comment that begins before a position; comments can hold others."""
    depth = 1
    while depth and (mark := _COMMENT.search(query, position)):
        depth += 1 if mark[0] == "/*" else -1
        position = mark.end()
    return len(query) if depth else position


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def selected(columns: Sequence[str], query: str) -> str:
    """The statement that computes columns, SQL each, of the rows of a query."""
    # On lines of its own: it may end in a comment.
    return f"SELECT {', '.join(columns)} FROM (\n{query}\n) AS rows"
