"""The form in which a reader of the page tries the student."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from tabkd._javascript.in_script import in_script
from tabkd.evaluation._findings import Findings


def form(findings: Findings) -> dict[str, Any] | None:
    """The columns, some rows to start from, and the student as JavaScript; None where it was not exported."""
    known = findings.exhibits and findings.exhibits["form"]
    if not known:
        return None
    facts = {name: known[name] for name in ("columns", "examples", "headline")}
    return {"title": known["title"], "facts": Markup(in_script(facts)), "student": Markup(known["student"])}
