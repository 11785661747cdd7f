"""Sizes that are known only when the model runs, where a tensor gets them: Expand, ConstantOfShape, Range, Slice, Tile.

Keras has no sizes to compute with, so each is taken from a live tensor that has it: the latest one, `walk.anchored`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from passes.axes_view import View, plain
from passes.dims import ONE, Dim, dims_of
from passes.errors import Unsupported, describe
from passes.insertion import sizes_of
from passes.layout.axis_rules import default, slice_at_numbers, sliced_axes
from passes.layout.rules import rule
from passes.layout.walk import Walk, constant_of, operand, optional
from passes.symbolic_dims import Dim as SymbolicDim
from passes.symbolic_dims import Expr
from passes.symbolic_text import parse


@rule("Expand")
def expand(walk: Walk, node: ir.Node) -> None:
    """Given `Expand(x, shape)`, `keraport::Expand(x, like)` {shape}: -1 stands for the size that `like` has at `axis`.

    Several open sizes are several of them, one after the other.
    """
    x, target = operand(node, 0), dims_of(node.outputs[0])
    if walk.view(x).dims == target:
        walk.views[node.outputs[0]] = walk.view(x)
        return
    value = walk.materialise(walk.view(x))
    sizes = (*(ONE,) * (len(target) - len(dims_of(value))), *dims_of(value))
    parts = [_copies(wanted) if size.is_one else [(size, wanted)] for size, wanted in zip(sizes, target, strict=True)]
    expanded = _in_parts(walk, value, parts)
    if expanded is None:
        raise Unsupported(
            f"Expand to {[d.as_shape() for d in target]} needs a size that no tensor of the model has.",
            node=describe(node),
            hint="Give fixed sizes with --input for all dimensions but the batch.",
        )
    walk.views[node.outputs[0]] = expanded


@rule("ConstantOfShape")
def constant_of_shape(walk: Walk, node: ir.Node) -> None:
    """A constant, expanded. Where it cannot be, it is shape arithmetic, as a rule, of which nothing will be left."""
    target = dims_of(node.outputs[0])
    if not target or all(d.is_static for d in target):
        default(walk, node)
        return
    value = node.attributes.get_tensor("value", None)
    number = np.zeros(1, np.float32) if value is None else value.numpy()
    expanded = _expanded(walk, walk.constant(number.reshape((1,) * len(target)), number.dtype), target)
    if expanded is None:
        default(walk, node)
    else:
        walk.views[node.outputs[0]] = plain(expanded)


def _expanded(walk: Walk, value: ir.Value, target: Sequence[Dim]) -> ir.Value | None:
    """The value with these sizes; None where no live tensor has one of them."""
    dims = [*(Dim(1),) * (len(target) - len(dims_of(value))), *dims_of(value)]
    open_places = [i for i, (d, t) in enumerate(zip(dims, target, strict=True)) if d != t and not t.is_static]
    if not open_places:
        return walk.emit("Expand", [value], target, {"shape": _sizes(target, None), "axis": 0}, domain="keraport")
    for place in open_places:
        anchor = walk.anchored(target[place])
        if anchor is None:
            return None
        like, axis = anchor
        dims[place] = target[place]
        grown = target if place == open_places[-1] else dims
        attributes = {"shape": _sizes(grown, place), "axis": axis}
        value = walk.emit("Expand", [value, like], grown, attributes, domain="keraport")
    return value


def _sizes(dims: Sequence[Dim], grown: int | None) -> list[int]:
    return [-1 if axis == grown else d.coefficient if d.is_static else 0 for axis, d in enumerate(dims)]


@rule("Tile")
def tile(walk: Walk, node: ir.Node) -> None:
    """By computed numbers: what is repeated gets an axis of repetitions before it, [4, s] → [batch, 4, s]."""
    if constant_of(operand(node, 1)) is not None:
        default(walk, node)
        return
    value, target = walk.materialise(walk.view(operand(node, 0))), dims_of(node.outputs[0])
    times = [wanted.divided_by(size) for size, wanted in zip(dims_of(value), target, strict=True)]
    known = [number for number in times if number is not None]
    parts = [
        [*(_copies(number) if not number.is_one else []), *([(size, size)] if not size.is_one or number.is_one else [])]
        for number, size in zip(known, dims_of(value), strict=False)
    ]
    tiled = _in_parts(walk, value, parts) if len(known) == len(times) else None
    if tiled is None:
        raise Unsupported(
            "A tensor is repeated a computed number of times, which is no size that a tensor of the model has.",
            node=describe(node),
            hint="Give fixed sizes with --input for all dimensions but the batch.",
        )
    walk.views[node.outputs[0]] = tiled


def _copies(times: Dim) -> list[tuple[Dim, Dim]]:
    """1 → 4·batch as 1 → batch and 1 → 4: sizes that tensors have."""
    numbers = [Dim(times.coefficient)] * (times.coefficient != 1 or not times.symbols)
    return [(ONE, size) for size in (*(Dim(1, (symbol,)) for symbol in times.symbols), *numbers)]


def _in_parts(walk: Walk, value: ir.Value, parts: Sequence[Sequence[tuple[Dim, Dim]]]) -> View | None:
    """The value expanded, each of its axes made of parts (size, size wanted), which are axes of the base."""
    single = [size for axis in parts for size, _ in axis]
    expanded = _expanded(walk, walk.reshape(value, single), [wanted for axis in parts for _, wanted in axis])
    places = iter(range(len(single)))
    return None if expanded is None else View(expanded, tuple(tuple(next(places) for _ in axis) for axis in parts))


@rule("Range")
def range_(walk: Walk, node: ir.Node) -> None:
    """start + delta · positions: as many as the output is long."""
    start, delta = operand(node, 0), operand(node, 2)
    (size,) = dims_of(node.outputs[0])
    out = _positions(walk, size, start.dtype or ir.DataType.INT64)
    if out is None:
        default(walk, node)
        return
    for operator, number, neutral in (("Mul", delta, 1), ("Add", start, 0)):
        known = constant_of(number)
        if known is None or known.item() != neutral:
            out = walk.emit(operator, [out, walk.plain(number)], [size])
    walk.views[node.outputs[0]] = plain(out)


def _positions(walk: Walk, size: Dim, dtype: ir.DataType = ir.DataType.INT64) -> ir.Value | None:
    """0, 1, 2, …; None where no live tensor has this size."""
    if size.is_static:
        return walk.constant(np.arange(size.coefficient), dtype.numpy())
    anchor = walk.anchored(size)
    if anchor is None:
        return None
    like, axis = anchor
    return walk.emit("Positions", [like], [size], {"axis": axis, "to": dtype.value}, domain="keraport")


@rule("Slice")
def slice_(walk: Walk, node: ir.Node) -> None:
    """With computed ends, as long as the output is."""
    starts, ends, steps = constant_of(operand(node, 1)), constant_of(operand(node, 2)), constant_of(optional(node, 4))
    if starts is None or (optional(node, 3) is not None and constant_of(optional(node, 3)) is None):
        default(walk, node)
    elif ends is not None:
        slice_at_numbers(walk, node)
    elif (starts < 0).any() or (steps is not None and (steps != 1).any()):
        default(walk, node)
    else:
        out = walk.materialise(walk.view(operand(node, 0)))
        for axis, start in zip(sliced_axes(node), starts.tolist(), strict=True):
            out = _cut(walk, node, out, axis, start)
        walk.views[node.outputs[0]] = plain(out)


def _cut(walk: Walk, node: ir.Node, x: ir.Value, axis: int, start: int) -> ir.Value:
    """x from the start on, along one axis, to the size that the node's output has.

    At a fixed distance from the end it is a Slice, else a Gather at start + positions: of a table, of which as much is
    taken as another tensor is long. Where x holds the numbers 0, 1, 2, … themselves, those taken are the positions.
    """
    before, after = sizes_of(operand(node, 0))[axis], sizes_of(node.outputs[0])[axis]
    dims = list(dims_of(x))
    dims[axis] = dims_of(node.outputs[0])[axis]
    left = None if before is None or after is None else before - start - _unclamped(after)
    if isinstance(left, int):
        end = -left if left > 0 else np.iinfo(np.int64).max
        inputs = [x, *(walk.constant([number]) for number in (start, end, axis, 1))]
        return walk.emit("Slice", inputs, dims) if start or left else x
    positions = _positions(walk, dims[axis])
    if positions is None:
        raise Unsupported(
            "A slice to an end that the graph computes, to a size that no tensor of the model has, is not converted.",
            node=describe(node),
            hint="Give fixed sizes with --input for all dimensions but the batch.",
        )
    if start:
        positions = walk.emit("Add", [positions, walk.constant(np.asarray(start))], [dims[axis]])
    if _counts(x, axis):
        return walk.reshape(positions, dims)
    return walk.emit("Gather", [x, positions], dims, {"axis": axis})


def _unclamped(size: SymbolicDim) -> SymbolicDim:
    """`t - 2` for `Max(0, t - 2)`: a Slice from 1 to -1 has no less than nothing either."""
    found = re.fullmatch(r"Max\(0, (.+)\)", size.text) if isinstance(size, Expr) else None
    return parse(found[1]) if found is not None else size


def _counts(value: ir.Value, axis: int) -> bool:
    """Is this a constant 0, 1, 2, … along the axis, and all that there is?"""
    numbers = constant_of(value)
    if numbers is None or numbers.size != numbers.shape[axis] or numbers.dtype != np.int64:
        return False
    return bool((numbers.ravel() == np.arange(numbers.size)).all())
