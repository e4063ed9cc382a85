"""The form in which a reader of the page tries the student."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from tabkd._javascript.in_script import in_script
from tabkd._javascript.text import javascript
from tabkd.evaluation._findings import Findings

# Characters of a script with which a page stays below 400 KB.
_LONGEST_SCRIPT = 200_000


def form(findings: Findings) -> dict[str, Any] | None:
    """The columns, some rows to start from, and the student as a script; None where it was not exported.

    Without a script there is a `reason`.
    """
    known = findings.exhibits and findings.exhibits["form"]
    if not known:
        return None
    try:
        script = _script(known["content"])
    except NotImplementedError as error:
        return {"reason": str(error)}
    facts = {name: known[name] for name in ("columns", "examples", "headline")}
    return {"reason": "", "title": known["title"], "facts": Markup(in_script(facts)), "student": Markup(script)}


def _script(content: bytes) -> str:
    """The student as a script, with its contributions if they leave the page small."""
    for contributions in (True, False):
        script = javascript(content, contributions=contributions)
        if len(script) <= _LONGEST_SCRIPT:
            return script
    raise NotImplementedError(
        f"as a script it has {len(script) / 1000:,.0f} KB, more than the {_LONGEST_SCRIPT / 1000:,.0f} KB of a page."
    )
