"""Softmax, LogSoftmax and Hardmax as they were below opset 13: over everything from an axis on.

Given    y = keraport::FlattenedSoftmax<axis=1>(x)                x: [batch, 1000]
Result   y = Softmax<axis=1>(x)

Given    the same                                                 x: [batch, 8, 49]
Result   f = Reshape(x, [0, -1]);  s = Softmax<axis=1>(f);  y = Reshape(s, [-1, 8, 49])

Where all sizes from the axis on but one are 1, that one is the axis: most files mean it so.
"""

from __future__ import annotations

import onnx_ir as ir

from passes.dims.polynomial import product
from passes.graph.builder import Builder, FreshNames, first_input, sizes_of
from passes.lower.meanings import FLATTENED
from passes.normalize.operators.rewrite_each import RewriteEach


class NormalizeSoftmax(RewriteEach):
    """Write the flattening out, now that ranks are known."""

    def wanted(self, node: ir.Node) -> bool:
        return node.domain == "keraport" and node.op_type.startswith(FLATTENED)

    def rewrite(self, node: ir.Node, names: FreshNames) -> None:
        _settle(node, names)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        result = super().call(model)
        if result.modified and not any(node.domain == "keraport" for node in model.graph.all_nodes()):
            model.opset_imports.pop("keraport", None)
        return result


def _settle(node: ir.Node, names: FreshNames) -> None:
    x = first_input(node)
    sizes = sizes_of(x)
    rank = len(sizes)
    axis = node.attributes["axis"].as_int()
    axis += rank if axis < 0 else 0
    long = [position for position in range(axis, rank) if sizes[position] != 1]
    node.op_type, node.domain = node.op_type.removeprefix(FLATTENED), ""
    if len(long) <= 1 and axis < rank:
        node.attributes.add(ir.AttrInt64("axis", long[0] if long else rank - 1))
        return
    at = Builder(node, names)
    known = [size for size in sizes if size is not None]
    flat = at.node(
        "Reshape", [x, at.constant([0] * axis + [-1], "flat")], [*known[:axis], product(known[axis:])], {"allowzero": 0}
    )
    y = at.node(node.op_type, [flat], sizes_of(flat), {"axis": axis}, name=node.name)
    target = [size if isinstance(size, int) else 0 if place < axis else -1 for place, size in enumerate(sizes)]
    if target.count(-1) <= 1:
        shape = at.constant(target, "shape")
    else:
        shape = at.node("Shape", [x], [rank], {"start": 0}, dtype=ir.DataType.INT64)
    at.replace(at.node("Reshape", [y, shape], sizes, {"allowzero": 0}))
