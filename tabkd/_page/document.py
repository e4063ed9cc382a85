"""A page as one file of HTML, and its core as a part of another page."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tabkd._page.section import Document
from tabkd._version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment


def check_installed() -> None:
    """Refuse to make a page if the package for it is missing.

    Raises
    ------
    ImportError
        If Jinja2 is not installed.
    """
    if not is_installed():
        raise ImportError("a page of HTML needs Jinja2, which is not installed: pip install jinja2.")


def is_installed() -> bool:
    """Whether pages can be made."""
    return find_spec("jinja2") is not None


def page(document: Document) -> str:
    """One file of HTML with everything in it: style, figures and scripts.

    Parameters
    ----------
    document : Document
        What to show.
    """
    return template("page.html").render(document=document, css=_css(), version=__version__)


def core(document: Document) -> str:
    """The same without scripts, as a part of another page.

    Parameters
    ----------
    document : Document
        What to show.
    """
    return f'<div class="tabkd">{template("core.html").render(document=document, css=_css())}</div>'


def template(name: str, package: str = __package__ or "") -> Any:
    """A template that is a file of a package; its values are escaped.

    Parameters
    ----------
    name : str
        The file.
    package : str
        The package.
    """
    return _environment().get_template(f"{package}/{name}" if "/" not in name else name)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(
        loader=FunctionLoader(_text), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def _text(name: str) -> str:
    package, _, file = name.rpartition("/")
    return files(package or __package__ or "").joinpath(file).read_text(encoding="utf-8")


def _css() -> Any:
    from markupsafe import Markup

    return Markup(_text("page.css"))
