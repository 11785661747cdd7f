"""Pads leave the spatial operators: afterwards they are VALID, or provably SAME_UPPER, and nothing else.

Each kind of operator has a file of its own, which says what its final form is and why it is equal:
conv.py, pools.py, conv_transpose.py. The formulas are in arithmetic.py.
"""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from passes.graph.builder import FreshNames
from passes.padding.conv import split_conv
from passes.padding.conv_transpose import split_conv_transpose
from passes.padding.pools import split_average_pool, split_max_pool

SPLIT: dict[str, Callable[[ir.Node, FreshNames], bool]] = {
    "Conv": split_conv,
    "ConvTranspose": split_conv_transpose,
    "MaxPool": split_max_pool,
    "AveragePool": split_average_pool,
}


class SplitPads(ir.passes.InPlacePass):
    """Make the padding of convolutions and pools explicit.

    Given    y = Conv<pads=[1, 1, 1, 1], strides=[2, 2]>(x, w)
    Result   p = Pad<[0, 0, 1, 1, 0, 0, 1, 1]>(x);  y = Conv<auto_pad="VALID", strides=[2, 2]>(p, w)

    Result   y = Conv<auto_pad="SAME_UPPER">(x, w) where the pads are provably those, at the size or at every size

    Raises Unsupported where the Indices of a MaxPool are used.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = FreshNames(model)
        modified = False
        for node in list(model.graph.all_nodes()):
            split = SPLIT.get(node.op_type) if node.domain == "" else None
            if split is not None:
                modified |= split(node, names)
        return ir.passes.PassResult(model, modified=modified)
