"""Pad: by numbers, and by amounts that the graph computes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from passes.dims.product import ONE, Product, dims_of
from passes.layout.rules.along_axes import default, on_single_axes
from passes.layout.walk.axes_view import AxesView
from passes.layout.walk.made_sizes import anchor_for
from passes.layout.walk.registry import rule
from passes.layout.walk.told_sizes import count, is_to_be_told
from passes.layout.walk.walk import Walk, constant_of, operand, optional


@rule("Pad")
def pad(walk: Walk, node: ir.Node) -> None:
    x, pads, axes = operand(node, 0), constant_of(operand(node, 1)), constant_of(optional(node, 3))
    if pads is None or (optional(node, 3) is not None and axes is None):
        if not pad_by_positions(walk, node):
            default(walk, node)
        return
    rank = len(dims_of(x))
    half = len(pads) // 2
    padded = [int(a) % rank for a in (range(half) if axes is None else axes)]
    pairs = zip(padded, zip(pads[:half], pads[half:], strict=True), strict=True)
    amounts = {axis: pair for axis, pair in pairs if any(pair)}
    view, base_axes = on_single_axes(walk, x, list(amounts))
    dims = list(dims_of(view.base))
    all_pads = np.zeros((2, len(dims)), np.int64)
    for (axis, pair), base_axis in zip(amounts.items(), base_axes, strict=True):
        all_pads[:, base_axis] = pair
        dims[base_axis] = dims_of(node.outputs[0])[axis]
    inputs = [view.base, walk.constant(all_pads.ravel()), walk.plain(optional(node, 2))]
    out = walk.emit("Pad", inputs, dims, {"mode": node.attributes.get_string("mode", "constant")})
    walk.views[node.outputs[0]] = AxesView(out, view.axes)


def pad_by_positions(walk: Walk, node: ir.Node) -> bool:
    """Pad by amounts that the graph computes: what is at each position of the result is looked up, or is the pad.

    y[i] = x[i - before] where that is one of x's positions, else the value, or what the mode says: Gather and Where
    along each axis that is not known to stay. False where that cannot be written, as some size follows from nothing.
    """
    x, amounts = operand(node, 0), walk.plain(operand(node, 1))
    mode = node.attributes.get_string("mode", "constant")
    if mode not in ("constant", "edge", "reflect", "wrap") or optional(node, 3) is not None or amounts is None:
        return False
    view = walk.view(x)
    before, after = dims_of(x), dims_of(node.outputs[0])
    rank = len(before)
    changed = [
        axis
        for axis in range(rank)  # 1 before and -1 behind leave the size, and shift
        if before[axis] != after[axis] or not all(_is_zero(operand(node, 1), place) for place in (axis, axis + rank))
    ]
    for axis in changed:
        if is_to_be_told(walk, after[axis]):
            count(walk, after[axis], _how_long(walk, x, axis, amounts))
    anchors = {axis: anchor_for(walk, after[axis]) for axis in changed}
    if any(anchors[axis] is None and not after[axis].is_static for axis in changed):
        return False
    fill = walk.plain(optional(node, 2))
    value = walk.scalar(0.0, x) if fill is None else walk.reshape(fill, [])
    view, base_axes = on_single_axes(walk, x, changed)
    out = view.base
    for axis, base_axis in zip(changed, base_axes, strict=True):
        out = _padded_axis(walk, out, base_axis, after[axis], anchors[axis], (amounts, axis), (mode, value))
    walk.views[node.outputs[0]] = AxesView(out, view.axes)
    return True


def _is_zero(numbers: ir.Value, place: int) -> bool:
    """Whether the number at this place is a constant 0; False where nothing is known of it."""
    if (known := constant_of(numbers)) is not None:
        return bool(known[place] == 0)
    joined = numbers.producer()
    if joined is None or joined.op_type != "Concat":
        return False
    for part in filter(None, joined.inputs):
        (length,) = dims_of(part)
        if not length.is_static:
            return False
        if place < length.coefficient:
            return _is_zero(part, place)
        place -= length.coefficient
    return False


def _how_long(walk: Walk, x: ir.Value, axis: int, amounts: ir.Value) -> ir.Value:
    """[1]: an axis, and what is put before it and behind it."""
    like = ir.Value(name=f"{walk.node.name}_length", type=ir.TensorType(ir.DataType.INT64))
    total = walk.emit("Shape", [walk.plain(x)], [ONE], {"start": axis, "end": axis + 1}, like=like)
    for place in (axis, axis + len(dims_of(x))):
        amount = walk.emit("Gather", [amounts, walk.constant([place])], [ONE], {"axis": 0}, like=like)
        total = walk.emit("Add", [total, amount], [ONE], like=like)
    return walk.emit("Max", [total, walk.constant([0])], [ONE], like=like)


def _padded_axis(
    walk: Walk,
    x: ir.Value,
    axis: int,
    size: Product,
    anchor: tuple[ir.Value, int] | None,
    amounts: tuple[ir.Value, int],
    how: tuple[str, ir.Value],
) -> ir.Value:
    """`how`: the mode, and what a constant one fills with."""
    (pads, place), (mode, fill) = amounts, how
    dims = list(dims_of(x))
    like = ir.Value(name=f"{walk.node.name}_positions", type=ir.TensorType(ir.DataType.INT64))
    truth = ir.Value(name=f"{walk.node.name}_inside", type=ir.TensorType(ir.DataType.BOOL))
    if anchor is None:
        positions = walk.constant(np.arange(size.coefficient))
    else:
        attributes = {"axis": anchor[1], "to": ir.DataType.INT64.value}
        positions = walk.emit("Positions", [anchor[0]], [size], attributes, domain="keraport", like=like)
    before = walk.emit("Gather", [pads, walk.constant([place])], [ONE], {"axis": 0}, like=like)
    shifted = walk.emit("Sub", [positions, before], [size], like=like)
    length = walk.emit("Shape", [x], [ONE], {"start": axis, "end": axis + 1}, like=like)
    last = walk.emit("Sub", [length, walk.constant([1])], [ONE], like=like)
    if mode == "wrap":
        within = walk.emit("Mod", [shifted, length], [size], {"fmod": 0}, like=like)
    else:
        within = (_mirrored if mode == "reflect" else _clamped)(walk, shifted, last, like)
    dims[axis] = size
    looked = walk.emit("Gather", [x, within], dims, {"axis": axis}, like=x)
    if mode != "constant":
        return looked
    inside = walk.emit("Equal", [shifted, within], [size], like=truth)
    shape = [ONE] * len(dims)
    shape[axis] = size
    return walk.emit("Where", [walk.reshape(inside, shape), looked, fill], dims, like=x)


def _clamped(walk: Walk, positions: ir.Value, last: ir.Value, like: ir.Value) -> ir.Value:
    low = walk.emit("Max", [positions, walk.constant([0])], dims_of(positions), like=like)
    return walk.emit("Min", [low, last], dims_of(positions), like=like)


def _mirrored(walk: Walk, positions: ir.Value, last: ir.Value, like: ir.Value) -> ir.Value:
    """last - |last - |i||: -1 is 1, and last + 1 is last - 1."""
    dims = dims_of(positions)
    there = walk.emit("Abs", [positions], dims, like=like)
    back = walk.emit("Abs", [walk.emit("Sub", [last, there], dims, like=like)], dims, like=like)
    return walk.emit("Sub", [last, back], dims, like=like)
