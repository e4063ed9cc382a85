"""Fail where a relative link in a Markdown file leads nowhere: `python docs/check_links.py FILE_OR_FOLDER…`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

_LINK = re.compile(r"\]\(([^)#\s]+)(#[^)]*)?\)")


def broken_links(page: Path) -> list[str]:
    """The relative links of a page that lead to no file."""
    targets = [match[0] for match in _LINK.findall(page.read_text(encoding="utf-8"))]
    return [t for t in targets if "://" not in t and not (page.parent / t).exists()]


def main(arguments: list[str]) -> int:
    """Check every page and say what is broken."""
    pages = [p for a in map(Path, arguments) for p in (sorted(a.rglob("*.md")) if a.is_dir() else [a])]
    broken = [f"{page}: {link}" for page in pages for link in broken_links(page)]
    print("\n".join(broken) if broken else f"{len(pages)} pages, every link leads somewhere")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
