"""What has been measured: one JSON line for each run, so that an interrupted benchmark goes on where it stopped."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path


class Runs:
    """The runs of one benchmark, in `<folder>/<name>.jsonl`.

    Parameters
    ----------
    folder : Path or None
        None keeps them in memory only.
    name : str
    """

    def __init__(self, folder: Path | None, name: str):
        self.path = folder / f"{name}.jsonl" if folder else None
        self.records: list[dict] = []
        if self.path is not None and self.path.exists():
            whole, _, torn = self.path.read_text(encoding="utf-8").rpartition("\n")
            self.records = [json.loads(line) for line in whole.splitlines()]
            if torn:  # the process was killed while it wrote; that run is done again
                self._rewrite()

    def find(self, **key) -> list[dict]:
        """The records that have these values."""
        return [record for record in self.records if all(record.get(k) == v for k, v in key.items())]

    def once(self, key: dict, measure: Callable[[], dict]) -> dict:
        """The record of `key`: the one there is, or the result of `measure`, which is then kept."""
        if found := self.find(**key):
            return found[0]
        return self.add({**key, **measure()})

    def add(self, record: dict) -> dict:
        """Keep a record."""
        record = {k: _plain(v) for k, v in record.items()}
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        self.records.append(record)
        return record

    def write_table(self, lines: list[str], suffix: str = "") -> str:
        """Write a Markdown table beside the records, as `<name><suffix>.md`; return it."""
        text = "\n".join(lines) + "\n"
        if self.path is not None:
            self.path.with_name(f"{self.path.stem}{suffix}.md").write_text(text, encoding="utf-8")
        return text

    def _rewrite(self) -> None:
        assert self.path is not None
        self.path.write_text("".join(json.dumps(r) + "\n" for r in self.records), encoding="utf-8")


def markdown(header: list[str], rows: list[list[str]]) -> list[str]:
    """The lines of a Markdown table."""
    return ["| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *rows)]


def _plain(value):
    """What JSON can hold; None for what is not a finite number."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
