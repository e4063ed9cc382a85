"""JSON that is safe inside a script element."""

from __future__ import annotations

import json
from typing import Any


def in_script(value: Any) -> str:
    r"""A value as JSON in ASCII, in which no text can end or change the script that holds it.

    Examples
    --------
    >>> in_script(["</script>"])
    '["\\u003c/script\\u003e"]'
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
