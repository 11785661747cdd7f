"""Dropout does nothing in inference, and is kept for who trains on: but not where it would part what is one layer."""

from __future__ import annotations

import onnx_ir as ir

from passes.graph.match import reader


class RemoveDropout(ir.passes.InPlacePass):
    """Given    w = Softmax(s);  d = Dropout(w, rate);  y = MatMul(d, v)
    Result   w = Softmax(s);  y = MatMul(w, v)

    Keras' attention on queries, keys and values has no dropout of its weights. Not a Dropout that trains, nor, unless
    `everywhere`, one elsewhere.
    """

    def __init__(self, *, everywhere: bool = False) -> None:
        super().__init__()
        self.everywhere = everywhere

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        found = [node for node in model.graph.all_nodes() if is_idle(node) and (self.everywhere or _of_weights(node))]
        for node in found:
            x, y = node.inputs[0], node.outputs[0]
            assert x is not None and node.graph is not None
            if y.is_graph_output():
                node.op_type = "Identity"
                node.resize_inputs(1)
                node.resize_outputs(1)
                continue
            y.replace_all_uses_with(x)
            node.graph.remove(node, safe=True)
        return ir.passes.PassResult(model, bool(found))


def is_idle(node: ir.Node) -> bool:
    """Whether it is a Dropout in inference of which nobody reads the mask."""
    if (
        node.domain != ""
        or node.op_type != "Dropout"
        or any(output.uses() or output.is_graph_output() for output in node.outputs[1:])
    ):
        return False
    training = node.inputs[2] if len(node.inputs) > 2 else None
    return training is None or (training.const_value is not None and not training.const_value.numpy().any())


def rate_of(node: ir.Node) -> float | None:
    """What share it leaves out while training; None where that is computed."""
    ratio = node.inputs[1] if len(node.inputs) > 1 else None
    if ratio is None:
        return 0.5
    return None if ratio.const_value is None else float(ratio.const_value.numpy().reshape(-1)[0])


def _of_weights(node: ir.Node) -> bool:
    source = None if node.inputs[0] is None else node.inputs[0].producer()
    user = reader(node.outputs[0])
    return source is not None and source.op_type == "Softmax" and user is not None and user.op_type == "MatMul"
