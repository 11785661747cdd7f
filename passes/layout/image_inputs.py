"""Which inputs of a graph are images: those that Keras wants channels-last."""

from __future__ import annotations

import onnx_ir as ir

from passes.layout.rules.elementwise import broadcasting, unary
from passes.layout.walk.registry import RULES

SPATIAL = {
    "AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "DepthToSpace", "GlobalAveragePool", "GlobalMaxPool",
    "GridSample", "GroupNormalization", "InstanceNormalization", "LRN", "MaxPool", "MaxRoiPool", "Resize", "RoiAlign",
    "SpaceToDepth",
}  # fmt: skip
THROUGH = {"Concat", "DequantizeLinear", "Pad", "QuantizeLinear", "Slice", "Split", "keraport::PadSame"}


def image_inputs(graph: ir.Graph) -> set[ir.Value]:
    """Inputs of rank 3 to 5 that reach a spatial operator through nothing but element-wise operators, pads and
    slices."""
    return {
        value for value in graph.inputs if value.shape is not None and 3 <= len(value.shape) <= 5 and _is_image(value)
    }


def _is_image(value: ir.Value) -> bool:
    rank = len(value.shape or ())
    seen, pending = {value}, [value]
    while pending:
        for node, index in pending.pop().uses():
            name = f"{node.domain}::{node.op_type}" if node.domain else node.op_type
            if name in SPATIAL:
                if index == 0:
                    return True
            elif name in THROUGH or RULES.get(name) in (unary, broadcasting):
                fresh = [o for o in node.outputs if o not in seen and o.shape is not None and len(o.shape) == rank]
                seen.update(fresh)
                pending.extend(fresh)
    return False
