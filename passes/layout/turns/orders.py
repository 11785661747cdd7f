"""Operators that can give their result with its axes in another order: what their inputs and attributes are then."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import onnx_ir as ir

from passes.errors import operator
from passes.graph.builder import sizes_of
from passes.layout.rules.elementwise import broadcasting, unary
from passes.layout.walk.registry import RULES
from passes.registry import Registry

Order = tuple[int, ...]
"""The axes of a value as they are wanted: perm of a Transpose."""


@dataclass(frozen=True)
class Turn:
    """A node that gives its result in another order.

    Attributes:
        orders: of the inputs; None where one stays as it is. One of fewer axes has further ones of size 1 in front.
        attributes: those that change.
        axes: the input that says axes or sizes as a constant, and these.
        is_light: whether it may be computed once more, where the result is read in its old order, too.
        operator: type and domain of what gives it; None where it is the node's own.
        is_led: whether the first input, and what is made, have an axis of size 1 in front.
        is_nothing: whether the result is the first input in that order.
    """

    orders: Sequence[Order | None]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    axes: tuple[int, list[int]] | None = None
    is_light: bool = False
    operator: tuple[str, str] | None = None
    is_led: bool = False
    is_nothing: bool = False


TurnRule = Callable[[ir.Node, Order], Turn | None]
TURNS: Registry[str, TurnRule] = Registry("turns")


def turn_of(node: ir.Node, order: Order) -> Turn | None:
    """How the node gives its result with the axes in this order; None where it cannot."""
    name = operator(node)
    if RULES.get(name) in (unary, broadcasting):
        return _each_element(node, order)
    rule = TURNS.get(name)
    return None if rule is None else rule(node, order)


def _each_element(node: ir.Node, order: Order) -> Turn:
    """f(x, y): all inputs likewise, but for single numbers."""
    orders = [None if value is None or all(size == 1 for size in sizes_of(value)) else order for value in node.inputs]
    return Turn(orders, is_light=True)


@TURNS.register("Unsqueeze")
def _unsqueeze(node: ir.Node, order: Order) -> Turn | None:
    axes = node.inputs[1]
    if axes is None or axes.const_value is None:
        return None
    new = {int(axis) % len(order) for axis in axes.const_value.numpy().ravel()}
    kept = [axis for axis in range(len(order)) if axis not in new]
    inner = tuple(kept.index(axis) for axis in order if axis not in new)
    return Turn([inner, None], axes=(1, [place for place, axis in enumerate(order) if axis in new]), is_light=True)


@TURNS.register("Squeeze")
def _squeeze(node: ir.Node, order: Order) -> Turn | None:
    """What goes is behind all that stays."""
    axes, x = node.inputs[1], node.inputs[0]
    if axes is None or axes.const_value is None or x is None:
        return None
    rank = len(sizes_of(x))
    gone = sorted(int(axis) % rank for axis in axes.const_value.numpy().ravel())
    kept = [axis for axis in range(rank) if axis not in gone]
    return Turn([(*(kept[axis] for axis in order), *gone), None], axes=(1, [*range(len(kept), rank)]), is_light=True)


@TURNS.register("Einsum")
def _einsum(node: ir.Node, order: Order) -> Turn | None:
    """The letters of the result in another order."""
    terms, arrow, result = node.attributes["equation"].as_string().replace(" ", "").partition("->")
    if not arrow or "." in terms:
        return None
    letters = "".join(result[axis] for axis in order)
    return Turn([None] * len(node.inputs), {"equation": f"{terms}->{letters}"})


@TURNS.register("Gather")
def _lookup(node: ir.Node, order: Order) -> Turn | None:
    """Rows of a table [n, k] at indices of any axes are columns of [k, n] at the same ones, where these stay together.

    Not of a table that is read elsewhere, too: it would be two. Places that are constant are part of a look at it.
    """
    table, indices = node.inputs[0], node.inputs[1]
    if table is None or indices is None:
        return None
    if table.const_value is not None and (len(table.uses()) != 1 or indices.const_value is not None):
        return None
    count, rank = len(sizes_of(indices)), len(sizes_of(table))
    axis = node.attributes.get_int("axis", 0) % rank
    places = tuple(range(axis, axis + count))
    start = order.index(axis) if count else 0  # which is gone after it
    if order[start : start + count] != places:
        return None
    rest = [other if other < axis else other - count + 1 for other in order if other not in places]
    return Turn([(*rest[:start], axis, *rest[start:]), None], {"axis": start})


@TURNS.register("Softmax", "LogSoftmax")
def _softmax(node: ir.Node, order: Order) -> Turn | None:
    return Turn([order], {"axis": order.index(node.attributes["axis"].as_int() % len(order))})


@TURNS.register("GatherElements")
def _gather_elements(node: ir.Node, order: Order) -> Turn | None:
    return Turn([order, order], {"axis": order.index(node.attributes["axis"].as_int())})


@TURNS.register("Concat")
def _concat(node: ir.Node, order: Order) -> Turn | None:
    return Turn([order] * len(node.inputs), {"axis": order.index(node.attributes["axis"].as_int())})


@TURNS.register("keraport::Expand")
def _expand(node: ir.Node, order: Order) -> Turn | None:
    """What it takes a size from stays."""
    shape = node.attributes["shape"].as_ints()
    return Turn([order, None][: len(node.inputs)], {"shape": [shape[axis] for axis in order]}, is_light=True)
