"""Operators of the `nhwc` domain: convolutions, pools, norms and everything else that Keras does channels-last."""

from __future__ import annotations

import onnx_ir as ir

from passes.dims.product import ONE, dims_of
from passes.layout.rules.along_axes import on_single_axes
from passes.layout.rules.elementwise import unary
from passes.layout.walk.axes_view import AxesView, channels_first_axes, channels_last, is_ascending, plain
from passes.layout.walk.registry import rule
from passes.layout.walk.walk import Walk, operand

NHWC = "nhwc"


@rule("Conv", "ConvTranspose", "MaxPool", "AveragePool", "InstanceNormalization", "GroupNormalization", "LRN",
      "DepthToSpace", "GridSample", "MaxRoiPool", "RoiAlign", "SpaceToDepth")  # fmt: skip
def spatial(walk: Walk, node: ir.Node) -> None:
    """Given `y = Conv(x, w)` on [N, C, …], `nhwc::Conv` on [N, …, C]. Other inputs, as weights, keep ONNX's axes."""
    x = operand(node, 0)
    order = _order(node, walk.view(x))
    base = walk.materialise(walk.view(x), order)
    inputs = [base, *(walk.plain(value) for value in node.inputs[1:])]
    sizes = dims_of(node.outputs[0])
    out = walk.emit(node.op_type, inputs, [sizes[a] for a in order], dict(node.attributes), domain=NHWC)
    walk.views[node.outputs[0]] = AxesView(out, tuple((order.index(axis),) for axis in range(len(order))))


def _order(node: ir.Node, view: AxesView) -> list[int]:
    """Channels last; a window of one element does not mind in which order rows and columns lie."""
    order = list(channels_last(view.rank))
    if node.op_type != "Conv" or not _is_pointwise(node):
        return order
    lying = [0, *sorted(range(2, view.rank), key=lambda axis: view.axes[axis]), 1]
    atoms = [atom for axis in lying for atom in view.axes[axis]]
    return lying if is_ascending(atoms) else order


def _is_pointwise(node: ir.Node) -> bool:
    told = (node.attributes.get_ints(name, ()) for name in ("kernel_shape", "strides"))
    return node.attributes.get_string("auto_pad", "NOTSET") == "VALID" and all(set(sizes) <= {1} for sizes in told)


@rule("GlobalAveragePool", "GlobalMaxPool")
def global_pool(walk: Walk, node: ir.Node) -> None:
    """[N, …, C] → [N, 1, …, 1, C], as ReduceMean and ReduceMax over the axes between."""
    x = operand(node, 0)
    rank = len(dims_of(x))
    view, base_axes = on_single_axes(walk, x, range(2, rank))
    dims = [ONE if a in base_axes else d for a, d in enumerate(dims_of(view.base))]
    op_type = "ReduceMean" if node.op_type == "GlobalAveragePool" else "ReduceMax"
    out = walk.emit(
        op_type, [view.base, walk.constant(sorted(base_axes))], dims, {"keepdims": 1, "noop_with_empty_axes": 0}
    )
    walk.views[node.outputs[0]] = AxesView(out, view.axes)


@rule("BatchNormalization")
def batch_normalization(walk: Walk, node: ir.Node) -> None:
    """On any base that has the channels last, whatever the axes before them are."""
    x = operand(node, 0)
    view = walk.view(x)
    if view.single(1) != len(dims_of(view.base)) - 1:
        rank = len(dims_of(x))
        view = AxesView(walk.materialise(view, channels_last(rank)), channels_first_axes(rank))
    inputs = [view.base, *(walk.plain(value) for value in node.inputs[1:])]
    out = walk.emit("BatchNormalization", inputs, dims_of(view.base), dict(node.attributes), domain=NHWC)
    walk.views[node.outputs[0]] = AxesView(out, view.axes)


@rule("LayerNormalization", "RMSNormalization")
def layer_normalization(walk: Walk, node: ir.Node) -> None:
    """The normalised axes must be the last ones of the base; in another order they permute the weights, once, here."""
    x = operand(node, 0)
    view = walk.view(x)
    first = node.attributes.get_int("axis", -1) % view.rank
    order = _order_of_last(view, first)
    weights = [value for value in node.inputs[1:] if value is not None]
    if order is None or (order != sorted(order) and any(value.const_value is None for value in weights)):
        view, order = plain(walk.materialise(view)), list(range(view.rank - first))
    rank = len(dims_of(view.base))
    attributes = {**dict(node.attributes), "axis": ir.AttrInt64("axis", rank - len(order))}
    inputs = [
        view.base,
        *(walk.plain(value) if value is None else _permuted(walk, value, order) for value in node.inputs[1:]),
    ]
    out = walk.emit(node.op_type, inputs, dims_of(view.base), attributes)
    walk.views[node.outputs[0]] = AxesView(out, view.axes)


def _order_of_last(view: AxesView, first: int) -> list[int] | None:
    """Which axis of the value, from `first` on, each of the last axes of the base is; None if they are not the last."""
    singles = [view.single(axis) for axis in range(first, view.rank)]
    rank = len(dims_of(view.base))
    last = range(rank - len(singles), rank)
    return [singles.index(atom) for atom in last] if set(singles) == set(last) else None


def _permuted(walk: Walk, weight: ir.Value, order: list[int]) -> ir.Value:
    """A weight that broadcasts against the normalised axes, with its axes in another order."""
    if order == sorted(order):
        return walk.materialise(walk.view(weight))
    sizes = [d.coefficient for d in dims_of(weight)]
    full = [1] * (len(order) - len(sizes)) + sizes
    return walk.view_weight(weight, [("reshape", tuple(full)), ("transpose", tuple(order))])


@rule("keraport::CentreCrop", "keraport::PadSame")
def at_run_time(walk: Walk, node: ir.Node) -> None:
    """A pad or a crop computed from the size at run time: its axes are those of the base."""
    axes = list(node.attributes["axes"].as_ints())
    view, base_axes = on_single_axes(walk, operand(node, 0), axes)
    dims = list(dims_of(view.base))
    for axis, base_axis in zip(axes, base_axes, strict=True):
        dims[base_axis] = dims_of(node.outputs[0])[axis]
    attributes = {**dict(node.attributes), "axes": ir.AttrInt64s("axes", base_axes)}
    out = walk.emit(node.op_type, [view.base], dims, attributes, domain="keraport")
    walk.views[node.outputs[0]] = AxesView(out, view.axes)


__all__ = ["unary"]
