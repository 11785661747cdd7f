"""LayerNorm in one piece.

    m = mean(x);  d = x - m;  y = d / √(mean(d²) + ε) · weight + bias          means over the last axes

Exporters below opset 17 write it as nine nodes, and so does everyone who writes the norm by hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from passes.graph.builder import Builder, FreshNames, sizes_of
from passes.graph.match import check_closed, check_rank, maker, number, other, reader, reduced_axes, with_constant
from passes.graph.reasons import Fusion, NoMatch
from passes.padding.nodes import scalar


class FuseLayerNorm(Fusion):
    """Given    d = Sub(x, ReduceMean(x));  Add(Mul(Div(d, Sqrt(Add(ReduceMean(Pow(d, 2)), ε))), weight), bias)
    Result   LayerNormalization<axis, epsilon=ε>(x, weight, bias)

    Given    the same over one axis that is not the last, with weight and bias of shape [C, 1, 1]
    Result   Transpose(LayerNormalization<axis=-1, epsilon=ε>(Transpose(x), weight, bias))

    Mul(d, d) in the place of Pow, a second Sub in the place of d, and a division by way of Reciprocal mean the same.
    Without a weight the scale is 1. Not when a step is read elsewhere or is an output, nor over other axes, nor where ε
    has more axes than x.
    """

    roots = frozenset({"Sqrt"})

    def fuse(self, root: ir.Node, names: FreshNames) -> None:
        _replace(_find(root), names)


@dataclass
class Norm:
    """A norm as found. `nodes` without `last` compute what nobody else reads."""

    x: ir.Value
    axes: tuple[int, ...]
    epsilon: float
    weight: ir.Value | None
    bias: ir.Value | None
    nodes: set[ir.Node]
    last: ir.Node


def _find(root: ir.Node) -> Norm:
    """The norm that divides by this square root."""
    shifted = maker(root.inputs[0], "Add")
    found = with_constant(shifted) if shifted is not None else None
    if shifted is None or found is None:
        raise NoMatch("it is not the root of a sum with a number")
    variance = maker(found[0], "ReduceMean")
    square = maker(variance.inputs[0], "Pow", "Mul") if variance is not None else None
    if variance is None or square is None or not _is_square(square):
        raise NoMatch("it is not the root of a mean of squares")
    centred = maker(square.inputs[0], "Sub")
    mean = maker(centred.inputs[1], "ReduceMean") if centred is not None else None
    x = mean.inputs[0] if mean is not None else None
    if centred is None or mean is None or x is None or centred.inputs[0] is not x or x.shape is None:
        raise NoMatch("what is squared is not x less its mean")
    axes = reduced_axes(mean)
    if axes is None or axes != reduced_axes(variance):
        raise NoMatch("the mean and the variance are not over the same known axes")
    nodes = {root, shifted, variance, square, centred, mean}
    last = _division(root, nodes)
    if last is None or not _is_centred(_numerator(last), x, mean, nodes):
        raise NoMatch("what is divided by it is not x less its mean")
    if axes != tuple(range(axes[0], len(x.shape))) and len(axes) > 1:
        raise NoMatch(f"the axes {axes} are neither one nor the last ones")
    weight, bias = None, None
    times = reader(last.outputs[0])
    weight = _operand(times, "Mul", last, x, axes)
    if weight is not None and times is not None:
        nodes.add(last)
        last, plus = times, reader(times.outputs[0])
        bias = _operand(plus, "Add", last, x, axes)
        if bias is not None and plus is not None:
            nodes.add(last)
            last = plus
    check_closed(nodes, last)
    check_rank(x, last)
    if any(not isinstance(x.shape[axis], int) for axis in axes):
        raise NoMatch("the size of a normalised axis is open")
    return Norm(x, axes, found[1], weight, bias, nodes - {last}, last)


def _is_square(node: ir.Node) -> bool:
    return number(node.inputs[1]) == 2 if node.op_type == "Pow" else node.inputs[0] is node.inputs[1]


def _division(root: ir.Node, nodes: set[ir.Node]) -> ir.Node | None:
    """The node that divides by the root, or multiplies by its reciprocal."""
    node = reader(root.outputs[0])
    if node is not None and node.domain == "" and node.op_type == "Reciprocal":
        nodes.add(node)
        node = reader(node.outputs[0])
        return node if node is not None and node.domain == "" and node.op_type == "Mul" else None
    if node is None or node.domain != "" or node.op_type != "Div" or node.inputs[1] is not root.outputs[0]:
        return None
    return node


def _numerator(division: ir.Node) -> ir.Value | None:
    if division.op_type == "Div":
        return division.inputs[0]
    return next((v for v in division.inputs if maker(v, "Reciprocal") is None), None)


def _is_centred(value: ir.Value | None, x: ir.Value, mean: ir.Node, nodes: set[ir.Node]) -> bool:
    """Is it x - mean(x), the one that was squared or one computed again?"""
    sub = maker(value, "Sub")
    if sub is None or sub.inputs[0] is not x:
        return False
    again = maker(sub.inputs[1], "ReduceMean")
    if again is None or again.inputs[0] is not x or reduced_axes(again) != reduced_axes(mean):
        return False
    nodes.update((sub, again))
    return True


def _operand(
    node: ir.Node | None, op_type: str, before: ir.Node, x: ir.Value, axes: tuple[int, ...]
) -> ir.Value | None:
    """The constant with one number for each normalised position that this node applies, else None."""
    if node is None or node.domain != "" or node.op_type != op_type or x.shape is None:
        return None
    value = other(node, before.outputs[0])
    if value is None or value.const_value is None:
        return None
    shape = [int(size) for size in value.const_value.shape.numpy()]
    rank = len(x.shape)
    full = [1] * (rank - len(shape)) + shape
    wanted = [x.shape[axis] if axis in axes else 1 for axis in range(rank)]
    return value if full == wanted else None


def _replace(norm: Norm, names: FreshNames) -> None:
    at = Builder(norm.last, names)
    sizes = sizes_of(norm.x)
    rank = len(sizes)
    kept = [axis for axis in range(rank) if axis not in norm.axes]
    perm = [*kept, *norm.axes]
    x = norm.x
    if perm != list(range(rank)):
        x = at.node("Transpose", [x], [sizes[axis] for axis in perm], {"perm": perm})
    shape = [size for axis in norm.axes if isinstance(size := sizes[axis], int)]
    parameters = [
        None if value is None else names.weight_views.view(at.graph, value, [("reshape", tuple(shape))])
        for value in (norm.weight, norm.bias)
    ]
    weight = parameters[0] or at.constant(np.ones(shape, scalar(x, 1).dtype), "scale")
    attributes = {"axis": len(kept), "epsilon": norm.epsilon, "stash_type": 1}
    inputs = [x, weight, *([parameters[1]] if parameters[1] is not None else [])]
    y = at.node("LayerNormalization", inputs, sizes_of(x), attributes, name=norm.last.name)
    if x is not norm.x:
        y = at.node("Transpose", [y], sizes, {"perm": [perm.index(axis) for axis in range(rank)]})
    at.replace(y)
    at.graph.remove(norm.nodes, safe=True)
