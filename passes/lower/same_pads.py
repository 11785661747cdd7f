"""SAME where onnxruntime refuses it or computes it wrongly, with the pads spelled out.

Keras does all of these, so that only graphs on their way to onnxruntime are changed.
"""

from __future__ import annotations

import onnx_ir as ir

from passes.facts.onnxruntime import is_dilated_same, is_sparse_same_pool
from passes.graph.builder import FreshNames
from passes.padding.conv import split_conv
from passes.padding.pools import split_average_pool, split_max_pool

_SPLIT = {"Conv": split_conv, "MaxPool": split_max_pool, "AveragePool": split_average_pool}


def is_faulty_same(node: ir.Node) -> bool:
    """Is this a SAME that onnxruntime cannot be trusted with, on an input whose rank is known?"""
    if node.op_type not in _SPLIT or node.inputs[0] is None or node.inputs[0].shape is None:
        return False
    return is_dilated_same(node) or is_sparse_same_pool(node)


def spell_out_same(node: ir.Node, names: FreshNames) -> None:
    """Write the pads as nodes.

    Given    Conv<auto_pad="SAME_UPPER", dilations=[2, 2]>(x, w)
    Result   Conv<auto_pad="VALID", dilations=[2, 2]>(Pad(x), w)
    """
    _SPLIT[node.op_type](node, names, fold=False)
