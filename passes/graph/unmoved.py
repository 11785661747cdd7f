"""What computes the same whatever the inputs of the model are: from constants alone, which may be weights."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import onnx_ir as ir

RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)
MOST_STEPS = 60
"""How many nodes before one are looked at."""


def unmoved_nodes(nodes: Iterable[ir.Node], *, but_for_sizes: bool = False) -> dict[ir.Node, None]:
    """Those of the nodes, which are sorted, in their order.

    Args:
        but_for_sizes: also those that depend on the sizes of inputs, which may turn out to be known.
    """
    found: dict[ir.Node, None] = {}
    for node in nodes:
        is_size = but_for_sizes and node.op_type in ("Shape", "Size")
        if is_size or (_may_be(node) and _follows(node, found)):
            found[node] = None
    return found


def _follows(node: ir.Node, found: Collection[ir.Node]) -> bool:
    return all(_is_known(x) or x.producer() in found for x in node.inputs if x is not None)


def is_unmoved(node: ir.Node) -> bool:
    """Whether a node is one of them."""
    pending, seen = [node], {node}
    while pending:
        current = pending.pop()
        if not _may_be(current) or len(seen) > MOST_STEPS:
            return False
        for x in current.inputs:
            if x is None or _is_known(x):
                continue
            producer = x.producer()
            if producer is None:
                return False
            if producer not in seen:
                seen.add(producer)
                pending.append(producer)
    return True


def _may_be(node: ir.Node) -> bool:
    return node.op_type not in RANDOM and not has_graphs(node)


def has_graphs(node: ir.Node) -> bool:
    """Whether it is an If or a loop."""
    graphs = (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
    return any(attribute.type in graphs for attribute in node.attributes.values())


def _is_known(value: ir.Value) -> bool:
    return value.const_value is not None and not value.is_graph_input()
