"""Reading and cutting ONNX files by the wire format of Protocol Buffers, so that scoring needs no `onnx`.

A message is a row of fields, each a tag (field number times eight, plus how it is written), then its
contents: a varint, 4 or 8 bytes, or a length and as many bytes. The field numbers are those of
`onnx.proto`, which never change.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

# Field numbers in onnx.proto.
_MODEL_GRAPH, _MODEL_METADATA = 7, 14
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 5, 11, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_TYPE, _NODE_ATTRIBUTE = 1, 2, 4, 5
_TENSOR_NAME = 8
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5


#: The key of the SHA-256 of everything before its own entry, the last of a model that tabkd wrote.
CHECKSUM = "tabkd_sha256"
# Tag and length of the entry, of its key, and of its value of 64 hexadecimal digits.
_SEAL = bytes([114, 80, 10, len(CHECKSUM)]) + CHECKSUM.encode() + bytes([18, 64])


class Node(NamedTuple):
    """A node of a graph: its bytes, operator, inputs, outputs."""

    content: bytes
    type: str
    inputs: list[str]
    outputs: list[str]


def metadata(content: bytes) -> dict[str, str]:
    """The metadata of a model.

    Raises
    ------
    ValueError
        Where the bytes are not a message.
    """
    entries = (dict(_fields(value)) for number, value in _fields(content) if number == _MODEL_METADATA)
    return {entry[1].decode(): entry.get(2, b"").decode() for entry in entries}


def is_whole(content: bytes) -> bool:
    """Whether the model is byte for byte what tabkd wrote."""
    body, seal = content[: -len(_SEAL) - 64], content[-len(_SEAL) - 64 :]
    return seal == _SEAL + hashlib.sha256(body).hexdigest().encode()


def nodes(content: bytes) -> list[Node]:
    """The nodes of the model's graph."""
    return [_node(value) for number, value in _fields(_graph(content)) if number == _GRAPH_NODE]


def attributes(node: Node) -> dict[str, Any]:
    """The attributes of a node: numbers, bytes, and lists of them."""
    out = {}
    for number, value in _fields(node.content):
        if number != _NODE_ATTRIBUTE:
            continue
        name = ""
        found: dict[str, Any] = {"floats": [], "ints": [], "strings": []}
        for field, inner in _fields(value):
            if field == 1:
                name = inner.decode()
            elif field == 3:
                found["int"] = _signed(inner)
            elif field == 7:
                found["floats"] += _numbers(inner, "f", 4)
            elif field == 8:
                found["ints"] += [_signed(inner)] if isinstance(inner, int) else [_signed(v) for v in _varints(inner)]
            elif field == 9:
                found["strings"].append(inner.decode())
        out[name] = found["int"] if "int" in found else next((v for v in found.values() if v), [])
    return out


def cut(content: bytes, inputs: dict[str, tuple[int, int]], output: str) -> bytes:
    """The model with only what leads from `inputs`, any values inside it, to `output`.

    Parameters
    ----------
    content : bytes
    inputs : dict
        Name to (ONNX type, columns); empty keeps the inputs that are used.
    output : str
    """
    graph = _graph(content)
    kept, needed = [], {output}
    for node in reversed(nodes(content)):
        if needed.intersection(node.outputs) - set(inputs):
            kept.append(node)
            needed.update(node.inputs)
    out = [_field(_GRAPH_NODE, node.content) for node in reversed(kept)]
    for number, value in _fields(graph):
        if (
            (number == _GRAPH_INITIALIZER and _text(value, _TENSOR_NAME) in needed)
            or (number == _GRAPH_OUTPUT and _text(value, 1) == output)
            or (number == _GRAPH_INPUT and not inputs and _text(value, 1) in needed)
            or number == 2
        ):
            out.append(_field(number, value))
    out += [_field(_GRAPH_INPUT, _tensor(name, *inputs[name])) for name in inputs if name in needed]
    model = [_field(number, value) for number, value in _fields(content) if number != _MODEL_GRAPH]
    return b"".join([*model, _field(_MODEL_GRAPH, b"".join(out))])


def _graph(content: bytes) -> bytes:
    for number, value in _fields(content):
        if number == _MODEL_GRAPH:
            return value
    raise ValueError("no graph")


def _node(content: bytes) -> Node:
    inputs, outputs, kind = [], [], ""
    for number, value in _fields(content):
        if number == _NODE_INPUT:
            inputs.append(value.decode())
        elif number == _NODE_OUTPUT:
            outputs.append(value.decode())
        elif number == _NODE_TYPE:
            kind = value.decode()
    return Node(content, kind, inputs, outputs)


def _text(content: bytes, field: int) -> str:
    return next((value.decode() for number, value in _fields(content) if number == field), "")


def _tensor(name: str, kind: int, width: int) -> bytes:
    """A ValueInfoProto: a tensor of `kind`, any number of rows, `width` columns."""
    shape = _field(1, _field(2, b"n")) + _field(1, _field(1, width))
    return _field(1, name.encode()) + _field(2, _field(1, _field(1, kind) + _field(2, shape)))


def _fields(content: bytes) -> Iterator[tuple[int, Any]]:
    """The number and the contents of each field: an int for varints, bytes for all else."""
    position, end = 0, len(content)
    while position < end:
        tag, position = _varint(content, position)
        kind = tag & 7
        if kind == _VARINT:
            value, position = _varint(content, position)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            size, position = _varint(content, position)
        elif kind in (_FOUR, _EIGHT):
            size = 4 if kind == _FOUR else 8
        else:
            raise ValueError(f"unknown wire type {kind}")
        if position + size > end:
            raise ValueError("the file ends in the middle of a field")
        yield tag >> 3, content[position : position + size]
        position += size


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(content) or shift > 63:
            raise ValueError("the file ends in the middle of a number")
        byte = content[position]
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            return value, position


def _varints(content: bytes) -> list[int]:
    out, position = [], 0
    while position < len(content):
        value, position = _varint(content, position)
        out.append(value)
    return out


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _numbers(content: bytes, kind: str, size: int) -> list[float]:
    return list(struct.unpack(f"<{len(content) // size}{kind}", content))


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _as_varint(number << 3) + _as_varint(value)
    return _as_varint(number << 3 | _BYTES) + _as_varint(len(value)) + value


def _as_varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
