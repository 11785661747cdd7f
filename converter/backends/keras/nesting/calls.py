"""The calls of a module: one that is called twice is one nested model, called twice."""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.backends.keras.build.names import module_path
from passes.errors import operator
from passes.graph.weight_views import WEIGHT_KEY

Value = ir.Value | None


def calls_of(nodes: list[ir.Node]) -> list[list[ir.Node]]:
    """Take the nodes of one module apart into its calls.

    Args:
        nodes: all nodes of the module, in the graph's order.
    Returns:
        A list of nodes for each call, in the graph's order for the first one: the nth node of each call does what the
        nth of every other does. One list where the module is called once, holds no weights that calls could share, or
        is called on something else (another size, another branch): their graphs then differ.
    """
    roles: dict[Any, list[ir.Node]] = {}
    for node in nodes:
        roles.setdefault(_role(node), []).append(node)
    most = gcd(*map(len, roles.values()))
    if most == 1 or not any(weights for _, _, weights in roles):
        return [nodes]
    position = {node: index for index, node in enumerate(nodes)}
    for count in range(most, 1, -1):
        if most % count == 0:
            calls = _apart(list(roles.values()), count, position)
            if all(_are_equal(calls[0], call) for call in calls[1:]):
                return calls
    return [nodes]


def feeds_itself(calls: list[list[ir.Node]]) -> bool:
    """Whether a call takes directly what another one gives, as in a loop."""
    owner = {value: index for index, call in enumerate(calls) for node in call for value in node.outputs}
    return any(
        owner.get(value, index) != index
        for index, call in enumerate(calls)
        for node in call
        for value in node.inputs
        if value is not None
    )


def _role(node: ir.Node) -> Any:
    """What the nodes of different calls have in common: the operator, the module, the weights."""
    weights = tuple(id(value) for value in node.inputs if value is not None and WEIGHT_KEY in value.metadata_props)
    return operator(node), module_path(node), weights


def _apart(roles: list[list[ir.Node]], count: int, position: dict[ir.Node, int]) -> list[list[ir.Node]]:
    """The first nodes of each role are the first call's: modules run one after the other."""
    rows: list[tuple[ir.Node, ...]] = []
    for nodes in roles:
        each = len(nodes) // count
        rows += (tuple(nodes[start + each * index] for index in range(count)) for start in range(each))
    rows.sort(key=lambda row: position[row[0]])
    return [list(call) for call in zip(*rows, strict=True)]


def _are_equal(first: list[ir.Node], second: list[ir.Node]) -> bool:
    """Whether two graphs are the same: operators, attributes, constants, wiring, and what comes in from outside."""
    inside = {mine: theirs for pair in zip(first, second, strict=True) for mine, theirs in _results(*pair)}
    images = set(inside.values())
    outside: dict[ir.Value, ir.Value] = {}
    back: dict[ir.Value, ir.Value] = {}
    for a, b in zip(first, second, strict=True):
        if len(a.inputs) != len(b.inputs) or len(a.outputs) != len(b.outputs) or not _same_attributes(a, b):
            return False
        for mine, theirs in zip(a.inputs, b.inputs, strict=True):
            if mine is None or theirs is None or mine.const_value is not None or theirs.const_value is not None:
                if not _same_constant(mine, theirs):
                    return False
            elif mine in inside or theirs in images:
                if inside.get(mine) is not theirs:
                    return False
            else:
                pairs = outside.setdefault(mine, theirs), back.setdefault(theirs, mine)
                if pairs != (theirs, mine) or not _same_kind(mine, theirs):
                    return False
    return True


def _results(a: ir.Node, b: ir.Node) -> Iterator[tuple[ir.Value, ir.Value]]:
    return zip(a.outputs, b.outputs, strict=False)


def _same_attributes(a: ir.Node, b: ir.Node) -> bool:
    return a.attributes.keys() == b.attributes.keys() and all(
        attribute.type == b.attributes[name].type and _same_content(attribute.value, b.attributes[name].value)
        for name, attribute in a.attributes.items()
    )


def _same_content(a: Any, b: Any) -> bool:
    if isinstance(a, ir.TensorProtocol):
        return bool(a.dtype == b.dtype and np.array_equal(a.numpy(), b.numpy()))
    return bool(a == b)


def _same_constant(a: Value, b: Value) -> bool:
    if a is b:
        return True
    if a is None or b is None or a.const_value is None or b.const_value is None:
        return False
    if WEIGHT_KEY in a.metadata_props or WEIGHT_KEY in b.metadata_props:
        return False  # two weights are two, though they may hold the same today
    return _same_content(a.const_value, b.const_value)


def _same_kind(a: ir.Value, b: ir.Value) -> bool:
    """Equal in type, rank and the sizes that are fixed: the same model can be called on both."""
    return a.dtype == b.dtype and fixed_sizes(a) == fixed_sizes(b)


def fixed_sizes(value: ir.Value) -> tuple[int | None, ...]:
    """The shape as Keras writes it: None for a size that is open."""
    return tuple(size if isinstance(size, int) else None for size in value.shape or ())
