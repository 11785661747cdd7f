"""A reduction that keeps its axes, only for a reshape to drop them, drops them itself."""

from __future__ import annotations

import onnx_ir as ir

from passes.graph.builder import Builder, FreshNames
from passes.simplify.dropout import is_idle

REDUCTIONS = ("ReduceMean", "ReduceMax", "ReduceSum", "ReduceMin", "ReduceL2", "ReduceSumSquare")
POOLS = {"GlobalAveragePool": "ReduceMean", "GlobalMaxPool": "ReduceMax"}
"""Reductions over all spatial axes that cannot but keep them."""


class DropKeepdims(ir.passes.InPlacePass):
    """Given    p = ReduceMean<keepdims=1>(x, [1, 2]);  y = Reshape(p, [0, 512])        x: [n, h, w, 512]
    Result   y = ReduceMean<keepdims=0>(x, [1, 2])

    Given    p = GlobalAveragePool(x);  y = Flatten(p)        x: [n, 512, h, w]
    Result   y = ReduceMean<keepdims=0>(x, [2, 3])

    which is GlobalAveragePooling2D without a Flatten. A Dropout between the two stays between them. Not when the pooled
    value is read elsewhere too, or is an output.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        names: FreshNames | None = None
        for node in model.graph:
            if node.domain != "" or node.op_type not in (*REDUCTIONS, *POOLS):
                continue
            axes = _kept_axes(node)
            reshape = _dropping(node.outputs[0], axes) if axes else None
            if reshape is None:
                continue
            if node.op_type in POOLS:
                names = names or FreshNames(model)
                node = _reduction(node, axes, names)
            _drop(model.graph, node, reshape)
            modified = True
        return ir.passes.PassResult(model, modified)


def _kept_axes(node: ir.Node) -> list[int]:
    """The axes that it reduces to 1; none where it drops them, or where they are computed."""
    x = node.inputs[0]
    if x is None or x.shape is None:
        return []
    rank = len(x.shape)
    if node.op_type in POOLS:
        return list(range(2, rank))
    axes = node.inputs[1].const_value if len(node.inputs) > 1 and node.inputs[1] is not None else None
    if axes is None or not node.attributes.get_int("keepdims", 1):
        return []
    return [int(axis) % rank for axis in axes.numpy().reshape(-1)]


def _dropping(kept: ir.Value, axes: list[int]) -> ir.Node | None:
    """The only reader of a value, where it takes away exactly these axes."""
    uses = list(kept.uses())
    if len(uses) != 1 or kept.is_graph_output() or kept.shape is None:
        return None
    reshape = uses[0].node
    after = reshape.outputs[0]
    if is_idle(reshape):
        return _dropping(after, axes)
    left = [size for axis, size in enumerate(kept.shape) if axis not in axes]
    drops = reshape.op_type in ("Reshape", "Flatten", "Squeeze") and after.shape is not None
    return reshape if drops and list(after.shape or ()) == left else None


def _reduction(pool: ir.Node, axes: list[int], names: FreshNames) -> ir.Node:
    at = Builder(pool, names)
    sizes = list(pool.outputs[0].shape or ())
    value = at.node(
        POOLS[pool.op_type], [pool.inputs[0], at.constant(axes, "axes")], [None] * len(sizes), name=pool.name
    )
    at.replace(value)
    reduction = value.producer()
    assert reduction is not None
    return reduction


def _drop(graph: ir.Graph, node: ir.Node, reshape: ir.Node) -> None:
    after, kept = reshape.outputs[0], reshape.inputs[0]
    assert kept is not None
    node.outputs[0].shape = kept.shape = after.shape
    node.attributes["keepdims"] = ir.AttrInt64("keepdims", 0)
    name = after.name
    ir.convenience.replace_all_uses_with(after, kept, replace_graph_outputs=True)
    graph.remove(reshape, safe=True)
    kept.name = name
