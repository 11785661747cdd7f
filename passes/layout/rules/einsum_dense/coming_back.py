"""Whether what is moved now is moved back soon: then it need not be moved in between."""

from __future__ import annotations

import onnx_ir as ir

from passes.dims.product import dims_of
from passes.errors import operator
from passes.layout.rules.elementwise import broadcasting, unary
from passes.layout.walk.axes_view import Axes, AxesView
from passes.layout.walk.registry import RULES
from passes.layout.walk.walk import Walk

MOST_STEPS = 12
"""How far ahead it is looked."""


def comes_back(walk: Walk, value: ir.Value, base: ir.Value, axes: Axes, steps: int = MOST_STEPS) -> bool:
    """Whether a Transpose ahead puts the axes of the value in the order of the base, of which it is such a view.

    Given    value [b, c, t] on a base [b, t, c];  h = Gelu(value);  z = Dense(h);  y = Transpose<0,2,1>(z)
    Result   yes: y lies as the base does

    It is looked through operators that leave the axes where they are, up to where it meets what lies otherwise: the
    stream of a network, to which a branch adds.
    """
    return steps > 0 and any(_by(walk, use.node, use.idx, base, axes, steps) for use in value.uses())


def _by(walk: Walk, node: ir.Node, place: int, base: ir.Value, axes: Axes, steps: int) -> bool:
    name, result = operator(node), node.outputs[0]
    if name == "Transpose":
        turned = AxesView(base, axes).permuted(node.attributes["perm"].as_ints())
        return not turned.is_moved or comes_back(walk, result, base, turned.axes, steps - 1)
    is_by_element = RULES.get(name) in (unary, broadcasting) and result.shape is not None
    stays = (is_by_element and len(result.shape or ()) == len(axes)) or name in ("Dropout", "keraport::Dense")
    if not stays or (is_by_element and any(_lies_otherwise(walk, x, node) for x in _others(node, place))):
        return False
    return (is_by_element or not place) and comes_back(walk, result, base, axes, steps - 1)


def _others(node: ir.Node, place: int) -> list[ir.Value]:
    return [x for i, x in enumerate(node.inputs) if x is not None and i != place and x.const_value is None]


def _lies_otherwise(walk: Walk, x: ir.Value, node: ir.Node) -> bool:
    """Whether an operand of the result's shape is there already, with its axes as the value has them."""
    view = walk.views.get(x)
    return view is not None and view.dims == dims_of(node.outputs[0]) and not view.is_moved
