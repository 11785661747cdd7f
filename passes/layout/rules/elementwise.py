"""Operators that compute element by element: they run on the base as it lies."""

from __future__ import annotations

import onnx_ir as ir

from passes.dims.product import dims_of, to_shape
from passes.layout.walk.axes_view import AxesView, plain
from passes.layout.walk.registry import rule
from passes.layout.walk.walk import Walk, operand


@rule(
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Cast", "Ceil", "Celu", "Clip", "Cos",
    "Cosh", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "Identity", "IsInf", "IsNaN",
    "LeakyRelu", "Log", "Mish", "Neg", "Not", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin",
    "Sinh", "Softplus", "Softsign", "Sqrt", "Tan", "Tanh", "ThresholdedRelu", "keraport::OnesLike", "keraport::Silu",
)  # fmt: skip
def unary(walk: Walk, node: ir.Node) -> None:
    """y = f(x): the same view on f(base). Further inputs (the bounds of Clip) are scalars."""
    view = walk.view(operand(node, 0))
    others = [walk.plain(value) for value in node.inputs[1:]]
    out = walk.emit(node.op_type, [view.base, *others], dims_of(view.base), dict(node.attributes), domain=node.domain)
    walk.views[node.outputs[0]] = AxesView(out, view.axes)


@rule(
    "Add", "And", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Div", "Equal", "Greater", "GreaterOrEqual",
    "Less", "LessOrEqual", "Max", "Mean", "Min", "Mod", "Mul", "Or", "PRelu", "Pow", "Sub", "Sum", "Where", "Xor",
)  # fmt: skip
def broadcasting(walk: Walk, node: ir.Node) -> None:
    """y = f(a, b, …): one operand leads, the others are brought into its layout."""
    inputs = [value for value in node.inputs if value is not None]
    lead = leading(walk, inputs, node.outputs[0]) or _grown(walk, inputs, node.outputs[0])
    if lead is None:
        plain_inputs = [walk.plain(value) for value in inputs]
        out = walk.emit(node.op_type, plain_inputs, dims_of(node.outputs[0]), dict(node.attributes))
        walk.views[node.outputs[0]] = plain(out)
        return
    operands = [walk.view(v).base if walk.view(v) == lead else walk.conform(walk.view(v), lead) for v in inputs]
    out = walk.emit(node.op_type, operands, dims_of(lead.base), dict(node.attributes))
    walk.views[node.outputs[0]] = AxesView(out, lead.axes)


def leading(walk: Walk, inputs: list[ir.Value], output: ir.Value) -> AxesView | None:
    """The live operand with the shape of the output whose layout wins: a permuted one, else a plain one, else the
    first.

    A permuted operand leads because it comes from the channels-last part of the graph, to which the result goes
    back. One that only merges axes costs a Reshape and does not lead, but where the others have the batch within.
    """
    rank = len(dims_of(output))
    live = [walk.view(value) for value in inputs if value.const_value is None]
    full = [view for view in live if view.rank == rank and _covers(view, inputs, walk)]
    moved = [view for view in full if view.is_moved]
    if moved and all(map(_hides_batch, moved)):
        moved = [view for view in full if not view.is_moved]
    return next(iter(moved), None) or next((view for view in full if view.is_plain), None) or next(iter(full), None)


def _hides_batch(view: AxesView) -> bool:
    """Whether an open first axis lies behind others: masks of images that were resized as the channels of one."""
    return not view.dims[0].is_static and dims_of(view.base)[0].is_static


def is_product(value: ir.Value) -> bool:
    """Whether it is an Einsum's result, perhaps with other axes of 1."""
    node = value.producer()
    if node is not None and node.op_type == "Reshape" and node.inputs[0] is not None:
        node = node.inputs[0].producer()
    return node is not None and node.op_type == "Einsum"


def _grown(walk: Walk, inputs: list[ir.Value], output: ir.Value) -> AxesView | None:
    """Where no operand has all axes, a permuted one leads with those that it lacks: a view of what the result will be.

    [b, c, t, 1] on a base [b, t, c] with [1, c, 1, n] gives [b, t, c, n]. A new axis is in front of the one that it is
    in front of in the value, and the last of all is the last. What is looked up in a table leads nowhere, nor does a
    product: both can be had in the order of the value.
    """
    sizes = dims_of(output)
    live = [walk.view(value) for value in inputs if value.const_value is None]
    moved = [view for view in live if view.is_moved and view.rank == len(sizes)]
    lead = next((view for view in moved if not _is_looked_up(view.base) and not is_product(view.base)), None)
    if lead is None:
        return None
    dims, axes = list(dims_of(lead.base)), list(lead.axes)
    for i in reversed(range(len(sizes))):
        if not lead.dims[i].is_one or sizes[i].is_one:
            continue
        if len(axes[i]) == 1:
            dims[axes[i][0]] = sizes[i]
            continue
        place = next((group[0] for group in axes[i + 1 :] if group), len(dims))
        dims.insert(place, sizes[i])
        axes = [tuple(a + (a >= place) for a in group) for group in axes]
        axes[i] = (place,)
    return AxesView(ir.Value(name=output.name, shape=to_shape(dims), type=output.type), tuple(axes))


def _is_looked_up(value: ir.Value) -> bool:
    node = value.producer()
    table = node.inputs[0] if node is not None and node.op_type == "Gather" else None
    return table is not None and table.const_value is not None


def _covers(view: AxesView, inputs: list[ir.Value], walk: Walk) -> bool:
    """Is no other operand larger along an axis where this one has size 1?"""
    for other in (walk.view(i) for i in inputs):
        if other.rank > view.rank:
            return False
        padded = view.dims[view.rank - other.rank :]
        if any(mine.is_one and not theirs.is_one for mine, theirs in zip(padded, other.dims, strict=True)):
            return False
    return True
