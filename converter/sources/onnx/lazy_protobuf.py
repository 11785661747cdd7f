"""An .onnx file read without its weights: every large `raw_data` becomes a reference to its place in the file.

protobuf copies each bytes field when it parses and again when it is asked for; and it stops at 2 GB. So the wire format
is walked first, down to the initializers only: `raw_data` of an initializer is replaced by what ONNX itself has for
data kept elsewhere (data_location EXTERNAL, with location, offset and length), the location being the file itself. What
is left to parse are the nodes.

    ModelProto { graph = 7 { initializer = 5 { raw_data = 9, external_data = 13, data_location = 14 } } }
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import onnx

SMALLEST_LEFT_IN_FILE = 1024
"""Smaller weights are parsed: shapes, axes and scalars are read over and over."""

_GRAPH: Final = 7
_INITIALIZER: Final = 5
_RAW_DATA: Final = 9
_NODE: Final = 1
_FUNCTIONS: Final = 25
_FUNCTION_NODE: Final = 7
_ATTRIBUTE: Final = 5
_ATTRIBUTE_GRAPHS: Final = (6, 11)
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Malformed(Exception):
    """The bytes are not the wire format: a length points beyond the end, or a tag does not exist."""


@dataclass(frozen=True)
class Field:
    """One field of a message: its number and wire type, and where it and its value begin and end."""

    number: int
    wire_type: int
    begin: int
    value: int
    end: int


def without_weights(data: memoryview, location: str) -> bytes:
    """The model's bytes with the large initializers referring to `location`, the name of the file they are in.

    Raises:
        Malformed: the file is truncated or no protobuf message.
    """
    pieces: list[bytes] = []
    for field in fields(data, 0, len(data)):
        if field.number == _GRAPH and field.wire_type == _BYTES:
            pieces.append(_message(_GRAPH, _graph_without_weights(data, field, location)))
        else:
            pieces.append(bytes(data[field.begin : field.end]))
    return b"".join(pieces)


def fields(data: memoryview, begin: int, end: int) -> Iterator[Field]:
    """The fields of the message in data[begin:end], in order."""
    position = begin
    while position < end:
        tag, value = _varint(data, position, end)
        wire_type = tag & 7
        if wire_type == _VARINT:
            _, after = _varint(data, value, end)
        elif wire_type == _FIXED64:
            after = value + 8
        elif wire_type == _FIXED32:
            after = value + 4
        elif wire_type == _BYTES:
            length, value = _varint(data, value, end)
            after = value + length
        else:
            raise Malformed(f"wire type {wire_type} at byte {position}")
        if tag >> 3 == 0:
            raise Malformed(f"field number 0 at byte {position}")
        if after > end:
            raise Malformed(f"{after - end:,} bytes are missing at the end")
        yield Field(tag >> 3, wire_type, position, value, after)
        position = after


def nesting(data: memoryview) -> int:
    """How deep graphs lie within graphs, as attributes of nodes: 1 for a model without sub-graphs."""
    deepest = 0
    waiting: list[tuple[int, int, int, int]] = []  # begin and end, the field number of its nodes, depth
    for field in fields(data, 0, len(data)):
        if field.wire_type == _BYTES and field.number in (_GRAPH, _FUNCTIONS):
            waiting.append((field.value, field.end, _NODE if field.number == _GRAPH else _FUNCTION_NODE, 1))
    while waiting:
        begin, end, node_field, depth = waiting.pop()
        deepest = max(deepest, depth)
        for node in _messages(data, begin, end, node_field):
            for attribute in _messages(data, node.value, node.end, _ATTRIBUTE):
                for graph in _messages(data, attribute.value, attribute.end, *_ATTRIBUTE_GRAPHS):
                    waiting.append((graph.value, graph.end, _NODE, depth + 1))
    return deepest


def _graph_without_weights(data: memoryview, graph: Field, location: str) -> bytes:
    pieces: list[bytes] = []
    kept = graph.value  # what lies between two weights is copied in one piece
    for field in _messages(data, graph.value, graph.end, _INITIALIZER):
        if field.end - field.value < SMALLEST_LEFT_IN_FILE:
            continue
        raw = list(_messages(data, field.value, field.end, _RAW_DATA))
        if len(raw) != 1 or raw[0].end - raw[0].value < SMALLEST_LEFT_IN_FILE:
            continue
        place = {"location": location, "offset": raw[0].value, "length": raw[0].end - raw[0].value}
        reference = onnx.TensorProto(data_location=onnx.TensorProto.EXTERNAL)
        for key, value in place.items():
            reference.external_data.add(key=key, value=str(value))
        tensor = b"".join(
            (data[field.value : raw[0].begin], data[raw[0].end : field.end], reference.SerializeToString())
        )
        pieces += [bytes(data[kept : field.begin]), _message(_INITIALIZER, tensor)]
        kept = field.end
    pieces.append(bytes(data[kept : graph.end]))
    return b"".join(pieces)


def _messages(data: memoryview, begin: int, end: int, *numbers: int) -> Iterator[Field]:
    return (field for field in fields(data, begin, end) if field.wire_type == _BYTES and field.number in numbers)


def _message(number: int, content: bytes) -> bytes:
    """A length-delimited field."""
    return _encoded(number << 3 | _BYTES) + _encoded(len(content)) + content


def _encoded(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])


def _varint(data: memoryview, position: int, end: int) -> tuple[int, int]:
    """Seven bits a byte, the lowest first; returns the value and the position after it."""
    value = shift = 0
    while position < end:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
        if shift > 63:
            raise Malformed(f"a number of more than ten bytes at byte {position}")
    raise Malformed("the file ends within a number")
