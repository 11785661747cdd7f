"""Attention whose mask broadcasts along queries or keys, which onnxruntime refuses: the mask is expanded."""

from __future__ import annotations

import onnx_ir as ir

from passes.graph.builder import Builder, FreshNames, sizes_of


def expand_mask(node: ir.Node, names: FreshNames) -> None:
    """Given    Attention(q, k, v, mask)           q: [B, H, T, D], k: [B, H, S, D]
    Result   Attention(q, k, v, Expand(mask, [1, 1, T, S]))
    """
    at = Builder(node, names)
    q, k, mask = node.inputs[0], node.inputs[1], node.inputs[3]
    if q is None or k is None or mask is None:
        raise ValueError(f"Node {node.name!r} lacks an input.")
    lengths = [at.size(x, 2) for x in (q, k)]
    shape = at.node("Concat", [at.constant([1, 1], "ones"), *lengths], [4], {"axis": 0})
    outer = [*([1] * (4 - len(sizes_of(mask)))), *sizes_of(mask)][:2]
    sizes = [*outer, sizes_of(q)[2], sizes_of(k)[2]]
    node.replace_input_with(3, at.node("Expand", [mask, shape], sizes))
