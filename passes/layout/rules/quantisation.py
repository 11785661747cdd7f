"""QuantizeLinear and DequantizeLinear: element by element.

A scale is for the whole tensor, for the places along an axis, or for blocks of them: then it has all the tensor's axes.
"""

from __future__ import annotations

import onnx_ir as ir

from passes.dims.product import dims_of, multiply
from passes.layout.rules.along_axes import on_single_axes
from passes.layout.walk.axes_view import AxesView, identity
from passes.layout.walk.registry import rule
from passes.layout.walk.walk import Walk, operand


@rule("DequantizeLinear", "QuantizeLinear")
def quantise(walk: Walk, node: ir.Node) -> None:
    x, scale = operand(node, 0), operand(node, 1)
    view, attributes = walk.view(x), dict(node.attributes)
    if node.attributes.get_int("block_size", 0):
        view = AxesView(walk.materialise(view), identity(view.rank))
    elif not multiply(dims_of(scale)).is_one:
        view, (axis,) = on_single_axes(walk, x, [node.attributes.get_int("axis", 1) % view.rank])
        attributes["axis"] = ir.AttrInt64("axis", axis)
    others = [walk.plain(value) for value in node.inputs[1:]]
    told = node.outputs[0].dtype
    if told is not None and told.itemsize < 1:  # what its zero point is of, which is not to be seen in a model's input
        attributes["output_dtype"] = ir.AttrInt64("output_dtype", told.value)
    out = walk.emit(node.op_type, [view.base, *others], dims_of(view.base), attributes)
    walk.views[node.outputs[0]] = AxesView(out, view.axes)
