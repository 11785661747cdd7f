"""The nodes of a sub-graph move into the graph around it."""

from __future__ import annotations

import onnx_ir as ir

from passes.graph.builder import FreshNames


def graph_of(node: ir.Node) -> ir.Graph:
    if not isinstance(node.graph, ir.Graph):
        raise ValueError(f"Node {node.name!r} is in no graph.")
    return node.graph


def hand_on(old: ir.Value, new: ir.Value) -> None:
    """Let a value take another's place: its name, shape, type and users."""
    new.name, old.name = old.name, None
    new.shape, new.type = old.shape, old.type
    old.replace_all_uses_with(new, replace_graph_outputs=True)


def move_body(
    body: ir.Graph, node: ir.Node, at: ir.Node, names: FreshNames, *, renamed: bool = False
) -> tuple[ir.Node, list[ir.Value]]:
    """Put the body's nodes behind `at`, in the graph of `node`, whose body it is: the last of them, and the results.

    Args:
        renamed: give the values fresh names: another body in the same graph may use theirs.
    """
    graph = graph_of(node)
    results = list(body.outputs)
    body.outputs.clear()  # first: what is an output still belongs to the body
    for value in list(body.initializers.values()):
        del body.initializers[value.name or ""]
        if value.name is not None and value.name in graph.initializers:
            value.name = names.fresh(value.name)
        graph.register_initializer(value)
    nodes = list(body)
    for value in (output for inner in nodes if renamed for output in inner.outputs):
        value.name = names.fresh(value.name) if value.name else value.name
    body.remove(nodes)
    for moved in nodes:
        for key, text in node.metadata_props.items():
            moved.metadata_props.setdefault(key, text)
        graph.insert_after(at, moved)
        at = moved
    return at, results


def let_go(body: ir.Graph) -> None:
    """A body that is not computed reads nothing any more: values outside of it would seem to be in use."""
    body.outputs.clear()
    for node in list(body.all_nodes()):
        for place in range(len(node.inputs)):
            node.replace_input_with(place, None)
