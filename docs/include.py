"""Put the files that the benchmarks wrote into the documents that show them; `--check` only tells whether they are.

A document holds ``<!-- include: FILE -->`` and ``<!-- end -->`` on lines of their own, FILE relative to the document;
what stands between them is FILE.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

_BLOCK = re.compile(r"(<!-- include: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def included(document: Path) -> str:
    """The text of a document with every block filled."""

    def fill(block: re.Match) -> str:
        return f"{block[1]}\n{(document.parent / block[2]).read_text(encoding='utf-8').strip()}\n\n{block[3]}"

    return _BLOCK.sub(fill, document.read_text(encoding="utf-8"))


def main(arguments: list[str]) -> int:
    """Fill every document, or say which are stale."""
    check = "--check" in arguments
    stale = []
    for document in map(Path, (a for a in arguments if a != "--check")):
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
