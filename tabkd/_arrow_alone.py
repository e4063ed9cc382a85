"""Arrow without pandas: to make its first array, Arrow imports pandas if it is installed, which takes half a second."""

from __future__ import annotations

import sys
from typing import Any


class _Hidden:
    """A finder of modules for which a package is not installed."""

    def __init__(self, package: str):
        self._package = package

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Stop the search for the package; leave all others to the finders after this one."""
        if name == self._package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def use_arrow_alone() -> None:
    """Let Arrow look for pandas now, once for the process, and not find it.

    For commands, which have no pandas frames to give to Arrow. If pandas is already imported, nothing changes.
    """
    if "pandas" in sys.modules:
        return
    import pyarrow as pa

    hidden = _Hidden("pandas")
    sys.meta_path.insert(0, hidden)
    try:
        pa.scalar(0)
    finally:
        sys.meta_path.remove(hidden)
