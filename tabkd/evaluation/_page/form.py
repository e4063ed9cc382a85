"""The form in which a reader of the page tries the student."""

from __future__ import annotations

import json
from typing import Any

from markupsafe import Markup

from tabkd.evaluation._findings import Findings


def embedded(value: Any) -> Markup:
    r"""A JSON value that can stand inside a script element, whatever text it holds.

    Examples
    --------
    >>> str(embedded(["</script>"]))
    '["\\u003c/script\\u003e"]'
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def form(findings: Findings) -> dict[str, Any] | None:
    """The columns, some rows to start from, and the student as JavaScript; None where it was not exported."""
    known = findings.exhibits and findings.exhibits["form"]
    if not known:
        return None
    facts = {name: known[name] for name in ("columns", "examples", "headline")}
    return {"title": known["title"], "facts": embedded(facts), "student": Markup(known["student"])}
