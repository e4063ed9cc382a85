"""The file of reason codes: what replaces the names of columns, and which columns count as one."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tabkd._near_names import known_names
from tabkd._options import option
from tabkd.batch._csv_header import DELIMITERS


class Code(NamedTuple):
    """What replaces a column in the output: a code, and a text if the file has texts."""

    code: str
    text: str | None = None


def read_codes(path: str | os.PathLike) -> dict[str, Code]:
    """Read a CSV in UTF-8 with the columns ``column``, ``code`` and, if there are texts, ``text``.

    Parameters
    ----------
    path : str or path-like
        The file. Codes are text, so that 07 stays 07.

    Returns
    -------
    dict of str to Code
        The code of each column.

    Raises
    ------
    OSError, TypeError, ValueError
        If the file cannot be read, lacks one of the columns, has a row that does not fit its header, has a column
        twice or without a code, or a code with two texts.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"{option('reason_codes')} is {path!r:.80}; expected the path of a CSV of column,code.")
    called = option("reason_codes", os.fspath(path))
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            rows = [row for row in csv.reader(file, delimiter=_delimiter(first)) if any(row)]
    except OSError as error:
        raise type(error)(error.errno, f"{called} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{called} is not a CSV in UTF-8: {error}.") from error
    header = [name.strip() for name in rows[0]] if rows else []
    if missing := [name for name in ("column", "code") if name not in header]:
        raise ValueError(f"{called} has no column {missing[0]!r}; its first line is column,code, or column,code,text.")
    if twice := [name for name in ("column", *Code._fields) if header.count(name) > 1]:
        raise ValueError(f"{called} has two columns {twice[0]!r}; rename one of them.")
    codes: dict[str, Code] = {}
    for row in rows[1:]:
        if len(row) != len(header):
            raise ValueError(
                f"{called} has a row of {len(row)} values for {len(header)} columns, {','.join(row)!r:.80}; put "
                "quotes around a value that contains the delimiter."
            )
        values = dict(zip(header, row, strict=True))
        name, code, text = values["column"], values["code"].strip(), values.get("text", "").strip()
        if not name or not code:
            raise ValueError(f"{called} has a row without a {'code' if name else 'column'}, {','.join(row)!r}.")
        if name in codes:
            raise ValueError(f"{called} has two codes for {name!r}; leave one of them out.")
        codes[name] = Code(code, text if "text" in header else None)
    _check_texts(called, codes)
    return codes


def check_codes(codes: Mapping[str, Code], names: Sequence[str], columns: Sequence[str]) -> None:
    """Refuse codes that lack a reason, or have one that the model cannot give.

    Parameters
    ----------
    codes : mapping of str to Code
        The codes.
    names : sequence of str
        The columns and groups that can be reasons.
    columns : sequence of str
        All columns of the model: those in a group may have codes, which are not used.

    Raises
    ------
    ValueError
        If a code is missing, or there is one for another name.
    """
    if missing := [name for name in names if name not in codes]:
        raise ValueError(
            f"{option('reason_codes')} has no code for {_first(missing)}; add a row for each column and group."
        )
    known = {*names, *columns}
    if unknown := [name for name in codes if name not in known]:
        raise ValueError(
            f"{option('reason_codes')} has a code for {_first(unknown)}, which is neither a column of the model nor a "
            f"group; {known_names(unknown[0], names)} `tabkd inspect` shows the columns."
        )


def by_code(members: Sequence[tuple[str, list[int]]], codes: Mapping[str, Code]) -> dict[Code, list[int]]:
    """Count columns and groups with one code as one reason.

    Parameters
    ----------
    members : sequence of (str, list of int)
        The columns and groups that can be reasons, with the positions of their columns.
    codes : mapping of str to Code
        A code for each of them.

    Returns
    -------
    dict of Code to list of int
        The positions of all columns of each code.
    """
    reasons: dict[Code, list[int]] = {}
    for name, positions in members:
        reasons.setdefault(codes[name], []).extend(positions)
    return reasons


def _check_texts(called: str, codes: Mapping[str, Code]) -> None:
    """Refuse a code with two texts: its columns count as one reason, which has one text."""
    first: dict[str, Code] = {}
    for name, code in codes.items():
        if (other := first.setdefault(code.code, code)) != code:
            raise ValueError(
                f"{called} gives code {code.code!r} of {name!r} the text {code.text!r:.60}, but before "
                f"{other.text!r:.60}; give one text for all columns of a code."
            )


def _delimiter(header: str) -> str:
    """The delimiter with which the header has the expected columns; a comma if there is none."""
    wanted = {"column", "code"}
    return next((mark for mark in DELIMITERS if wanted <= {part.strip(' "\r\n') for part in header.split(mark)}), ",")


def _first(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
