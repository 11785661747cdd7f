"""Constants that hold a size that was opened, counted anew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from passes.graph.builder import Builder
from passes.normalize.explicit_axes import read
from passes.normalize.sizes.axes import OpenedNode, fixed, own_sizes
from passes.normalize.sizes.reshape_places import OutputAxis, places_of

TO_THE_END = (1 << 63) - 1


def sliced(at: OpenedNode) -> set[int]:
    """A cut to the end of the old size goes to the end; one at another place would be at another one."""
    node, opened = at.node, at.axes()
    starts, ends, axes, steps = (read(node, place) for place in (1, 2, 3, 4))
    if starts is None or ends is None or axes is None:
        raise fixed(node)
    sizes, new = own_sizes(node.inputs[0]), list(ends)
    for i, axis in enumerate(axes):
        if axis not in opened:
            continue
        size, step = sizes[axis], 1 if steps is None else steps[i]
        if step < 0 or starts[i] > size // 2 or 0 <= ends[i] < size:
            raise fixed(node)
        if ends[i] >= size:
            new[i] = TO_THE_END
    if new != list(ends):
        node.replace_input_with(2, at.builder().constant(new, "opened"))
    return set(opened)


def resized(at: OpenedNode) -> set[int]:
    """Sizes that are a multiple, or a whole part, of the old ones are scales."""
    node = at.node
    sizes = read(node, 3)
    if sizes is not None:
        before = own_sizes(node.inputs[0])
        axes = list(node.attributes.get_ints("axes", ()) or range(len(before)))
        scales = [size / before[axis] for axis, size in zip(axes, sizes, strict=True)]
        if any(scale != int(scale) and 1 / scale != int(1 / scale) for scale in scales):
            raise fixed(node)
        node.replace_input_with(3, None)
        node.replace_input_with(2, at.builder().constant(np.asarray(scales, np.float32), "scales"))
    return set(at.axes())


def expanded(at: OpenedNode) -> set[int]:
    node = at.node
    target, sizes = read(node, 1), own_sizes(node.inputs[0])
    if target is None or len(target) != len(sizes):
        raise fixed(node)
    axes = at.axes()
    if any(target[axis] not in (1, sizes[axis]) for axis in axes):
        raise fixed(node)
    kept = [1 if axis in axes else size for axis, size in enumerate(target)]
    node.replace_input_with(1, at.builder().constant(kept, "opened"))
    return set(axes)


def reshaped(at: OpenedNode) -> set[int]:
    """The target is written anew, from what the places of the input become."""
    node = at.node
    x, axes = node.inputs[0], at.axes()
    batch = {axis for axis, size in enumerate((x and x.shape) or ()) if not isinstance(size, int)}
    places = places_of(own_sizes(x), own_sizes(node.outputs[0]), axes | batch)
    if x is None or places is None:
        raise fixed(node)
    found = {i for i, place in enumerate(places) if axes & set(place.axes)}
    if node.op_type == "Flatten":
        return found
    node.replace_input_with(1, _target(at.builder(), x, places))
    node.attributes["allowzero"] = ir.AttrInt64("allowzero", 0)
    return found


def _target(at: Builder, x: ir.Value, places: Sequence[OutputAxis]) -> ir.Value:
    """The shape that a reshape is to have: a constant where one size at most is open."""
    if sum(bool(place.axes) for place in places) <= 1:
        return at.constant([-1 if place.axes else place.factor for place in places], "opened")
    parts: list[ir.Value] = []
    for place in places:
        part = at.constant([place.factor], "size")
        for axis in place.axes:
            size = at.size(x, axis)
            part = at.node("Mul", [part, size], [1], dtype=ir.DataType.INT64)
        parts.append(part)
    return at.node("Concat", parts, [len(parts)], {"axis": 0}, dtype=ir.DataType.INT64)
