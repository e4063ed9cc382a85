"""The whole page of a report, and its core for a notebook."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from tabkd._version import __version__
from tabkd.evaluation._findings import Findings
from tabkd.evaluation._page.form import form
from tabkd.evaluation._page.head import cards, cost_table, measure_table, verdict
from tabkd.evaluation._page.sections import sections

if TYPE_CHECKING:
    from jinja2 import Environment


def page(findings: Findings) -> str:
    """One file of HTML with everything in it: style, figures, and the student itself where it was exported.

    Parameters
    ----------
    findings : Findings
        What to show.
    """
    known, templates = form(findings), _environment()
    between = "" if known is None else Markup(templates.get_template("form.html").render(form=known))
    return templates.get_template("page.html").render(
        _core(findings), between=between, form=known, js=Markup(_text("page.js")), version=__version__
    )


def core(findings: Findings) -> str:
    """The same without the student, as a part of another page.

    Parameters
    ----------
    findings : Findings
        What to show.
    """
    content = _environment().get_template("core.html").render(_core(findings), between="")
    return f'<div class="tabkd">{content}</div>'


def _core(findings: Findings) -> dict[str, Any]:
    return {
        "css": Markup(_text("page.css")),
        "student": findings.student,
        "teacher": findings.teacher,
        "task": findings.task,
        "n_test": f"{findings.n_test:,}",
        "verdict": verdict(findings),
        "warnings": findings.warnings,
        "cards": cards(findings),
        "measures": measure_table(findings),
        "costs": cost_table(findings),
        "sections": [section for section in sections(findings) if section],
    }


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(
        loader=FunctionLoader(_text), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
