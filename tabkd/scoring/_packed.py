"""Large metadata that scoring does not need, such as rules: JSON that is compressed to a tenth of its size."""

from __future__ import annotations

import json
import zlib
from base64 import b85decode, b85encode
from typing import Any

#: The most bytes of JSON that are packed or unpacked.
MOST_BYTES = 256_000


def packed(value: Any) -> str | None:
    """A JSON value as the base 85 of its bytes, compressed by zlib; None if it is too large.

    Examples
    --------
    >>> unpacked(packed({"rows": [[1, 2]]}))
    {'rows': [[1, 2]]}
    """
    content = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    return b85encode(zlib.compress(content, 9)).decode() if len(content) <= MOST_BYTES else None


def unpacked(text: str) -> Any:
    """The value that was packed.

    Raises
    ------
    ValueError
        If `packed` did not make the text, or the value is too large.
    """
    try:
        reader = zlib.decompressobj()
        content = reader.decompress(b85decode(text), MOST_BYTES)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not reader.eof:
        raise ValueError(f"it is cut off, or more than {MOST_BYTES:,} bytes")
    return json.loads(content)
