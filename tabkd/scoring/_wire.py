"""Reading and cutting ONNX files by the wire format of Protocol Buffers, so that scoring needs no `onnx`.

A message is a sequence of fields. Each has a tag (field number times eight, plus the wire type) and its contents: a
varint, 4 or 8 bytes, or a length and that many bytes. The field numbers are those of `onnx.proto`, which never change.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

# Field numbers in onnx.proto.
_MODEL_GRAPH, _MODEL_METADATA = 7, 14
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 5, 11, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_TYPE, _NODE_ATTRIBUTE, _NODE_DOMAIN = 1, 2, 4, 5, 7
#: The field number of the name in a tensor.
TENSOR_NAME = 8
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
# The tensor types of onnx.proto that tables can have.
_TYPES = {1: "FLOAT", 6: "INT32", 7: "INT64", 8: "STRING", 9: "BOOL", 11: "DOUBLE"}

#: The key of the checksum, the last entry of a model that tabkd wrote: the SHA-256 of everything before it.
CHECKSUM = "tabkd_sha256"
# Tag and length of the entry, of its key, and of its value of 64 hexadecimal digits.
_SEAL = bytes([114, 80, 10, len(CHECKSUM)]) + CHECKSUM.encode() + bytes([18, 64])


class Node(NamedTuple):
    """A node of a graph: its bytes, operator, inputs, outputs, and the domain of its operator."""

    content: bytes
    type: str
    inputs: list[str]
    outputs: list[str]
    domain: str = ""


class Tensor(NamedTuple):
    """An input or output of a graph: its type, as in "FLOAT", and its shape, with None for a free dimension."""

    type: str
    shape: list[int | None]


def metadata(content: bytes) -> dict[str, str]:
    """The metadata of a model.

    Raises
    ------
    ValueError
        If the bytes are not a message.
    """
    entries = (dict(fields(value)) for number, value in fields(content) if number == _MODEL_METADATA)
    return {entry[1].decode(): entry.get(2, b"").decode() for entry in entries}


def is_whole(content: bytes) -> bool:
    """Whether the model is undamaged: its checksum is that of its bytes.

    This does not show who wrote it, because anyone can compute a checksum.
    """
    body, seal = content[: -len(_SEAL) - 64], content[-len(_SEAL) - 64 :]
    return seal == _SEAL + hashlib.sha256(body).hexdigest().encode()


def nodes(content: bytes) -> list[Node]:
    """The nodes of the model's graph."""
    return [node(value) for number, value in fields(graph(content)) if number == _GRAPH_NODE]


def inputs(content: bytes) -> dict[str, Tensor]:
    """The inputs of the model, by name."""
    return _tensors(content, _GRAPH_INPUT)


def outputs(content: bytes) -> dict[str, Tensor]:
    """The outputs of the model, by name."""
    return _tensors(content, _GRAPH_OUTPUT)


def _tensors(content: bytes, number: int) -> dict[str, Tensor]:
    found = {}
    for field, value in fields(graph(content)):
        if field == number:
            kind = _inner(_inner(value, 2), 1)
            code = next((v for f, v in fields(kind) if f == 1), 0)
            sizes = [v for f, v in fields(_inner(kind, 2)) if f == 1]
            shape = [next((v for f, v in fields(size) if f == 1), None) for size in sizes]
            found[text(value, 1)] = Tensor(_TYPES.get(code, str(code)), shape)
    return found


def _inner(content: bytes, field: int) -> bytes:
    """The message in a field; an empty one if there is none."""
    return next((value for number, value in fields(content) if number == field), b"")


def attributes(of: Node) -> dict[str, Any]:
    """The attributes of a node: numbers, bytes, and lists of numbers or bytes."""
    out = {}
    for number, value in fields(of.content):
        if number != _NODE_ATTRIBUTE:
            continue
        name = ""
        found: dict[str, Any] = {"floats": [], "ints": [], "strings": []}
        for field, inner in fields(value):
            if field == 1:
                name = inner.decode()
            elif field == 3:
                found["int"] = signed(inner)
            elif field == 7:
                found["floats"] += _numbers(inner, "f", 4)
            elif field == 8:
                found["ints"] += [signed(inner)] if isinstance(inner, int) else [signed(v) for v in varints(inner)]
            elif field == 9:
                found["strings"].append(inner.decode())
        out[name] = found["int"] if "int" in found else next((v for v in found.values() if v), [])
    return out


def cut(content: bytes, inputs: dict[str, tuple[int, int]], output: str) -> bytes:
    """The model, reduced to the nodes from `inputs`, which may be any values inside it, to `output`.

    Parameters
    ----------
    content : bytes
        The model.
    inputs : dict
        Name to (ONNX type, columns), used or not; empty keeps the inputs that are used.
    output : str
        The name of the output.
    """
    whole = graph(content)
    kept, needed = [], {output}
    for one in reversed(nodes(content)):
        if needed.intersection(one.outputs) - set(inputs):
            kept.append(one)
            needed.update(one.inputs)
    out = [_field(_GRAPH_NODE, one.content) for one in reversed(kept)]
    for number, value in fields(whole):
        if (
            (number == _GRAPH_INITIALIZER and text(value, TENSOR_NAME) in needed)
            or (number == _GRAPH_OUTPUT and text(value, 1) == output)
            or (number == _GRAPH_INPUT and not inputs and text(value, 1) in needed)
            or number == 2
        ):
            out.append(_field(number, value))
    out += [_field(_GRAPH_INPUT, _tensor(name, *inputs[name])) for name in inputs]
    model = [_field(number, value) for number, value in fields(content) if number != _MODEL_GRAPH]
    return b"".join([*model, _field(_MODEL_GRAPH, b"".join(out))])


def graph(content: bytes) -> bytes:
    """The graph of a model.

    Raises
    ------
    ValueError
        If the bytes are not a message with a graph.
    """
    for number, value in fields(content):
        if number == _MODEL_GRAPH:
            return value
    raise ValueError("no graph")


def node(content: bytes) -> Node:
    """A node from its bytes."""
    inputs, outputs, kind, domain = [], [], "", ""
    for number, value in fields(content):
        if number == _NODE_INPUT:
            inputs.append(value.decode())
        elif number == _NODE_OUTPUT:
            outputs.append(value.decode())
        elif number == _NODE_TYPE:
            kind = value.decode()
        elif number == _NODE_DOMAIN:
            domain = value.decode()
    return Node(content, kind, inputs, outputs, domain)


def text(content: bytes, field: int) -> str:
    """The text in a field, the last one if there are several; empty if there is none."""
    found = [value for number, value in fields(content) if number == field]
    if found and not isinstance(found[-1], bytes):
        raise ValueError("a number is where a text should be")
    return found[-1].decode() if found else ""


def _tensor(name: str, kind: int, width: int) -> bytes:
    """A ValueInfoProto: a tensor of `kind` with any number of rows and `width` columns."""
    shape = _field(1, _field(2, b"n")) + _field(1, _field(1, width))
    return _field(1, name.encode()) + _field(2, _field(1, _field(1, kind) + _field(2, shape)))


def fields(content: bytes) -> Iterator[tuple[int, Any]]:
    """The number and the contents of each field: an int for varints, bytes for all other types.

    Raises
    ------
    ValueError
        If the bytes are not a message.
    """
    if not isinstance(content, bytes):
        raise ValueError("a number is where a message should be")
    position = 0
    while position < len(content):
        number, value, position = field_at(content, position)
        yield number, value


def field_at(content: bytes, position: int) -> tuple[int, Any, int]:
    """The number and the contents of the field at a position, and the position of the next field."""
    tag, position = _varint(content, position)
    if not 8 <= tag < 1 << 32:  # other readers drop digits of it
        raise ValueError(f"unknown field {tag >> 3}")
    kind = tag & 7
    if kind == _VARINT:
        value, position = _varint(content, position)
        return tag >> 3, value, position
    if kind == _BYTES:
        size, position = _varint(content, position)
    elif kind in (_FOUR, _EIGHT):
        size = 4 if kind == _FOUR else 8
    else:
        raise ValueError(f"unknown wire type {kind}")
    if position + size > len(content):
        raise ValueError("the file ends in the middle of a field")
    return tag >> 3, content[position : position + size], position + size


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


def varints(content: bytes) -> list[int]:
    """The numbers of a packed field."""
    out, position = [], 0
    while position < len(content):
        value, position = _varint(content, position)
        out.append(value)
    return out


def signed(value: int) -> int:
    """The int64 that a varint encodes."""
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
