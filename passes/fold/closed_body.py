"""The bodies of a node made to stand alone: what they take from outside comes in by inputs, or lies in them.

Given    If<then: a = Add(x, w) → a; else: b = Neg(x) → b>          x is live, w a constant
Result   then: (x') → a = Add(x', w'), with w' in it; else: (x'') → b = Neg(x''); and [x], for the node to hand in
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import onnx_ir as ir

from passes.dims.polynomial import Dim
from passes.errors import Unsupported, describe
from passes.fold.loops.unrolled import Numbers, Shapes
from passes.graph.builder import FreshNames, shape_of


def close(
    bodies: Sequence[ir.Graph], node: ir.Node, names: FreshNames, numbers: Numbers, shape: Shapes
) -> list[ir.Value]:
    """Add to each body, behind its own, an input for every live value that any of them takes: these, in that order.

    Args:
        node: whose bodies they are.
        numbers: the constant contents of a value, or None.
        shape: the inferred shape of a value, or None.

    Raises:
        Unsupported: one has no known shape.
    """
    each = [_taken_from_outside(body) for body in bodies]
    taken = dict.fromkeys(value for values in each for value in values)
    live = [value for value in taken if value.const_value is None and numbers(value) is None]
    faceless = next((value for value in live if shape(value) is None), None)
    if faceless is not None:
        raise Unsupported(
            f"{faceless.name!r}, which a body takes from outside, is a list, or has no known number of axes.",
            node=describe(node),
        )
    for body, values in zip(bodies, each, strict=True):
        inside = {value: add_input(body, names, value.name or "given", shape(value), value.dtype) for value in live}
        for value in values:
            if value not in inside:
                inside[value] = _copied(body, names, value, numbers)
        _rewire(body, inside)
    return live


def add_input(
    body: ir.Graph, names: FreshNames, name: str, sizes: Sequence[Dim] | None, dtype: ir.DataType | None
) -> ir.Value:
    value = ir.Value(name=names.fresh(name))
    declare(value, sizes, dtype)
    body.inputs.append(value)
    return value


def declare(value: ir.Value, sizes: Sequence[Dim] | None, dtype: ir.DataType | None) -> None:
    """Raises:
    ValueError: the sizes or the element type are not known."""
    if sizes is None or dtype is None:
        raise ValueError(f"The shape of {value.name!r} is not known.")
    value.shape, value.dtype = shape_of(sizes), dtype


def add_constant(
    body: ir.Graph, names: FreshNames, numbers: np.ndarray | ir.TensorProtocol, label: str, like: ir.Value | None = None
) -> ir.Value:
    """An initializer of the body; `like` is the one that it stands for."""
    name = names.fresh(label)
    tensor = ir.tensor(numbers, name=name) if isinstance(numbers, np.ndarray) else numbers
    shape = ir.Shape(tensor.shape.numpy())
    value = ir.Value(name=name, const_value=tensor, shape=shape, type=ir.TensorType(tensor.dtype))
    value.metadata_props.update({} if like is None else like.metadata_props)
    body.register_initializer(value)
    return value


def _copied(body: ir.Graph, names: FreshNames, value: ir.Value, numbers: Numbers) -> ir.Value:
    tensor = value.const_value if value.const_value is not None else numbers(value)
    assert tensor is not None
    return add_constant(body, names, tensor, value.name or "constant", value)


def _taken_from_outside(body: ir.Graph) -> Iterable[ir.Value]:
    """The values that nodes of the body, or of bodies in it, read and that are none of theirs: each once, in order."""
    own: set[ir.Value] = set()
    for graph in (body, *body.subgraphs()):
        own.update(graph.inputs, graph.initializers.values(), (value for node in graph for value in node.outputs))
    read = [value for node in body.all_nodes() for value in node.inputs if value is not None]
    return dict.fromkeys(value for value in (*read, *body.outputs) if value not in own)


def _rewire(body: ir.Graph, inside: dict[ir.Value, ir.Value]) -> None:
    for node in body.all_nodes():
        for place, taken in enumerate(node.inputs):
            if taken is not None and taken in inside:
                node.replace_input_with(place, inside[taken])
    body.outputs[:] = [inside.get(value, value) for value in body.outputs]
