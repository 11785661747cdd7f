"""Positions along axes of open size: Range, and Slice to an end that the graph computes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from passes.dims.product import ONE, Product, dims_of
from passes.errors import Unsupported, describe
from passes.graph.builder import sizes_of
from passes.layout.rules.along_axes import default, on_single_axes, slice_at_numbers, sliced_axes
from passes.layout.walk.axes_view import AxesView, plain
from passes.layout.walk.made_sizes import anchor_for, unclamped
from passes.layout.walk.registry import rule
from passes.layout.walk.told_sizes import count, is_to_be_told
from passes.layout.walk.walk import Walk, constant_of, operand, optional


@rule("Range")
def range_(walk: Walk, node: ir.Node) -> None:
    """start + delta · positions: as many as the output is long."""
    start, delta = operand(node, 0), operand(node, 2)
    (size,) = dims_of(node.outputs[0])
    if is_to_be_told(walk, size):
        count(walk, size, _how_many(walk, node))
    out = _positions(walk, size, start.dtype or ir.DataType.INT64)
    if out is None:
        default(walk, node)
        return
    for operator, number, neutral in (("Mul", delta, 1), ("Add", start, 0)):
        known = constant_of(number)
        if known is None or known.item() != neutral:
            out = walk.emit(operator, [out, walk.plain(number)], [size])
    walk.views[node.outputs[0]] = plain(out)


def _how_many(walk: Walk, node: ir.Node) -> ir.Value:
    """[1]: ⌈(limit - start) / delta⌉, or none."""
    start, limit, delta = (walk.plain(operand(node, place)) for place in range(3))
    is_whole = operand(node, 0).dtype in (ir.DataType.INT16, ir.DataType.INT32, ir.DataType.INT64)
    distance = walk.emit("Sub", [limit, start], [])
    if is_whole:  # a quotient of whole numbers drops what is behind its point
        sign = walk.emit("Sign", [delta], [])
        distance = walk.emit("Add", [distance, walk.emit("Sub", [delta, sign], [])], [])
    number = walk.emit("Div", [distance, delta], [])
    if not is_whole:
        number = walk.emit("Ceil", [number], [])
    whole = walk.emit("Cast", [number], [], {"to": ir.DataType.INT64.value}, like=_counter(walk))
    return walk.emit("Max", [walk.reshape(whole, [ONE]), walk.constant([0])], [ONE], like=_counter(walk))


def _positions(walk: Walk, size: Product, dtype: ir.DataType = ir.DataType.INT64) -> ir.Value | None:
    """0, 1, 2, …; None where no live tensor has this size."""
    if size.is_static:
        return walk.constant(np.arange(size.coefficient), dtype.numpy())
    anchor = anchor_for(walk, size)
    if anchor is None:
        return None
    like, axis = anchor
    attributes = {"axis": axis, "to": dtype.value}
    return walk.emit("Positions", [like], [size], attributes, domain="keraport", like=_counter(walk, dtype))


def _counter(walk: Walk, dtype: ir.DataType = ir.DataType.INT64) -> ir.Value:
    """What positions are called, and their type, in a node that gives something else."""
    return ir.Value(name=f"{walk.node.outputs[0].name}_positions", type=ir.TensorType(dtype))


@rule("Slice")
def slice_(walk: Walk, node: ir.Node) -> None:
    """With computed bounds, as long as the output is."""
    starts, ends, steps = constant_of(operand(node, 1)), constant_of(operand(node, 2)), constant_of(optional(node, 4))
    if optional(node, 3) is not None and constant_of(optional(node, 3)) is None:
        default(walk, node)
    elif starts is not None and ends is not None:
        slice_at_numbers(walk, node)
    elif optional(node, 4) is not None and (steps is None or (steps != 1).any()):
        default(walk, node)
    else:
        axes = sliced_axes(node)
        view, base_axes = on_single_axes(walk, operand(node, 0), axes)
        out = view.base
        for place, (axis, base_axis) in enumerate(zip(axes, base_axes, strict=True)):
            if starts is None or starts[place] < 0:
                out = _cut_from(walk, node, out, (axis, base_axis), place)
            else:
                out = _cut(walk, node, out, (axis, base_axis), int(starts[place]))
        walk.views[node.outputs[0]] = AxesView(out, view.axes)


def _cut_from(walk: Walk, node: ir.Node, x: ir.Value, axes: tuple[int, int], place: int) -> ir.Value:
    """x from a start on that the graph computes, along one axis: a Gather at start + positions.

    A start below 0 counts from the end, and begins with the first element at the earliest.
    """
    value_axis, axis = axes
    dims = list(dims_of(x))
    dims[axis] = dims_of(node.outputs[0])[value_axis]
    positions = _counted(walk, node, dims[axis])
    starts = walk.plain(operand(node, 1))
    start = walk.emit("Gather", [starts, walk.constant([place])], [ONE], {"axis": 0}, like=_counter(walk))
    length = walk.emit("Shape", [x], [ONE], {"start": axis, "end": axis + 1}, like=_counter(walk))
    zero = walk.constant([0])
    from_end = walk.emit("Add", [start, length], [ONE], like=_counter(walk))
    from_end = walk.emit("Max", [from_end, zero], [ONE], like=_counter(walk))
    is_behind = ir.Value(name=f"{node.outputs[0].name}_is_behind", type=ir.TensorType(ir.DataType.BOOL))
    behind = walk.emit("Less", [start, zero], [ONE], like=is_behind)
    first = walk.emit("Where", [behind, from_end, start], [ONE], like=_counter(walk))
    shifted = walk.emit("Add", [positions, first], [dims[axis]], like=_counter(walk))
    return walk.emit("Gather", [x, shifted], dims, {"axis": axis})


def _counted(walk: Walk, node: ir.Node, size: Product) -> ir.Value:
    """0, 1, 2, …, as many as a slice is long."""
    positions = _positions(walk, size)
    if positions is None:
        raise Unsupported(
            f"A slice to an end that the graph computes, to the size {size.as_shape()}, is not converted: no tensor of "
            "the model has it.",
            node=describe(node),
            hint="Give fixed sizes with --input for all dimensions but the batch.",
        )
    return positions


def _cut(walk: Walk, node: ir.Node, x: ir.Value, axes: tuple[int, int], start: int) -> ir.Value:
    """x from the start on, along one axis of the value and of its base, to the size that the node's output has.

    At a fixed distance from the end it is a Slice, else a Gather at start + positions: of a table, of which as much is
    taken as another tensor is long. Where x holds the numbers 0, 1, 2, … themselves, those taken are the positions.
    """
    value_axis, axis = axes
    before, after = sizes_of(operand(node, 0))[value_axis], sizes_of(node.outputs[0])[value_axis]
    dims = list(dims_of(x))
    dims[axis] = dims_of(node.outputs[0])[value_axis]
    left = None if before is None or after is None else before - start - unclamped(after)
    if isinstance(left, int):
        end = -left if left > 0 else np.iinfo(np.int64).max
        inputs = [x, *(walk.constant([number]) for number in (start, end, axis, 1))]
        return walk.emit("Slice", inputs, dims) if start or left else x
    positions = _counted(walk, node, dims[axis])
    if start:
        shifted = [positions, walk.constant(np.asarray(start))]
        positions = walk.emit("Add", shifted, [dims[axis]], like=_counter(walk))
    if _counts(x, axis):
        return walk.reshape(positions, dims)
    return walk.emit("Gather", [x, positions], dims, {"axis": axis})


def _counts(value: ir.Value, axis: int) -> bool:
    """Is this a constant 0, 1, 2, … along the axis, and all that there is?"""
    numbers = constant_of(value)
    if numbers is None or numbers.size != numbers.shape[axis] or numbers.dtype != np.int64:
        return False
    return bool((numbers.ravel() == np.arange(numbers.size)).all())
