"""A reduction that keeps its axes, only for a reshape to drop them, drops them itself."""

from __future__ import annotations

import onnx_ir as ir

REDUCTIONS = ("ReduceMean", "ReduceMax", "ReduceSum", "ReduceMin", "ReduceL2", "ReduceSumSquare")


class DropKeepdims(ir.passes.InPlacePass):
    """Given    p = ReduceMean<keepdims=1>(x, [1, 2]);  y = Reshape(p, [0, 512])        x: [n, h, w, 512]
    Result   y = ReduceMean<keepdims=0>(x, [1, 2])

    which is GlobalAveragePooling2D without a Flatten. Not when the pooled value is read elsewhere too, or is an output.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in model.graph:
            if node.domain == "" and node.op_type in REDUCTIONS and node.attributes.get_int("keepdims", 1) == 1:
                modified |= _drop(model.graph, node)
        return ir.passes.PassResult(model, modified)


def _drop(graph: ir.Graph, node: ir.Node) -> bool:
    kept = node.outputs[0]
    uses = list(kept.uses())
    axes = node.inputs[1].const_value if len(node.inputs) > 1 and node.inputs[1] is not None else None
    if axes is None or len(uses) != 1 or kept.is_graph_output() or kept.shape is None:
        return False
    reshape = uses[0].node
    after = reshape.outputs[0]
    reduced = {int(axis) % len(kept.shape) for axis in axes.numpy()}
    left = [size for axis, size in enumerate(kept.shape) if axis not in reduced]
    if reshape.op_type != "Reshape" or after.shape is None or list(after.shape) != left:
        return False
    kept.shape = after.shape
    node.attributes["keepdims"] = ir.AttrInt64("keepdims", 0)
    name = after.name
    ir.convenience.replace_all_uses_with(after, kept, replace_graph_outputs=True)
    graph.remove(reshape, safe=True)
    kept.name = name
    return True
