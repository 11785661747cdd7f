"""Sizes that only arithmetic can say: written as data beside the tensors whose sizes they are made of.

    [h·w, 2·⌊h / 2⌋] of x: [1, h, w]  →  '["multiply", ["size", 0, 1], ["size", 0, 2]]',
                                         '["multiply", 2, ["floor_divide", ["size", 0, 1], 2]]'

The last resort: a reshape takes one -1, and tensors of a size that no tensor has are joined, cut and repeated where
that says it. The backend has a layer of its own for these.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import onnx_ir as ir

from passes.dims.parse import parse
from passes.dims.polynomial import Atom, Dim
from passes.dims.product import Product, parse_product
from passes.layout.walk.writer import Writer

FUNCTIONS = {"floor": "floor_divide", "Max": "maximum", "Min": "minimum"}


class NotCounted(Exception):
    """A size follows from no tensor."""


Counted = Callable[[str], Any]
"""A size → ["size", input, axis] of a tensor that has it; None where there is none."""


def reshape_to(writer: Writer, x: ir.Value, target: Sequence[Product]) -> ir.Value | None:
    """x with these sizes; None where one follows from no tensor."""
    return _emit(writer, "ReshapeTo", x, target)


def expand_to(writer: Writer, x: ir.Value, target: Sequence[Product]) -> ir.Value | None:
    """x repeated to these sizes along its axes of size 1; None where one follows from no tensor."""
    return _emit(writer, "ExpandTo", x, target)


def _emit(writer: Writer, op_type: str, x: ir.Value, target: Sequence[Product]) -> ir.Value | None:
    inputs = [x]
    try:
        sizes = [as_data(parse(str(size.as_shape())), partial(_counted, writer, inputs)) for size in target]
    except NotCounted:
        return None
    attributes = {"sizes": [json.dumps(size) for size in sizes]}
    return writer.emit(op_type, inputs, target, attributes, domain="keraport", like=x)


def as_data(size: Dim, counted: Counted) -> Any:
    """A size as data.

    Raises:
        NotCounted: it is made of one that nothing has.
    """
    if isinstance(size, int):
        return size
    found = counted(size.text)
    if found is not None:
        return found
    terms = []
    for monomial, factor in size.terms.items():
        parts = [_atom(atom, counted) for atom in monomial]
        terms.append(_joined("multiply", [*([factor] if factor != 1 or not parts else []), *parts]))
    return _joined("add", terms)


def _atom(atom: Atom, counted: Counted) -> Any:
    found = counted(atom.text)
    if found is not None:
        return found
    if not atom.function:
        raise NotCounted(atom.text)
    first, second = (as_data(argument, counted) for argument in atom.arguments)
    return [FUNCTIONS[atom.function], first, second]


def _counted(writer: Writer, inputs: list[ir.Value], text: str) -> Any:
    """["size", input, axis] of a live tensor, which is added to the inputs."""
    anchor = writer.anchored(parse_product(text))
    if anchor is None:
        return None
    value, axis = anchor
    if value not in inputs:
        inputs.append(value)
    return ["size", inputs.index(value), axis]


def _joined(operation: str, parts: Sequence[Any]) -> Any:
    result = parts[0]
    for part in parts[1:]:
        result = [operation, result, part]
    return result
