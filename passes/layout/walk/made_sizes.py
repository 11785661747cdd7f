"""A size that no tensor of the model has: a tensor of that size is made of those that there are.

Keras cannot compute with sizes, but it can join, cut and repeat: from 0 … s-1 follow tensors that are k·s, s + c,
s - c, ⌊s / k⌋ long, and those of sums and products of several. What they hold does not matter, only their length.

    h/2 + 1      of [h]:  Slice to every second one, then Concat with one more
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from passes.dims.bounds import minimum
from passes.dims.parse import parse
from passes.dims.polynomial import Atom, Dim, Expr, Monomial, floor_divide, is_symbol, only_atom
from passes.dims.product import Product, dims_of, parse_product
from passes.layout.walk.computed_sizes import expand_to
from passes.layout.walk.writer import Writer

LAST = int(np.iinfo(np.int64).max)


def anchor_for(writer: Writer, size: Product) -> tuple[ir.Value, int] | None:
    """A live tensor that has this open size, and its axis: one that there is, or one that is made.

    None where the size follows from nothing.
    """
    found = plain_anchor_for(writer, size)
    if found is not None or size.is_static:
        return found
    made = expand_to(writer, writer.constant(np.zeros(1, np.int64)), [size])
    return None if made is None else _kept(writer, size, made)


def plain_anchor_for(writer: Writer, size: Product) -> tuple[ir.Value, int] | None:
    """The same, of what plain Keras has."""
    found = writer.anchored(size)
    if found is not None or size.is_static:
        return found
    wanted = parse(str(size.as_shape()))
    if (whole := unclamped(wanted)) != wanted and (found := writer.anchored(parse_product(str(whole)))) is not None:
        return found
    made = _made(writer, wanted)
    return None if made is None else _kept(writer, size, made)


def _kept(writer: Writer, size: Product, made: ir.Value) -> tuple[ir.Value, int]:
    writer.anchors[str(size.as_shape())] = (made, 0)
    return made, 0


def unclamped(size: Dim) -> Dim:
    """`t - 2` for `Max(0, t - 2)`: a cut leaves no less than nothing, and where a tensor is t - 2 long t is enough."""
    atom = only_atom(size)
    if atom is None or atom.function != "Max" or 0 not in atom.arguments:
        return size
    first, second = atom.arguments
    return second if first == 0 else first


def _made(writer: Writer, size: Dim) -> ir.Value | None:
    """A tensor [size] (int64)."""
    if isinstance(size, int):
        return writer.constant(np.zeros(max(size, 0), np.int64))
    found = writer.anchored(parse_product(size.text))
    if found is not None:
        like, axis = found
        attributes = {"axis": axis, "to": ir.DataType.INT64.value}
        return writer.emit(
            "Positions", [like], [parse_product(size.text)], attributes, domain="keraport", like=_int64()
        )
    if is_symbol(size):
        return None
    size = _without_differences(size)
    if isinstance(size, int):
        return writer.constant(np.zeros(max(size, 0), np.int64))
    parts = [_monomial(writer, monomial, factor) for monomial, factor in size.terms.items() if factor > 0 and monomial]
    less = sum(-factor for monomial, factor in size.terms.items() if not monomial and factor < 0)
    more = sum(factor for monomial, factor in size.terms.items() if not monomial and factor > 0)
    open_differences = any(factor < 0 and monomial for monomial, factor in size.terms.items())
    whole = [part for part in parts if part is not None]
    if open_differences or len(whole) < len(parts) or not whole:
        return None
    joined = [*whole, *([writer.constant(np.zeros(more, np.int64))] if more else [])]
    result = joined[0]
    if len(joined) > 1:
        result = writer.emit("Concat", joined, [_length(size + less)], {"axis": 0}, like=_int64())
    return _slice(writer, result, 0, -less, 1, size) if less else result


def _without_differences(size: Expr) -> Dim:
    """4·h - 4·⌊3h / 4⌋ as 4·⌊(h + 3) / 4⌋, since -⌊p / d⌋ = ⌈-p / d⌉; and a + b - Max(a, b) as Min(a, b)."""
    result: Dim = 0
    for monomial, factor in size.terms.items():
        term: Dim = factor
        if factor < 0 and len(monomial) == 1 and monomial[0].function == "floor":
            p, d = monomial[0].arguments
            if isinstance(d, int):
                result = result + -factor * floor_divide(d - 1 - p, d)
                continue
        if factor < 0 and len(monomial) == 1 and monomial[0].function == "Max":
            a, b = monomial[0].arguments
            result = result + -factor * (minimum(a, b) - a - b)
            continue
        for atom in monomial:
            term = term * Expr({(atom,): 1})
        result = result + term
    return result


def _monomial(writer: Writer, monomial: Monomial, factor: int) -> ir.Value | None:
    """factor · atom · atom · …: each further one repeats what there is."""
    result: ir.Value | None = None
    size: Dim = 1
    for atom in monomial:
        one = _atom(writer, atom)
        if one is None:
            return None
        atom_size = Expr({(atom,): 1})
        result = one if result is None else _outer(writer, result, one, size * atom_size)
        size = size * atom_size
    if result is None or factor == 1:
        return result
    return _outer(writer, result, writer.constant(np.zeros(factor, np.int64)), size * factor)


def _atom(writer: Writer, atom: Atom) -> ir.Value | None:
    size = Expr({(atom,): 1})
    if not atom.function:
        return _made(writer, size)
    a, b = atom.arguments
    if atom.function == "floor" and isinstance(b, int):
        whole = _made(writer, a)
        return None if whole is None else _slice(writer, whole, b - 1, LAST, b, size)
    if atom.function == "Max" and 0 in (a, b):  # a cut never leaves less than nothing
        return _made(writer, b if a == 0 else a)
    if atom.function == "Max" and (isinstance(a, int) or isinstance(b, int)):
        least, other = (a, b) if isinstance(a, int) else (int(str(b)), a)
        surplus = _made(writer, other - least)  # as much as there is above the least
        if surplus is None:
            return None
        return writer.emit(
            "Concat", [writer.constant(np.zeros(least, np.int64)), surplus], [_length(size)], {"axis": 0}, like=_int64()
        )
    if atom.function == "Min" and (isinstance(a, int) or isinstance(b, int)):
        most, other = (a, b) if isinstance(a, int) else (int(str(b)), a)
        whole = _made(writer, other)
        return None if whole is None else _slice(writer, whole, 0, most, 1, size)
    return None


def _outer(writer: Writer, a: ir.Value, b: ir.Value, size: Dim) -> ir.Value:
    """[m] and [n] → [m·n]."""
    dims = [*dims_of(a), *dims_of(b)]
    column = writer.emit("Unsqueeze", [a, writer.constant([1])], [dims[0], Product(1)], like=_int64())
    table = writer.emit("Add", [column, b], dims, like=_int64())
    return writer.emit("Reshape", [table, writer.constant([-1])], [_length(size)], {"allowzero": 0}, like=_int64())


def _slice(writer: Writer, x: ir.Value, start: int, end: int, step: int, size: Dim) -> ir.Value:
    inputs = [x, *(writer.constant([number]) for number in (start, end, 0, step))]
    return writer.emit("Slice", inputs, [_length(size)], like=_int64())


def _length(size: Dim) -> Product:
    return parse_product(size.text if isinstance(size, Expr) else str(size))


def _int64() -> ir.Value:
    return ir.Value(name="size", type=ir.TensorType(ir.DataType.INT64))
