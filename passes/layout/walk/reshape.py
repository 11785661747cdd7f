"""Reshapes to sizes of which some are open: Keras takes one -1, and keeps the first axis."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import onnx_ir as ir

from passes.dims.product import Product, dims_of, multiply, reshape_target
from passes.errors import Unsupported, describe
from passes.layout.walk.computed_sizes import reshape_to
from passes.layout.walk.places import places
from passes.layout.walk.writer import Writer


def reshaped_value(writer: Writer, value: ir.Value, target: Sequence[Product]) -> ir.Value:
    """The value with these sizes, told to Reshape as 0 (kept) and -1 (the rest), or in the next best way.

    Raises:
        Unsupported: more than one open size follows from nothing.
    """
    value = _before_reshapes(value)
    source = dims_of(value)
    if tuple(source) == tuple(target):
        return value
    long = [d for d in source if not d.is_one]
    if long == [d for d in target if not d.is_one] and sum(not d.is_static for d in long) > 1:
        return _units(writer, value, target)
    sizes = told_sizes(source, target)
    if sizes is not None:
        return writer.emit("Reshape", [value, writer.constant(sizes)], target, {"allowzero": 0}, like=value)
    for way in (_regrouped, _around, _gathered, reshape_to):
        reshaped = way(writer, value, target)
        if reshaped is not None:
            return reshaped
    raise Unsupported(
        f"A reshape from {_show(source)} to {_show(target)} leaves more than one size open.",
        node=describe(writer.node),
        hint="Give a fixed size for height and width with --input, and keep only the batch dynamic.",
    )


def told_sizes(source: Sequence[Product], target: Sequence[Product]) -> list[int] | None:
    """The sizes as Keras' Reshape takes them, which leaves one open beside the first; None where that is not enough."""
    sizes = reshape_target(source, target)
    return sizes if sum(not d.is_static for d in target[1:]) <= 1 else None


def _regrouped(writer: Writer, value: ir.Value, target: Sequence[Product]) -> ir.Value | None:
    """[b, h, w, 64] to [b, h, w, 4, 16]: known sizes among open ones that all stay; None where an open one changes."""
    source = dims_of(value)
    before, old, new = _changed(source, target)
    if not all(d.is_static for d in (*old, *new)) or not multiply(old).equals(multiply(new)):
        return None
    attributes = {"axis": before, "count": len(old), "sizes": [d.coefficient for d in new]}
    return writer.emit("Regroup", [value], target, attributes, domain="keraport", like=value)


def _changed(source: Sequence[Product], target: Sequence[Product]) -> tuple[int, Sequence[Product], Sequence[Product]]:
    """How many axes stay in front, and what becomes what between these and those that stay at the end."""
    most = min(len(source), len(target))
    before = next((i for i in range(most) if not source[i].equals(target[i])), most)
    behind = next((i for i in range(most - before) if not source[-1 - i].equals(target[-1 - i])), most - before)
    return before, source[before : len(source) - behind], target[before : len(target) - behind]


def _gathered(writer: Writer, value: ir.Value, target: Sequence[Product]) -> ir.Value | None:
    """[b, h·w, c] to [b, h, w, c]: row by row, to places that tensors tell which are h and w long.

    [b, h, 7, w, c] to [b, 7·h, w, c], too: an axis that stays goes with those that change, since w is open as well.
    None where no tensor is, or a row would be a single number.
    """
    source = dims_of(value)
    before, old, new = _changed(source, target)
    start, end = (before, before + len(old)) if len(old) == 1 else _widened(source, before, before + len(old))
    new = [*source[start:before], *new, *source[before + len(old) : end]]
    if len(new) < 2 or multiply(source[end:]).is_one:
        return None
    merged = _merged(source, start, end)
    sizes = None if end == start + 1 else told_sizes(source, merged)
    if sizes is None and end != start + 1:
        return None
    where = places(writer, new)
    if where is None:
        return None
    if sizes is not None:
        value = writer.emit("Reshape", [value, writer.constant(sizes)], merged, {"allowzero": 0}, like=value)
    return writer.emit("Gather", [value, where], target, {"axis": start}, like=value)


def _widened(sizes: Sequence[Product], start: int, end: int) -> tuple[int, int]:
    """The axes from start up to end, and as many beside them as a Reshape could not tell of; rows stay behind."""
    while told_sizes(sizes, _merged(sizes, start, end)) is None:
        if any(not size.is_static for size in sizes[end:-1]):
            end += 1
        elif any(not size.is_static for size in sizes[1:start]):
            start -= 1
        else:
            break
    return start, end


def _merged(sizes: Sequence[Product], start: int, end: int) -> list[Product]:
    """With these axes as one."""
    return [*sizes[:start], multiply(sizes[start:end]), *sizes[end:]]


def _around(writer: Writer, value: ir.Value, target: Sequence[Product]) -> ir.Value | None:
    """[b, 4, 1, t] to [4·b, 1, t], two open sizes of which one is kept: with t in front for the while.

    None where no open size is kept, or three are open.
    """
    source = dims_of(value)
    for i, j in product(range(len(source)), range(len(target))):
        kept = source[i]
        if kept.is_static or kept != target[j] or multiply(source[:i]) != multiply(target[:j]):
            continue
        before, after = [kept, *source[:i], *source[i + 1 :]], [kept, *target[:j], *target[j + 1 :]]
        sizes = told_sizes(before, after)
        if sizes is not None:
            value = writer.transpose(value, [i, *(a for a in range(len(source)) if a != i)])
            value = writer.emit("Reshape", [value, writer.constant(sizes)], after, {"allowzero": 0}, like=value)
            return writer.transpose(value, [*range(1, j + 1), 0, *range(j + 1, len(target))])
    return None


def _units(writer: Writer, value: ir.Value, target: Sequence[Product]) -> ir.Value:
    """Axes of size 1 taken away and added, where a Reshape could not tell the other sizes because they are open."""
    while (producer := value.producer()) is not None and producer.op_type in ("Squeeze", "Unsqueeze"):
        if (before := producer.inputs[0]) is None:
            break
        value = before
    dims = dims_of(value)
    if tuple(dims) == tuple(target):
        return value
    gone, new = ([i for i, d in enumerate(side) if d.is_one] for side in (dims, target))
    if gone:
        value = writer.emit("Squeeze", [value, writer.constant(gone)], [d for d in dims if not d.is_one], like=value)
    return writer.emit("Unsqueeze", [value, writer.constant(new)], target, like=value) if new else value


def _before_reshapes(value: ir.Value) -> ir.Value:
    """A reshape of a reshape starts from what came first; the one between stays only if somebody else reads it."""
    producer = value.producer()
    while producer is not None and producer.op_type == "Reshape" and producer.inputs[0] is not None:
        value = producer.inputs[0]
        producer = value.producer()
    return value


def _show(dims: Sequence[Product]) -> str:
    return f"[{', '.join(str(d.as_shape()) for d in dims)}]"
