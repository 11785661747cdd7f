"""What the raise passes look at: who made a value, which constant it is, and whether a group of nodes is closed.

A pattern starts at its rarest operator and walks from there, collecting the nodes that it goes through. The group may
be replaced only if nobody outside of it reads what is computed inside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from passes.graph.reasons import NoMatch


def maker(value: ir.Value | None, *op_types: str) -> ir.Node | None:
    """The node that makes a value, if it is one of these standard operators and makes nothing else."""
    node = value.producer() if value is not None else None
    if node is None or node.domain != "" or node.op_type not in op_types or len(node.outputs) != 1:
        return None
    return node


def reader(value: ir.Value) -> ir.Node | None:
    """The only node that reads a value, and reads it once; None for outputs of the graph."""
    uses = value.uses()
    return next(iter(uses)).node if len(uses) == 1 and not value.is_graph_output() else None


def number(value: ir.Value | None) -> float | None:
    """A constant of one element as a number."""
    tensor = value.const_value if value is not None else None
    if tensor is None or tensor.size != 1:
        return None
    return float(tensor.numpy().reshape(()))


def close(found: float | None, wanted: float, dtype: ir.DataType | None) -> bool:
    """Is a constant the number meant, to the rounding of its type?"""
    if found is None:
        return False
    kind = (dtype or ir.DataType.FLOAT).numpy()
    step = 2.0**-8 if kind.name == "bfloat16" else float(np.finfo(kind).eps) if kind.kind == "f" else 0.0
    return abs(found - wanted) <= max(step, 1e-7) * abs(wanted)


def with_constant(node: ir.Node) -> tuple[ir.Value, float] | None:
    """The operands of a node with two inputs, one of which is a single number."""
    if len(node.inputs) != 2 or node.inputs[0] is None or node.inputs[1] is None:
        return None
    a, b = node.inputs[0], node.inputs[1]
    if (found := number(b)) is not None:
        return a, found
    if (found := number(a)) is not None and node.op_type in ("Add", "Mul"):
        return b, found
    return None


def reduced_axes(node: ir.Node) -> tuple[int, ...] | None:
    """The axes of a reduction that keeps its rank, counted from the front; None where they are all, or computed."""
    x = node.inputs[0]
    if x is None or x.shape is None or not node.attributes.get_int("keepdims", 1):
        return None
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        tensor = node.inputs[1].const_value
        axes = [] if tensor is None else tensor.numpy().reshape(-1).tolist()
    else:
        axes = list(node.attributes.get_ints("axes", ()))
    return tuple(sorted(axis % len(x.shape) for axis in axes)) or None


def other(node: ir.Node, value: ir.Value) -> ir.Value | None:
    """The operand of a node with two inputs that is not `value`."""
    if len(node.inputs) != 2 or value not in node.inputs:
        return None
    return node.inputs[1] if node.inputs[0] is value else node.inputs[0]


def check_closed(nodes: Iterable[ir.Node], last: ir.Node) -> None:
    """Only these nodes may read what they make, save for what the last one makes.

    Raises:
        NoMatch: naming a value that is read elsewhere.
    """
    group = set(nodes) | {last}
    for node in group - {last}:
        for value in node.outputs:
            if value.is_graph_output():
                raise NoMatch(f"the step {value.name!r} is an output")
            if any(use.node not in group for use in value.uses()):
                raise NoMatch(f"the step {value.name!r} is read elsewhere, too")


def check_rank(x: ir.Value, last: ir.Node) -> None:
    """The outcome must have the axes of x: a number written as [[[[0.5]]]] adds some.

    Raises:
        NoMatch: it has others, or their number is not known.
    """
    y = last.outputs[0]
    if x.shape is None or y.shape is None or len(x.shape) != len(y.shape):
        raise NoMatch("a constant adds axes to x")


def raise_group(
    nodes: Iterable[ir.Node],
    last: ir.Node,
    op_type: str,
    inputs: Sequence[ir.Value | None],
    attributes: Mapping[str, Any] | None = None,
    *,
    domain: str = "",
) -> ir.Node:
    """Put one node in the place of a closed group: its output, name and module path are those of the last node."""
    graph, old = last.graph, last.outputs[0]
    if graph is None:
        raise ValueError(f"Node {last.name!r} is in no graph.")
    new = ir.Value(name=old.name, shape=old.shape, type=old.type)
    new.metadata_props.update(old.metadata_props)
    node = ir.node(op_type, inputs, attributes, domain=domain, outputs=[new], name=last.name)
    node.metadata_props.update(last.metadata_props)
    graph.insert_before(last, node)
    old.name = None
    old.replace_all_uses_with(new, replace_graph_outputs=True)
    graph.remove(dict.fromkeys([*nodes, last]), safe=True)
    return node
