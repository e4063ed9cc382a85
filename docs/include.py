"""Fill the parts of documents that come from elsewhere; `--check` only says whether they are up to date.

Without names of documents, README and everything in `docs/` is filled.

Between ``<!-- include: FILE -->`` and ``<!-- end -->``, on lines of their own, stands FILE, which is relative to the
document: what a benchmark wrote. Between ``<!-- registry: MODULE.NAME -->`` and ``<!-- end -->`` stands a table of the
names in that registry, with the first sentence of the docstring of each.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(r"(<!-- (include|registry): (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def included(document: Path) -> str:
    """The text of a document with every block filled."""

    def fill(block: re.Match) -> str:
        start, kind, what, end = block.groups()
        text = registered(what) if kind == "registry" else (document.parent / what).read_text(encoding="utf-8")
        return f"{start}\n{text.strip()}\n\n{end}"

    return _BLOCK.sub(fill, document.read_text(encoding="utf-8"))


def registered(path: str) -> str:
    """A table of what a registry, a dict of names to documented objects, holds."""
    module, name = path.rsplit(".", 1)
    entries = getattr(importlib.import_module(module), name)
    rows = [
        f"| `{key!r}` | `{value.__name__}` | {_summary(value)} |".replace("'", '"') for key, value in entries.items()
    ]
    return "\n".join(["| name | class | what it is |", "| --- | --- | --- |", *rows])


def _summary(documented) -> str:
    """The first sentence of a docstring."""
    paragraph = (inspect.getdoc(documented) or "").split("\n\n")[0].replace("\n", " ")
    return re.split(r"(?<=\.)\s", paragraph, maxsplit=1)[0].rstrip(".")


def main(arguments: list[str]) -> int:
    """Fill every document, or say which are stale."""
    check = "--check" in arguments
    named = [Path(a) for a in arguments if a != "--check"]
    stale = []
    for document in named or [_ROOT / "README.md", *sorted((_ROOT / "docs").rglob("*.md"))]:
        text = included(document)
        if text != document.read_text(encoding="utf-8"):
            stale.append(str(document))
            if not check:
                document.write_text(text, encoding="utf-8")
    if check and stale:
        print(f"{', '.join(stale)}: not what the included files say; run `python docs/include.py {' '.join(stale)}`.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
