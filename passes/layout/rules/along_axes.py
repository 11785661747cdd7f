"""Operators that work along named axes: the axes are looked up in the base."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from passes.dims.product import ONE, Product, dims_of, multiply
from passes.errors import Unsupported, describe
from passes.facts.keras import MOST_SOFTMAX_AXES
from passes.layout.rules.elementwise import leading
from passes.layout.walk.axes_view import AxesView, plain
from passes.layout.walk.registry import rule
from passes.layout.walk.walk import Walk, constant_of, operand, optional


def on_single_axes(walk: Walk, value: ir.Value, axes: Sequence[int]) -> tuple[AxesView, list[int]]:
    """A view of the value in which each of `axes` is one axis of the base, and those axes of the base."""
    view = walk.view(value)
    for axis in axes:
        view = merge_axis(walk, view, axis)
    return view, [view.axes[axis][0] for axis in axes]


def merge_axis(walk: Walk, view: AxesView, axis: int) -> AxesView:
    """The view with this axis as one axis of the base; where that takes a transpose, all is made plain."""
    if len(view.axes[axis]) == 1:
        return view
    return walk.join_axis(view, axis) or plain(walk.materialise(view))


@rule("Softmax", "LogSoftmax", "Hardmax", "CumSum", "LpNormalization", "keraport::CumProd")
def along_one_axis(walk: Walk, node: ir.Node) -> None:
    """The shape stays, one axis matters."""
    attributes = dict(node.attributes)
    is_running = node.op_type in ("CumSum", "CumProd")
    if is_running:
        where = constant_of(operand(node, 1))
        if where is None:
            raise Unsupported(f"The axis of {node.op_type} is computed.", node=describe(node))
        axis = int(where.item())
    else:
        axis = node.attributes.get_int("axis", -1)
    x = operand(node, 0)
    view, (base_axis,) = on_single_axes(walk, x, [axis % len(dims_of(x))])
    if len(dims_of(view.base)) > MOST_SOFTMAX_AXES:  # what was split for the sake of its view is merged again
        view, base_axis = plain(walk.materialise(view)), axis % view.rank
    base, dims = view.base, dims_of(view.base)
    if len(dims) > MOST_SOFTMAX_AXES:  # the value itself has as many
        base, base_axis = _of_three_axes(walk, base, base_axis), 1
    inputs: list[ir.Value | None] = [base]
    if is_running:
        inputs.append(walk.constant(np.asarray(base_axis)))
    else:
        attributes["axis"] = ir.AttrInt64("axis", base_axis)
    out = walk.emit(node.op_type, inputs, dims_of(base), attributes, domain=node.domain)
    walk.views[node.outputs[0]] = AxesView(walk.reshape(out, dims), view.axes)


@rule("keraport::Roll")
def roll(walk: Walk, node: ir.Node) -> None:
    axes = node.attributes["axes"].as_ints()
    view, base_axes = on_single_axes(walk, operand(node, 0), axes)
    attributes = {"axes": base_axes, "shift": node.attributes["shift"].as_ints()}
    out = walk.emit("Roll", [view.base], dims_of(view.base), attributes, domain="keraport")
    walk.views[node.outputs[0]] = AxesView(out, view.axes)


def _of_three_axes(walk: Walk, x: ir.Value, axis: int) -> ir.Value:
    """What is before the axis, the axis, and what is behind it."""
    dims = dims_of(x)
    return walk.reshape(x, [multiply(dims[:axis]), dims[axis], multiply(dims[axis + 1 :])])


@rule("Concat")
def concat(walk: Walk, node: ir.Node) -> None:
    axis = node.attributes["axis"].as_int()
    inputs = [value for value in node.inputs if value is not None]
    views = [_with_one_axis(walk, walk.view(value), axis) for value in inputs]
    live = [view for view, value in zip(views, inputs, strict=True) if value.const_value is None]
    lead = next((view for view in live if not view.is_plain and view.single(axis) is not None), None)
    if lead is None or any(view.single(axis) is None for view in views):
        operands = [walk.materialise(walk.view(value)) for value in inputs]
        out = walk.emit("Concat", operands, dims_of(node.outputs[0]), {"axis": axis})
        walk.views[node.outputs[0]] = plain(out)
        return
    base_axis = lead.axes[axis][0]
    operands = [_full(walk, view, lead, axis) for view in views]
    dims = list(dims_of(lead.base))
    dims[base_axis] = dims_of(node.outputs[0])[axis]
    walk.views[node.outputs[0]] = AxesView(walk.emit("Concat", operands, dims, {"axis": base_axis}), lead.axes)


def _with_one_axis(walk: Walk, view: AxesView, axis: int) -> AxesView:
    """The axis along which moved values are joined is one of the base: a new one lies behind the axis before it, and
    rows and columns that are tokens are one axis first.
    """
    if not view.is_moved:
        return view
    if len(view.axes[axis]) > 1:
        return walk.join_axis(view, axis) or view
    if view.axes[axis]:
        return view
    place = view.axes[axis - 1][-1] + 1 if axis and view.axes[axis - 1] else len(dims_of(view.base))
    dims = list(dims_of(view.base))
    base = walk.reshape(view.base, [*dims[:place], ONE, *dims[place:]])
    axes = [tuple(a + (a >= place) for a in group) for group in view.axes]
    axes[axis] = (place,)
    return AxesView(base, tuple(axes))


def _full(walk: Walk, view: AxesView, lead: AxesView, axis: int) -> ir.Value:
    """An operand of Concat in the lead's layout, at full rank: nothing broadcasts here."""
    value = walk.conform(view, lead, free_axis=axis)
    missing = len(dims_of(lead.base)) - len(dims_of(value))
    return value if not missing else walk.materialise(AxesView(value, ((),) * missing + plain(value).axes))


@rule("Split")
def split(walk: Walk, node: ir.Node) -> None:
    axis = node.attributes.get_int("axis", 0)
    view, (base_axis,) = on_single_axes(walk, operand(node, 0), [axis])
    dims = []
    for output in node.outputs:
        part = list(dims_of(view.base))
        part[base_axis] = dims_of(output)[axis]
        dims.append(part)
    if not all(d[base_axis].is_static for d in dims):
        raise Unsupported(
            "Split into parts whose sizes are known only at run time is not converted.",
            node=describe(node),
            hint="Give a fixed size with --input for the axis that is split.",
        )
    sizes = walk.constant([d[base_axis].coefficient for d in dims])
    outs = walk.emit_many("Split", [view.base, sizes], dims, {"axis": base_axis}, like=node.outputs)
    for output, out in zip(node.outputs, outs, strict=True):
        walk.views[output] = AxesView(out, view.axes)


@rule("TopK")
def top_k(walk: Walk, node: ir.Node) -> None:
    """Both outputs lie as the input does."""
    count, x = constant_of(operand(node, 1)), operand(node, 0)
    axis = node.attributes.get_int("axis", -1) % len(dims_of(x))
    if count is None:
        if dims_of(node.outputs[0])[axis] == dims_of(x)[axis]:
            _sort(walk, node, axis)
        else:
            default(walk, node)
        return
    view, (base_axis,) = on_single_axes(walk, x, [axis])
    dims = list(dims_of(view.base))
    dims[base_axis] = Product(int(count.item()))
    attributes = {**dict(node.attributes), "axis": ir.AttrInt64("axis", base_axis)}
    inputs = [view.base, walk.constant(count)]
    outs = walk.emit_many("TopK", inputs, [dims] * len(node.outputs), attributes, like=node.outputs)
    for output, out in zip(node.outputs, outs, strict=True):
        walk.views[output] = AxesView(out, view.axes)


def _sort(walk: Walk, node: ir.Node, axis: int) -> None:
    """As many as there are: all of them, in order."""
    view, (base_axis,) = on_single_axes(walk, operand(node, 0), [axis])
    attributes = {"axis": base_axis, "largest": node.attributes.get_int("largest", 1)}
    dims = [dims_of(view.base)] * len(node.outputs)
    outs = walk.emit_many("Sort", [view.base], dims, attributes, domain="keraport", like=node.outputs)
    for output, out in zip(node.outputs, outs, strict=True):
        walk.views[output] = AxesView(out, view.axes)


def slice_at_numbers(walk: Walk, node: ir.Node) -> None:
    """A Slice whose starts, ends, axes and steps are constant."""
    starts, ends = constant_of(operand(node, 1)), constant_of(operand(node, 2))
    steps = constant_of(optional(node, 4))
    assert starts is not None and ends is not None
    x, where = operand(node, 0), sliced_axes(node)
    view, base_axes = on_single_axes(walk, x, where)
    dims = list(dims_of(view.base))
    for axis, base_axis in zip(where, base_axes, strict=True):
        dims[base_axis] = dims_of(node.outputs[0])[axis]
    strides = [1] * len(where) if steps is None else steps.tolist()
    inputs = [view.base, *(walk.constant(v) for v in (starts, ends, base_axes, strides))]
    walk.views[node.outputs[0]] = AxesView(walk.emit("Slice", inputs, dims), view.axes)


def sliced_axes(node: ir.Node) -> list[int]:
    """The axes of a Slice with constant axes, counted from the front."""
    rank, axes = len(dims_of(operand(node, 0))), constant_of(optional(node, 3))
    count = dims_of(operand(node, 1))[0].coefficient
    return [int(axis) % rank for axis in (range(count) if axes is None else axes)]


def without(view: AxesView, axes: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """The view after the base lost every axis that these axes of the value consist of."""
    gone = sorted(a for axis in axes for a in view.axes[axis])
    kept = [group for axis, group in enumerate(view.axes) if axis not in axes]
    return tuple(tuple(a - sum(g < a for g in gone) for a in group) for group in kept)


@rule(
    "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum",
    "ReduceLogSumExp", "ReduceSumSquare",
)  # fmt: skip
def reduce(walk: Walk, node: ir.Node) -> None:
    """A reduction over any axes: whole groups of base axes are reduced, in whatever order they lie."""
    x, axes = operand(node, 0), constant_of(optional(node, 1))
    view = walk.view(x)
    if (axes is None or not len(axes)) and node.attributes.get_int("noop_with_empty_axes", 0) == 1:
        walk.views[node.outputs[0]] = _each_by_itself(walk, node, view)
        return
    which = [int(a) % view.rank for a in (range(view.rank) if axes is None or not len(axes) else axes)]
    keep = node.attributes.get_int("keepdims", 1)
    base_axes = sorted(a for axis in which for a in view.axes[axis])
    if not base_axes:
        view, base_axes = plain(walk.materialise(view)), sorted(which)
    dims = [ONE if a in base_axes else d for a, d in enumerate(dims_of(view.base)) if keep or a not in base_axes]
    attributes = {"keepdims": keep, "noop_with_empty_axes": 0}
    out = walk.emit(node.op_type, [view.base, walk.constant(base_axes)], dims, attributes)
    walk.views[node.outputs[0]] = AxesView(out, view.axes if keep else without(view, which))


def _each_by_itself(walk: Walk, node: ir.Node, view: AxesView) -> AxesView:
    """A reduction over no axes at all: what it does to a single element."""
    alone = {"ReduceL1": "Abs", "ReduceL2": "Abs", "ReduceLogSum": "Log", "ReduceSumSquare": "Mul"}.get(node.op_type)
    if alone is None:
        return view
    inputs = [view.base] * (2 if alone == "Mul" else 1)
    return AxesView(walk.emit(alone, inputs, dims_of(view.base)), view.axes)


@rule("ArgMax", "ArgMin")
def arg_reduce(walk: Walk, node: ir.Node) -> None:
    x = operand(node, 0)
    axis = node.attributes.get_int("axis", 0) % len(dims_of(x))
    keep = node.attributes.get_int("keepdims", 1)
    view, (base_axis,) = on_single_axes(walk, x, [axis])
    dims = [ONE if a == base_axis else d for a, d in enumerate(dims_of(view.base)) if keep or a != base_axis]
    attributes = {**dict(node.attributes), "axis": ir.AttrInt64("axis", base_axis)}
    out = walk.emit(node.op_type, [view.base], dims, attributes)
    walk.views[node.outputs[0]] = AxesView(out, view.axes if keep else without(view, [axis]))


def default(walk: Walk, node: ir.Node) -> None:
    """An operator without a rule: plain values in, plain values out."""
    inputs = [walk.plain(value) for value in node.inputs]
    dims = [dims_of(output) for output in node.outputs]
    outs = walk.emit_many(node.op_type, inputs, dims, dict(node.attributes), domain=node.domain, like=node.outputs)
    for output, out in zip(node.outputs, outs, strict=True):
        walk.views[output] = plain(out)


__all__ = ["default", "leading"]
