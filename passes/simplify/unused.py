"""Drop what no output depends on."""

from __future__ import annotations

from functools import cache

import onnx
import onnx_ir as ir

from passes.opset import OPSET


class RemoveUnused(ir.passes.InPlacePass):
    """Remove nodes and initializers that nobody reads, and optional outputs and inputs at the end of a node's list.

    Given    y, indices = MaxPool(x);  z = Relu(y);  u = Neg(x)       output z
    Result   y = MaxPool(x);           z = Relu(y)

    Inputs of the graph stay. onnx_ir's RemoveUnusedNodesPass does the same, and takes the default training_mode off
    every BatchNormalization, which ExplicitDefaults has just written there.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for graph in list(model.graphs()):
            modified |= _clean(graph)
        for graph in model.graphs():
            for value in list(graph.initializers.values()):
                if not (value.uses() or value.is_graph_output() or value.is_graph_input()):
                    del graph.initializers[value.name or ""]
                    modified = True
        return ir.passes.PassResult(model, modified)


def _clean(graph: ir.Graph) -> bool:
    modified = False
    for node in reversed(graph):
        if not any(_is_read(output) for output in node.outputs):
            graph.remove(node, safe=True)
            modified = True
            continue
        inputs, outputs = len(node.inputs), len(node.outputs)
        while inputs and node.inputs[inputs - 1] is None:
            inputs -= 1
        if outputs > 1:
            needed = _required_outputs(node.op_type) if node.domain == "" else outputs
            while outputs > needed and not _is_read(node.outputs[outputs - 1]):
                outputs -= 1
        if inputs < len(node.inputs):
            node.resize_inputs(inputs)
            modified = True
        if outputs < len(node.outputs):
            node.resize_outputs(outputs)
            modified = True
    return modified


def _is_read(value: ir.Value) -> bool:
    return bool(value.uses()) or value.is_graph_output()


@cache
def _required_outputs(op_type: str) -> int:
    """How many outputs a node of this operator must keep; the recurrent ones may keep only a later one."""
    if not onnx.defs.has(op_type, OPSET):
        return 1 << 30
    formal = onnx.defs.get_schema(op_type, OPSET).outputs
    if any(output.option == onnx.defs.OpSchema.FormalParameterOption.Variadic for output in formal):
        return 1 << 30
    required = [output.option == onnx.defs.OpSchema.FormalParameterOption.Single for output in formal]
    return max([position + 1 for position, single in enumerate(required) if single], default=1)
