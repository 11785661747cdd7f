"""The ones that PyTorch's exporter makes for an RMSNorm without a weight: as large as the input, whose size is open.

Given    s = Shape(x);  ones = ConstantOfShape<1>(s);  y = RMSNormalization<axis=-1>(x, ones)    x: [batch, 7, 32]
Result   y = RMSNormalization<axis=-1>(x, [1, ...])                                              32 of them
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from passes.graph.builder import Builder, FreshNames
from passes.graph.match import maker


class NormalizeNormScales(ir.passes.InPlacePass):
    """Make a constant of a scale that is the same number everywhere.

    Not where an axis that is normalised has an open size.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names: FreshNames | None = None
        modified = False
        for node in model.graph.all_nodes():
            scale = node.inputs[1] if node.domain == "" and node.op_type == "RMSNormalization" else None
            filled = None if scale is None else maker(scale, "ConstantOfShape")
            if filled is None:
                continue
            names = names or FreshNames(model)
            modified |= _settle(node, filled, names)
        return ir.passes.PassResult(model, modified)


def _settle(node: ir.Node, filled: ir.Node, names: FreshNames) -> bool:
    x, value = node.inputs[0], filled.attributes.get_tensor("value", None)
    normalised = list(x.shape or ())[node.attributes.get_int("axis", -1) :] if x is not None else []
    sizes = [size for size in normalised if isinstance(size, int)]
    if not sizes or len(sizes) < len(normalised):
        return False
    number = np.zeros(1, np.float32) if value is None else value.numpy()
    scale = Builder(node, names).constant(np.full(sizes, number.item(), number.dtype), "scale")
    node.replace_input_with(1, scale)
    return True
