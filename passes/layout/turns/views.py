"""What only says in another way where the elements of a tensor are, in another order."""

from __future__ import annotations

import onnx_ir as ir

from passes.dims.product import dims_of
from passes.layout.turns.orders import TURNS, Order, Turn
from passes.layout.walk.axes_view import align
from passes.layout.walk.reshape import told_sizes


@TURNS.register("Transpose")
def _transpose(node: ir.Node, order: Order) -> Turn | None:
    """What is transposed in another order, or as it is."""
    perm = node.attributes["perm"].as_ints()
    return Turn([tuple(perm[axis] for axis in order)], is_light=True, is_nothing=True)


@TURNS.register("Reshape")
def _reshape(node: ir.Node, order: Order) -> Turn | None:
    """Axes that are split or merged, in any order that keeps together what was one or becomes one.

    [a, b·c, d] → [a, b, c, d] in the order [a, d, b, c] is [a, d, b·c] → [a, d, b, c].
    """
    x, shape = node.inputs[0], node.inputs[1]
    if x is None or shape is None or shape.const_value is None:
        return None
    before, after = dims_of(x), dims_of(node.outputs[0])
    segments = align(range(len(before)), before, after)
    if segments is None:
        return None
    left = [axis for axis in order if not after[axis].is_one]
    inner = [axis for axis, size in enumerate(before) if size.is_one]  # in front: a layer's first axis stays
    while left:
        segment = next(each for each in segments if left[0] in each.targets)
        if tuple(left[: len(segment.targets)]) != segment.targets:
            return None
        left = left[len(segment.targets) :]
        inner += segment.atoms
    sizes = told_sizes([before[axis] for axis in inner], [after[axis] for axis in order])
    return None if sizes is None else Turn([tuple(inner), None], {"allowzero": 0}, axes=(1, sizes))
