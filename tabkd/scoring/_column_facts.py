"""The facts in a file about each column of the table. Usual values are left out, and supplied when the file is read."""

from __future__ import annotations

from typing import Any

from tabkd._tables.column import MISSING_SPELLINGS
from tabkd.scoring._checks import each, either, is_flag, is_text, maybe, number, one_of, record, whole

#: The most categories of a column.
MOST_CATEGORIES = 100_000_000
_FIELDS = {
    "name": either(is_text, whole(-(2**63), 2**64 - 1)),
    "type": one_of("FLOAT", "DOUBLE", "STRING"),
    "kind": one_of("numeric", "categorical"),
    "dtype": is_text,
    "input": is_text,
    "low": maybe(number()),
    "high": maybe(number()),
    "has_missing": is_flag,
    "boolean": is_flag,
    "missing": maybe(each(is_text)),
    "n_categories": whole(0, MOST_CATEGORIES),
}
_GIVEN = record(optional=tuple(_FIELDS)[1:], **_FIELDS)


def column_facts(value: object, place: str) -> dict[str, Any]:
    """Check the facts about a column, and supply those that a file leaves out.

    Raises
    ------
    WrongError
        If a column cannot have such a value.

    Examples
    --------
    >>> column_facts({"name": "amount", "low": 0, "high": 9}, "column")["kind"]
    'numeric'
    >>> column_facts({"name": "country", "type": "STRING", "n_categories": 2}, "column")["missing"]
    ['nan', 'None', '<NA>']
    """
    given = _GIVEN(value, place)
    return _usual(given) | given


def shortened(column: dict[str, Any]) -> dict[str, Any]:
    """The facts about a column that `column_facts` would not supply."""
    usual = _usual(column)
    return {key: value for key, value in column.items() if key not in usual or value != usual[key]}


def _usual(column: dict[str, Any]) -> dict[str, Any]:
    """The usual facts about a column with this name and type."""
    kind = column.get("type", "FLOAT")
    is_text = kind == "STRING"
    return {
        "type": "FLOAT",
        "kind": "categorical" if is_text else "numeric",
        "dtype": "category" if is_text else "float64",
        "input": str(column["name"]),
        "low": None,
        "high": None,
        "has_missing": False,
        "boolean": False,
        "missing": list(MISSING_SPELLINGS) if is_text else None,
        "n_categories": 0,
    }
