"""MaxUnpool: zeros, into which is written at the places that a pool has found.

Given    y = MaxUnpool(x, places)
Result   y = ScatterElements(zeros, places, x), all of them as one line, which is what the places count
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import onnx_ir as ir

from passes.dims.polynomial import Dim
from passes.errors import Unsupported, describe
from passes.graph.builder import Builder, FreshNames, first_input, sizes_of


def numbers_of(sizes: Sequence[Dim | None]) -> list[int]:
    return [size for size in sizes if isinstance(size, int)]


def known_sizes(node: ir.Node, sizes: Sequence[Dim | None]) -> list[int]:
    known = numbers_of(sizes)
    if len(known) < len(sizes):
        raise Unsupported(
            f"The Indices output of {node.op_type} at open sizes is not converted: they are places in the image.",
            node=describe(node),
            hint="Give numbers for the channels, heights and widths with --input.",
        )
    return known


def unpool(node: ir.Node, names: FreshNames) -> None:
    at, x, places = Builder(node, names), first_input(node), node.inputs[1]
    batch, *others = sizes_of(x)
    channels, *image = known_sizes(node, others)
    wanted = _unpooled(node, image)
    dtype = x.dtype.numpy() if x.dtype is not None else np.dtype(np.float32)
    size = channels * prod(wanted)
    whole: Dim | None = None if batch is None else batch * size
    count: Dim | None = None if batch is None else batch * channels * prod(image)
    flat = at.constant([-1], "flat")
    empty = at.constant(np.zeros((1, size), dtype), "zeros")
    if batch != 1:
        first = at.size(x, 0)
        shape = at.node("Concat", [first, at.constant([size], "size")], [2], {"axis": 0})
        empty = at.node("Expand", [empty, shape], [batch, size])
    line, rows = (
        at.node("Reshape", [value, flat], [total], {"allowzero": 0}) for value, total in ((empty, whole), (x, count))
    )
    where = at.node("Reshape", [places, flat], [count], {"allowzero": 0})
    filled = at.node("ScatterElements", [line, where, rows], [whole], {"axis": 0}, name=node.name)
    target = at.constant([-1, channels, *wanted], "shape")
    at.replace(at.node("Reshape", [filled, target], [batch, channels, *wanted], {"allowzero": 0}))


def _unpooled(node: ir.Node, image: Sequence[int]) -> list[int]:
    """How large the image was."""
    rank = len(image)
    told = node.inputs[2] if len(node.inputs) > 2 else None
    if told is not None:
        if told.const_value is None:
            raise Unsupported("MaxUnpool to a size that is computed is not converted.", node=describe(node))
        return [int(size) for size in told.const_value.numpy()[-rank:]]
    kernel, strides = (node.attributes.get_ints(name, ()) or [1] * rank for name in ("kernel_shape", "strides"))
    pads = node.attributes.get_ints("pads", ()) or [0] * 2 * rank
    return [(size - 1) * strides[a] - pads[a] - pads[a + rank] + kernel[a] for a, size in enumerate(image)]
