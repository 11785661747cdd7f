"""Put the branch that is always taken in the place of its If."""

from __future__ import annotations

import onnx_ir as ir

from passes.graph.builder import Names


def inline_branch(node: ir.Node, taken: bool, names: Names) -> None:
    """Move the nodes of one branch to right after the If, and remove it.

    Given    y = If<then: t = Relu(x) → t; else: e = Neg(x) → e>(true)
    Result   y = Relu(x)

    A walk that stands at the If comes to the moved nodes next. torch's TorchScript exporter writes such an If for every
    `squeeze` of an axis that may or may not be 1. Branches side by side may use the same names: NameFixPass, the last
    of the stage, tells those apart.
    """
    branch = node.attributes["then_branch" if taken else "else_branch"].as_graph()
    graph = node.graph
    if graph is None:
        raise ValueError(f"Node {node.name!r} is in no graph.")
    results = list(branch.outputs)
    branch.outputs.clear()  # first: what is an output still belongs to the branch
    for value in list(branch.initializers.values()):
        del branch.initializers[value.name or ""]
        if isinstance(graph, ir.Graph):
            if value.name is not None and value.name in graph.initializers:
                value.name = names.fresh(value.name)
            graph.register_initializer(value)
    nodes = list(branch)
    branch.remove(nodes)
    for moved in nodes:
        for key, text in node.metadata_props.items():
            moved.metadata_props.setdefault(key, text)
    at = node
    for moved in nodes:
        graph.insert_after(at, moved)
        at = moved
    for output, result in zip(node.outputs, results, strict=True):
        is_taken = result.producer() is None or result.is_graph_output() or result.graph is not graph
        if output.is_graph_output() and is_taken:
            copy = ir.node("Identity", [result], name=node.name)
            copy.metadata_props.update(node.metadata_props)
            graph.insert_after(at, copy)
            result = copy.outputs[0]
            result.shape, result.type = output.shape, output.type
        if output.is_graph_output():
            name, output.name = output.name, None
            result.name = name
        output.replace_all_uses_with(result, replace_graph_outputs=True)
    graph.remove(node, safe=True)
    _let_go(node.attributes["else_branch" if taken else "then_branch"].as_graph())


def _let_go(branch: ir.Graph) -> None:
    """What is not taken reads nothing any more: values outside of it would seem to be in use."""
    branch.outputs.clear()
    for node in list(branch.all_nodes()):
        for place in range(len(node.inputs)):
            node.replace_input_with(place, None)
