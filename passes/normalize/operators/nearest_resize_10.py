"""Nearest-pixel resizing as it was at opset 10, where no file could say which pixel is the nearest.

onnxruntime, which defined it by use, takes the pixel below where an axis grows, and the one above where it shrinks.

Given    y = Resize<mode=nearest>(x, scales=[1, 1, 2, 2])          of opset 10
Result   y = Resize<nearest_mode=floor>(x, scales=[1, 1, 2, 2])

Given    y = Resize<mode=nearest>(x, scales=[1, 1, 0.5, 2])        of opset 10
Result   t = Resize<nearest_mode=ceil>(x, scales=[1, 1, 0.5, 1])
         y = Resize<nearest_mode=floor>(t, scales=[1, 1, 1, 2])
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from passes.graph.builder import Builder, FreshNames, first_input, sizes_of
from passes.normalize.operators.rewrite_each import RewriteEach
from passes.normalize.opset_adapters import NEAREST_KEY


class NormalizeNearestResize(RewriteEach):
    """Say which pixel, now that scales are folded."""

    def wanted(self, node: ir.Node) -> bool:
        scales = node.inputs[2] if len(node.inputs) > 2 else None
        # scales that are computed say it when the model runs: computed_resize.py
        return NEAREST_KEY in node.metadata_props and scales is not None and scales.const_value is not None

    def rewrite(self, node: ir.Node, names: FreshNames) -> None:
        _settle(node, names)


def _settle(node: ir.Node, names: FreshNames) -> None:
    del node.metadata_props[NEAREST_KEY]
    given = node.inputs[2]
    assert given is not None and given.const_value is not None
    scales = given.const_value.numpy()
    if (scales >= 1).all():
        return
    node.attributes.add(ir.AttrString("nearest_mode", "ceil"))
    if (scales <= 1).all():
        return
    at = Builder(node, names)
    x, after = first_input(node), sizes_of(node.outputs[0])
    sizes = [b if scale < 1 else a for a, b, scale in zip(sizes_of(x), after, scales, strict=True)]
    shrunk = at.node("Resize", [x, None, at.constant(np.minimum(scales, 1), "shrink")], sizes, dict(node.attributes))
    attributes = {**dict(node.attributes), "nearest_mode": ir.AttrString("nearest_mode", "floor")}
    at.replace(at.node("Resize", [shrunk, None, at.constant(np.maximum(scales, 1), "grow")], after, attributes))
