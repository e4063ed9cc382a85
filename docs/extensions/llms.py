"""``llms.txt``: all pages in the order of the navigation, in plain Markdown, for programs that read the site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

FIRST = "index"


def below(env: BuildEnvironment, page: str) -> Iterator[str]:
    """The pages below one of the navigation, each followed by those below it."""
    for child in env.toctree_includes.get(page, ()):
        yield child
        yield from below(env, child)


def summary(env: BuildEnvironment, page: str) -> str:
    """The first paragraph of a page, or of what it documents, in one line; nothing where there is none."""
    for paragraph in env.get_doctree(page).findall(nodes.paragraph):
        if isinstance(paragraph.parent, nodes.section | addnodes.desc_content):
            return " ".join(paragraph.astext().split())
    return ""


def contents(env: BuildEnvironment) -> str:
    """The text of the file."""
    lines = [f"# {env.titles[FIRST].astext()}", "", f"> {summary(env, FIRST)}"]
    for section in env.toctree_includes[FIRST]:
        lines += ["", f"## {env.titles[section].astext()}", ""]
        for page in (section, *below(env, section)):
            about = summary(env, page)
            lines.append(f"- [{env.titles[page].astext()}]({page}.html)" + (f": {about}" if about else ""))
    return "\n".join([*lines, ""])


def write(app: Sphinx, failure: Exception | None) -> None:
    """Write the file beside the pages."""
    if failure is None and app.builder.name == "html":
        Path(app.outdir, "llms.txt").write_text(contents(app.env), encoding="utf-8")


def setup(app: Sphinx) -> dict:
    """Write the file when all pages are written."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True}
