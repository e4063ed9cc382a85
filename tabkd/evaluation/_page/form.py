"""The form in which a reader of the page tries the student."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from markupsafe import Markup

from tabkd._javascript.in_script import in_script
from tabkd._javascript.text import javascript
from tabkd._page.document import template
from tabkd._page.section import Section

#: Bytes of the largest page.
LARGEST = 400_000


class Form:
    """A field for each column, and the student as a script that scores their values.

    Parameters
    ----------
    known : dict
        The columns, some rows to start from, and the student as a file.
    room : int
        Bytes that the page has left.

    Attributes
    ----------
    section : Section
        The form, or the reason why the student cannot be in the page.
    scripts : list of Markup
        The student, and what runs the form.
    """

    def __init__(self, known: dict[str, Any], room: int):
        facts = in_script({name: known[name] for name in ("columns", "examples", "headline")})
        driver = files(__package__).joinpath("page.js").read_text(encoding="utf-8")
        reason, unexplained, student = "", "", ""
        form = template("form.html", __package__)
        try:
            student, unexplained = _script(known["content"], room - len(facts.encode()) - len(driver.encode()) - _FORM)
        except NotImplementedError as error:
            reason = str(error)
        html = form.render(reason=reason, unexplained=unexplained, title=known["title"])
        self.section = Section("Try the student", html=Markup(html))
        self.scripts = (
            []
            if reason
            else [
                Markup(f'<script type="application/json" id="tabkd-form">{facts}</script>'),
                Markup(f"<script>{student}</script>"),
                Markup(f"<script>{driver}</script>"),
            ]
        )


# Bytes of the form around its script.
_FORM = 2_000


def _script(content: bytes, room: int) -> tuple[str, str]:
    """The student as a script, and why it has no contributions if they do not fit."""
    explained = javascript(content, contributions=True)
    if (size := len(explained.encode())) <= room:
        return explained, ""
    plain = javascript(content, contributions=False)
    if len(plain.encode()) > room:
        raise NotImplementedError(
            f"as a script it has {len(plain.encode()) / 1000:,.0f} KB, and the page has room for "
            f"{max(room, 0) / 1000:,.0f} KB."
        )
    return plain, (
        f"Its contributions are not in this page: with them the script has {size / 1000:,.0f} KB, and the page has "
        f"room for {room / 1000:,.0f} KB. The ONNX file can hold them."
    )
