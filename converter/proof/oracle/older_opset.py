"""A graph at an older opset, where onnxruntime has a kernel for that alone."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from passes.facts.onnxruntime import NEWEST_KERNELS


def with_kernels(model: ir.Model) -> ir.Model:
    """The graph at the newest opset at which onnxruntime has all that it has at some, if its operators are the same
    there; else the graph itself. The model given is never changed."""
    opset = model.opset_imports.get("", 0)
    nodes = [node for node in model.graph.all_nodes() if node.domain == ""]
    newest = min((NEWEST_KERNELS.get(node.op_type, opset) for node in nodes), default=opset)
    if newest >= opset or not all(_is_the_same(node, newest) for node in nodes):
        return model
    older = model.clone()
    older.opset_imports[""] = newest
    return older


def _is_the_same(node: ir.Node, opset: int) -> bool:
    """Whether the operator is there at an older opset, with the attributes that the node has. What newer opsets change
    besides are the types that they take."""
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, "")
    except onnx.defs.SchemaError:
        return False
    return node.attributes.keys() <= schema.attributes.keys()
