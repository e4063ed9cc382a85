"""Queries of users, and how they are embedded in other queries."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pyarrow as pa

from tabkd._options import option

# The parts of a query in which a semicolon does not end the statement: comments, strings, names, and PostgreSQL's
# dollar-quoted strings.
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
    """Functions that read a database.

    Attributes
    ----------
    columns_of : callable
        Takes a query, and returns for each of its columns the SQL expression whose values Arrow stores unchanged. The
        query is not executed.
    read : callable
        Takes a query and the number of rows of a batch, and returns a `pyarrow.RecordBatchReader`.
    cancel : callable
        Cancels the other two functions in another thread, which then raise an error.
    """

    columns_of: Callable[[str], dict[str, str]]
    read: Callable[[str, int], pa.RecordBatchReader]
    cancel: Callable[[], None]


def one_statement(query: str) -> str:
    """The statement of a query, without the semicolon and everything after it.

    Raises
    ------
    ValueError
        If the query has no statement, or several.

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
    """The end of a comment that begins before a position; comments can be nested."""
    depth = 1
    while depth and (mark := _COMMENT.search(query, position)):
        depth += 1 if mark[0] == "/*" else -1
        position = mark.end()
    return len(query) if depth else position


def quoted(name: str) -> str:
    """A quoted name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def selected(columns: Sequence[str], query: str) -> str:
    """A statement that selects columns, given as SQL expressions, from the rows of a query."""
    # The query is on separate lines because it may end with a comment.
    return f"SELECT {', '.join(columns)} FROM (\n{query}\n) AS rows"
