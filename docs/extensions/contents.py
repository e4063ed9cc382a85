"""What Markdown cannot say where no Sphinx reads it: the order of the pages, and pages that stand elsewhere.

Below ``<!-- contents -->`` stands a list of links, which becomes a branch of the site's navigation, under the heading
above it; after ``<!-- contents: * -->`` with every further page of the folder. ``- Examples<!-- gallery/index -->`` is
an entry whose page only the site has, where it becomes a link.
``<!-- page: ../FILE -->`` makes a page of a file in the root of the repository.
"""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

_CONTENTS = re.compile(r"<!-- contents(?P<further>: \*)? -->\n(?P<list>.*?)(?=\n#|\Z)", re.DOTALL)
_ENTRY = re.compile(r"^- \[.*?\]\((\S+?)\.(?:md|rst)\)", re.MULTILINE)
_ON_THE_SITE = re.compile(r"^- (.*?)<!-- (\S+) -->", re.MULTILINE)
_HEADING = re.compile(r"^## (.*)$", re.MULTILINE)
_PAGE = re.compile(r"<!-- page: (\S+) -->")
_ROOT_LINK = re.compile(r"\]\((?:docs/(?P<inside>[^)]*)|(?P<beside>[A-Z]+\.md))\)")


def navigation(text: str, beside: list[str]) -> str:
    """The toctrees of a page with lists of contents, each with the heading above it; nothing for other pages."""
    trees = []
    for found in _CONTENTS.finditer(text):
        pages = _ENTRY.findall(found["list"])
        if found["further"]:
            pages += [page for page in beside if page not in pages]
        headings = _HEADING.findall(text, 0, found.start())
        caption = [f":caption: {headings[-1]}"] if headings else []
        trees.append("\n".join(["```{toctree}", ":hidden:", *caption, "", *pages, "```"]))
    return "".join(f"\n\n{tree}\n" for tree in trees)


def from_the_root(text: str) -> str:
    """A page of the root of the repository, with its links as they are in the folder of the documents."""
    return _ROOT_LINK.sub(lambda link: f"]({link['inside'] or link['beside'].lower()})", text)


def read(app: Sphinx, docname: str, content: list[str]) -> None:
    """Put into a page's source what its comments ask for."""
    page = Path(app.env.doc2path(docname))
    if page.suffix != ".md":
        return
    elsewhere = _PAGE.search(content[0])
    if elsewhere is not None:
        file = page.parent / elsewhere[1]
        app.env.note_dependency(file)
        content[0] = from_the_root(file.read_text(encoding="utf-8"))
    beside = sorted(other.stem for other in page.parent.glob("*.md") if other != page)
    content[0] = _ON_THE_SITE.sub(r"- [\1](\2.rst)", content[0])
    content[0] += navigation(content[0], beside)


def setup(app: Sphinx) -> dict:
    """Read every page through `read`."""
    app.connect("source-read", read)
    return {"parallel_read_safe": True}
