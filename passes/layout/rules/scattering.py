"""Numbers written at places along an axis."""

from __future__ import annotations

import onnx_ir as ir

from passes.dims.product import dims_of
from passes.layout.rules.along_axes import default
from passes.layout.walk.axes_view import AxesView
from passes.layout.walk.registry import rule
from passes.layout.walk.walk import Walk, operand


@rule("ScatterElements")
def scatter_elements(walk: Walk, node: ir.Node) -> None:
    """On the bases, where all three lie alike: tokens merged into the batch need no merging."""
    axis = node.attributes.get_int("axis", 0) % len(dims_of(node.outputs[0]))
    data, indices, updates = (walk.view(operand(node, i)) for i in range(3))
    is_shorter = any(data.dims[a] != indices.dims[a] for a in range(data.rank) if a != axis)
    if is_shorter or not data.axes == indices.axes == updates.axes or len(data.axes[axis]) != 1:
        default(walk, node)
        return
    attributes = {**node.attributes, "axis": data.axes[axis][0]}
    inputs = [data.base, indices.base, updates.base]
    out = walk.emit("ScatterElements", inputs, dims_of(data.base), attributes)
    walk.views[node.outputs[0]] = AxesView(out, data.axes)
