"""One number as a scalar, or with an axis of one: PaddlePaddle's scalars have an axis here and there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import onnx_ir as ir

from passes.dims.polynomial import Dim
from passes.graph.builder import FreshNames

_TAKES_SCALARS = """
    Add And BitwiseAnd BitwiseOr BitwiseXor Cast Div Equal Greater GreaterOrEqual Identity If Less LessOrEqual Max Mean
    Min Mod Mul Not Or Pow Sub Sum Where Xor
"""
TAKES_SCALARS = frozenset(_TAKES_SCALARS.split())
"""What computes the same number of both."""


def are_one_number(*shapes: Sequence[Dim | None] | None) -> bool:
    return all(shape is not None and all(size == 1 for size in shape) for shape in shapes)


def owners_of(model: ir.Model) -> dict[int, ir.Node]:
    """The node of every sub-graph, by the sub-graph's id."""
    return {
        id(attribute.value): node
        for node in model.graph.all_nodes()
        for attribute in node.attributes.values()
        if isinstance(attribute.value, ir.Graph)
    }


def are_taken_as_scalars(values: Iterable[ir.Value], owners: Mapping[int, ir.Node]) -> bool:
    """Whether the axes of one number make no difference to whatever takes it, to what that makes of it, and so on.

    Args:
        owners: of `owners_of`. What leaves the body of a loop, or the model, is an answer.
    """
    pending, seen = list(values), set[ir.Value]()
    while pending:
        value = pending.pop()
        if value in seen:
            continue
        seen.add(value)
        outside = _outside(value, owners) if value.is_graph_output() else []
        if outside is None:
            return False
        pending += outside
        for taker, _ in value.uses():
            if taker.domain != "" or taker.op_type not in TAKES_SCALARS:
                return False
            others = [other for other in taker.inputs if other is not None and other not in seen]
            if taker.op_type != "If" and not any(other.shape is not None and len(other.shape) for other in others):
                pending += taker.outputs
    return True


def _outside(value: ir.Value, owners: Mapping[int, ir.Node]) -> list[ir.Value] | None:
    """What an output of a branch becomes."""
    owner = owners.get(id(value.graph))
    if owner is None or owner.op_type != "If" or not isinstance(value.graph, ir.Graph):
        return None
    return [owner.outputs[place] for place, output in enumerate(value.graph.outputs) if output is value]


def make_scalar(graph: ir.Graph, place: int, names: FreshNames) -> ir.Node:
    """The Squeeze that takes the axes of an output of a sub-graph, which is one number."""
    value = graph.outputs[place]
    squeezed = ir.Value(name=names.fresh(f"{value.name}_scalar"), shape=ir.Shape([]), type=value.type)
    node = ir.Node("", "Squeeze", [value], outputs=[squeezed], name=squeezed.name)
    graph.append(node)
    graph.outputs[place] = squeezed
    return node
