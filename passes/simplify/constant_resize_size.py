"""Resizes whose output size is computed at run time get a constant one where that says the same.

Given    s = Concat(Shape(x)[:2], [224, 224]);  y = Resize(x, sizes=s)        x: [batch, 21, 14, 14]
Result   y = Resize<axes=[2, 3]>(x, sizes=[224, 224])

Given    s = Concat(Shape(x)[:2], Shape(z)[2:]);  y = Resize(x, sizes=s)      x: [n, 8, h, w], y: [n, 8, 2*h, 2*w]
Result   y = Resize(x, scales=[1, 1, 2, 2])

Not when a size is neither a number nor a whole multiple of the input's: that one stays computed.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from passes.dims.polynomial import exact_divide
from passes.graph.builder import Builder, FreshNames, sizes_of


class ConstantResizeSizes(ir.passes.InPlacePass):
    """Give Resize constant sizes or scales wherever the inferred shapes allow it."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names: FreshNames | None = None
        modified = False
        for graph in model.graphs():
            for node in graph:
                if node.op_type == "Resize" and node.domain == "" and _is_computed(node):
                    names = names or FreshNames(model)
                    modified |= _settle(node, names)
        return ir.passes.PassResult(model, modified)


def _is_computed(node: ir.Node) -> bool:
    sizes = node.inputs[3] if len(node.inputs) > 3 else None
    plain = (
        "axes" not in node.attributes and node.attributes.get_string("keep_aspect_ratio_policy", "stretch") == "stretch"
    )
    return sizes is not None and sizes.const_value is None and plain and _without_roi(node)


def _without_roi(node: ir.Node) -> bool:
    return node.attributes.get_string("coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize"


def _settle(node: ir.Node, names: FreshNames) -> bool:
    x = node.inputs[0]
    if x is None:
        return False
    before, after = sizes_of(x), sizes_of(node.outputs[0])
    moved = [axis for axis, (a, b) in enumerate(zip(before, after, strict=True)) if a is None or a != b]
    at = Builder(node, names)
    fixed = [size for axis in moved if isinstance(size := after[axis], int)]
    if moved and len(fixed) == len(moved):
        node.attributes.add(ir.AttrInt64s("axes", moved))
        node.replace_input_with(3, at.constant(fixed, "sizes"))
        return True
    scales = []
    for a, b in zip(before, after, strict=True):
        factor = None if a is None or b is None else exact_divide(b, a)
        if not isinstance(factor, int):
            return False
        scales.append(float(factor))
    node.replace_input_with(2, at.constant(np.array(scales, np.float32), "scales"))
    node.resize_inputs(3)
    return True
