"""Where the maxima of a pool are, in operators that Keras has. Putting them back there is max_unpool.py.

Given    y, places = MaxPool<kernel_shape=[2, 2], strides=[2, 2]>(x)             x: [n, 3, 8, 8]
Result   y = MaxPool(x)
         which = ArgMax<axis=0>(Concat(x[:, :, 0::2, 0::2], x[:, :, 0::2, 1::2], …))  what a window looks at, in turn
         places = which's row and column in x, and x's own planes before it
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod

import numpy as np
import onnx_ir as ir

from passes.dims.polynomial import Dim
from passes.graph.builder import Builder, FreshNames, first_input, sizes_of
from passes.normalize.operators.max_unpool import known_sizes, numbers_of, unpool
from passes.normalize.operators.rewrite_each import RewriteEach
from passes.padding.arithmetic import Axis, same_pads


class NormalizeMaxIndices(RewriteEach):
    """Write the indices of MaxPool, and MaxUnpool, in other operators.

    Raises:
        Unsupported: the size of the image is not known: places are numbers in it.
    """

    def wanted(self, node: ir.Node) -> bool:
        if node.domain != "" or node.op_type not in ("MaxPool", "MaxUnpool"):
            return False
        return node.op_type == "MaxUnpool" or _is_read(node)

    def rewrite(self, node: ir.Node, names: FreshNames) -> None:
        if node.op_type == "MaxUnpool":
            unpool(node, names)
        else:
            _indices(node, names)


def _is_read(node: ir.Node) -> bool:
    return len(node.outputs) > 1 and bool(node.outputs[1].uses() or node.outputs[1].is_graph_output())


def _indices(node: ir.Node, names: FreshNames) -> None:
    at, x, old = Builder(node, names), first_input(node), node.outputs[1]
    batch, *others = sizes_of(x)
    channels, *image = known_sizes(node, others)
    results = known_sizes(node, sizes_of(node.outputs[0])[2:])
    rank = len(image)
    kernel, strides, dilations = (
        list(node.attributes.get_ints(name, ()) or [1] * rank) for name in ("kernel_shape", "strides", "dilations")
    )
    before = _pads_before(node, image, kernel, strides, dilations)
    sizes = [batch, channels, *results]
    which = _which(at, x, sizes, kernel, strides, dilations, before)
    by_row = not node.attributes.get_int("storage_order", 0)
    places = _first_of_planes(at, x, batch, channels, image)
    for axis in range(rank):
        step = prod(image[axis + 1 :]) if by_row else prod(image[:axis])
        inner = prod(kernel[axis + 1 :])
        offset = at.node("Div", [which, at.constant([inner], "inner")], sizes, dtype=ir.DataType.INT64)
        offset = at.node("Mod", [offset, at.constant([kernel[axis]], "kernel")], sizes, {"fmod": 0})
        reach = at.node("Mul", [offset, at.constant([dilations[axis] * step], "reach")], sizes)
        corner = (np.arange(results[axis]) * strides[axis] - before[axis]) * step
        shape = [-1 if a == axis else 1 for a in range(rank)]
        start = at.constant(corner.astype(np.int64).reshape(shape), "corner")
        places = at.node("Add", [places, at.node("Add", [reach, start], sizes)], sizes)
    old.replace_all_uses_with(places, replace_graph_outputs=True)
    if places.is_graph_output():
        places.name, old.name = old.name, None
    node.resize_outputs(1)
    at.graph.remove(node)
    first = places.producer()
    assert first is not None
    at.graph.insert_after(first, node)


def _pads_before(
    node: ir.Node, image: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> list[int]:
    rank, auto_pad = len(image), node.attributes.get_string("auto_pad", "NOTSET")
    if not auto_pad.startswith("SAME"):
        return list(node.attributes.get_ints("pads", ()) or [0] * rank)[:rank]
    axes = [Axis(None, *window) for window in zip(kernel, strides, dilations, strict=True)]
    return [same_pads(axis, size, auto_pad == "SAME_LOWER")[0] for axis, size in zip(axes, image, strict=True)]


def _which(
    at: Builder,
    x: ir.Value,
    sizes: Sequence[Dim | None],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    before: Sequence[int],
) -> ir.Value:
    """Which of the numbers in its window is the first greatest."""
    rank, results, image = len(kernel), numbers_of(sizes[2:]), numbers_of(sizes_of(x)[2:])
    ends = [(results[a] - 1) * strides[a] + (kernel[a] - 1) * dilations[a] + 1 for a in range(rank)]
    after = [max(0, ends[a] - before[a] - image[a]) for a in range(rank)]
    if any(before) or any(after):
        dtype = x.dtype.numpy() if x.dtype is not None else np.dtype(np.float32)
        least = -np.inf if dtype.kind == "f" else np.iinfo(str(dtype)).min
        pads = at.constant([0, 0, *before, 0, 0, *after], "pads")
        padded = [size + a + b for size, a, b in zip(image, before, after, strict=True)]
        inputs = [x, pads, at.constant(np.array(least, dtype), "least")]
        x = at.node("Pad", inputs, [*sizes[:2], *padded], {"mode": "constant"})
    axes, steps = at.constant(range(2, 2 + rank), "axes"), at.constant(strides, "steps")
    pictures = []
    for place in product(*map(range, kernel)):
        starts = [k * d for k, d in zip(place, dilations, strict=True)]
        stops = [start + (count - 1) * step + 1 for start, count, step in zip(starts, results, strides, strict=True)]
        bounds = at.constant(starts, "starts"), at.constant(stops, "ends")
        picture = at.node("Slice", [x, *bounds, axes, steps], sizes)
        pictures.append(at.node("Unsqueeze", [picture, at.constant([0], "first")], [1, *sizes]))
    all_of_them = at.node("Concat", pictures, [len(pictures), *sizes], {"axis": 0})
    return at.node("ArgMax", [all_of_them], sizes, {"axis": 0, "keepdims": 0}, dtype=ir.DataType.INT64)


def _first_of_planes(at: Builder, x: ir.Value, batch: Dim | None, channels: int, image: Sequence[int]) -> ir.Value:
    """The place of the first number of each plane, [n, c, 1, …]: of the whole tensor, as the standard counts."""
    plane, ones = prod(image), [1] * len(image)
    of_channels = at.constant((np.arange(channels) * plane).reshape(1, channels, *ones), "planes")
    if batch == 1:
        return of_channels
    counted = at.counted(at.size(x, 0), batch)
    column = at.node("Reshape", [counted, at.constant([-1, 1, *ones], "column")], [batch, 1, *ones], {"allowzero": 0})
    of_batch = at.node("Mul", [column, at.constant([channels * plane], "whole")], [batch, 1, *ones])
    return at.node("Add", [of_batch, of_channels], [batch, channels, *ones])
