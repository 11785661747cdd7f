"""A DFT that is told the length that its signal has anyway, as torch's exporter tells it.

Given    n = Squeeze(Shape<start=1, end=2>(x));  y = DFT(x, n, 1)        x: [batch, n, 1]
Result   y = DFT(x, , 1)

Not where it is cut or padded, or a number: that may be another one.
"""

from __future__ import annotations

import onnx_ir as ir

from passes.dims.polynomial import Dim, floor_divide
from passes.graph.builder import FreshNames, sizes_of
from passes.graph.match import number
from passes.normalize.operators.rewrite_each import RewriteEach


class NormalizeDftLength(RewriteEach):
    """Leave the length out where it is the signal's."""

    def wanted(self, node: ir.Node) -> bool:
        if node.op_type != "DFT" or node.domain != "" or len(node.inputs) < 2 or node.inputs[0] is None:
            return False
        length, x = node.inputs[1], node.inputs[0]
        if length is None or length.const_value is not None or node.outputs[0].shape is None:
            return False
        axis = number(node.inputs[2]) if len(node.inputs) > 2 else -2
        if axis is None:
            return False
        before, after = sizes_of(x)[int(axis)], sizes_of(node.outputs[0])[int(axis)]
        return before is not None and after == _bins(node, before)

    def rewrite(self, node: ir.Node, names: FreshNames) -> None:
        node.replace_input_with(1, None)


def _bins(node: ir.Node, length: Dim) -> Dim | None:
    """How many bins the whole signal has; None from half a spectrum, which fits two lengths."""
    if not node.attributes.get_int("onesided", 0):
        return length
    return None if node.attributes.get_int("inverse", 0) else floor_divide(length, 2) + 1
