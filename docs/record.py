"""Run an example that the site cannot run, and put what it prints and draws into its page: `record.py EXAMPLE…`.

In the example, a text cell with ``.. code-block:: none`` holds what the code above it printed, and ``.. image::`` in
the last cell names the picture, below the folder of the documents, that its last figure is saved as. `.ci/autogluon
--record` runs this in an environment that has AutoGluon.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

DOCS = Path(__file__).parent
#: Numbers that are not further apart are taken for the same: versions of libraries and processors differ.
TOLERANCE = 0.2

_OUTPUT = re.compile(r"(?<=^# \.\. code-block:: none\n#\n)(?:#     .*\n)+", re.MULTILINE)
_PICTURE = re.compile(r"^# \.\. image:: /(\S+)$", re.MULTILINE)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def recorded(example: Path) -> list[str]:
    """What the page of an example says that its code prints, cell by cell."""
    return [_printed(lines) for lines in _OUTPUT.findall(example.read_text(encoding="utf-8"))]


def printed(example: Path) -> Iterator[str]:
    """What the code above each recorded output prints now, from top to bottom; the figures stay open."""
    text = example.read_text(encoding="utf-8")
    namespace = {"__name__": "__main__"}
    ends = [output.start() for output in _OUTPUT.finditer(text)]
    for start, end in zip([0, *ends], [*ends, len(text)], strict=True):
        lines_above = "\n" * text.count("\n", 0, start)  # errors name the line of the file
        with redirect_stdout(StringIO()) as output:
            exec(compile(lines_above + text[start:end], str(example), "exec"), namespace)
        if bool(output.getvalue()) != (end < len(text)):
            line = text.count("\n", 0, end)
            raise ValueError(
                f"{example}: the code above line {line} prints {output.getvalue()!r}. A text cell with "
                "`.. code-block:: none` has to stand below all code that prints, and below no other."
            )
        if end < len(text):
            yield output.getvalue()


def with_outputs(text: str, outputs: list[str]) -> str:
    """The text of an example with other outputs in the places of the recorded ones."""
    remaining = iter(outputs)
    return _OUTPUT.sub(lambda _: "".join(f"#     {line}\n" for line in next(remaining).rstrip().splitlines()), text)


def alike(one: str, other: str) -> bool:
    """Whether two outputs have the same words, and numbers that are near to each other."""
    if _NUMBER.sub("", one).split() != _NUMBER.sub("", other).split():
        return False
    pairs = zip(_NUMBER.findall(one), _NUMBER.findall(other), strict=True)
    return all(math.isclose(float(a), float(b), rel_tol=TOLERANCE) for a, b in pairs)


def picture(example: Path) -> Path:
    """Where the picture of an example is."""
    [name] = _PICTURE.findall(example.read_text(encoding="utf-8"))
    return DOCS / name


def main(examples: list[str]) -> None:
    """Run each example, and write its outputs and its picture."""
    import matplotlib.pyplot as plt

    for example in map(Path, examples):
        outputs = list(printed(example))
        example.write_text(with_outputs(example.read_text(encoding="utf-8"), outputs), encoding="utf-8")
        plt.savefig(picture(example))
        plt.close("all")


def _printed(lines: str) -> str:
    return "".join(line.removeprefix("#     ") for line in lines.splitlines(keepends=True))


if __name__ == "__main__":
    main(sys.argv[1:])
