"""Operators of the `nhwc` domain: convolutions, pools, norms and everything else that Keras does channels-last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from passes.dims.product import ONE, Dim, dims_of
from passes.errors import Unsupported, describe
from passes.layout.rules.along_axes import on_single_axes
from passes.layout.rules.elementwise import unary
from passes.layout.walk.axes_view import View, channels_first_axes, channels_last, plain
from passes.layout.walk.registry import rule
from passes.layout.walk.walk import Walk, constant_of, operand, optional

NHWC = "nhwc"


def channels_last_dims(value: ir.Value) -> list[Dim]:
    dims = dims_of(value)
    return [dims[p] for p in channels_last(len(dims))]


@rule("Conv", "ConvTranspose", "MaxPool", "AveragePool", "InstanceNormalization", "GroupNormalization", "LRN",
      "DepthToSpace", "GridSample", "RoiAlign", "SpaceToDepth")  # fmt: skip
def spatial(walk: Walk, node: ir.Node) -> None:
    """Given `y = Conv(x, w)` on [N, C, …], `nhwc::Conv` on [N, …, C]. Other inputs, as weights, keep ONNX's axes."""
    x = operand(node, 0)
    base = walk.materialise(walk.view(x), channels_last(len(dims_of(x))))
    inputs = [base, *(walk.plain(value) for value in node.inputs[1:])]
    out = walk.emit(node.op_type, inputs, channels_last_dims(node.outputs[0]), dict(node.attributes), domain=NHWC)
    walk.views[node.outputs[0]] = View(out, channels_first_axes(len(dims_of(x))))


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
    walk.views[node.outputs[0]] = View(out, view.axes)


@rule("BatchNormalization")
def batch_normalization(walk: Walk, node: ir.Node) -> None:
    """On any base that has the channels last, whatever the axes before them are."""
    x = operand(node, 0)
    view = walk.view(x)
    if view.single(1) != len(dims_of(view.base)) - 1:
        rank = len(dims_of(x))
        view = View(walk.materialise(view, channels_last(rank)), channels_first_axes(rank))
    inputs = [view.base, *(walk.plain(value) for value in node.inputs[1:])]
    out = walk.emit("BatchNormalization", inputs, dims_of(view.base), dict(node.attributes), domain=NHWC)
    walk.views[node.outputs[0]] = View(out, view.axes)


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
    walk.views[node.outputs[0]] = View(out, view.axes)


def _order_of_last(view: View, first: int) -> list[int] | None:
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
    walk.views[node.outputs[0]] = View(out, view.axes)


@rule("Resize")
def resize(walk: Walk, node: ir.Node) -> None:
    """Scales or sizes become attributes, for the axes between the first and the last of a channels-last base.

    Given    y = Resize(x, sizes=[n, c, 2h, w'])                  z: […, w'] elsewhere
    Result   y = nhwc::Resize<sizes=[-1, -1]>(x, x, z)            sizes of live tensors, times a factor each
    """
    x = operand(node, 0)
    before, after = dims_of(x), dims_of(node.outputs[0])
    if (given := optional(node, 2)) is not None and constant_of(given) is None:
        raise Unsupported(
            "Resize by scales that are computed when the model runs is not converted.", node=describe(node)
        )
    told = _told_exactly(node, before, after)
    scales = {} if told else _by_axis(node, 2, len(before))
    resized = [a for a in range(len(before)) if before[a] != after[a] or scales.get(a, 1.0) != 1.0 or a in told]
    if not resized:
        walk.views[node.outputs[0]] = walk.view(x)
        return
    order = _batch_and_channels_first(node, len(before), resized)
    base = walk.materialise(walk.view(x).permuted(order), channels_last(len(order)))
    attributes = {k: a for k, a in node.attributes.items() if k != "axes"}
    likes: list[ir.Value] = []
    if told:
        attributes |= _exact(node, told, order[2:])
    elif scales:
        attributes["scales"] = ir.AttrFloat32s("scales", [scales.get(a, 1.0) for a in order[2:]])
    else:
        sizes = [after[a].coefficient if after[a].is_static else -1 for a in order[2:]]
        live = [_live_size(walk, after[a]) for a in order[2:] if not after[a].is_static]
        likes = [like for like, _, _ in live]
        attributes["sizes"] = ir.AttrInt64s("sizes", sizes)
        attributes["like_axes"] = ir.AttrInt64s("like_axes", [axis for _, axis, _ in live])
        attributes["like_factors"] = ir.AttrInt64s("like_factors", [factor for _, _, factor in live])
    dims = [after[a] for a in (order[0], *order[2:], order[1])]
    out = View(walk.emit("Resize", [base, *likes], dims, attributes, domain=NHWC), channels_first_axes(len(order)))
    walk.views[node.outputs[0]] = out.permuted([order.index(a) for a in range(len(order))])


def _told_exactly(node: ir.Node, before: Sequence[Dim], after: Sequence[Dim]) -> Mapping[int, tuple[float, ...]]:
    """Of a Resize that keeps proportions, or resizes a part: by axis what it is told, and the part [start, end]."""
    policy = node.attributes.get_string("keep_aspect_ratio_policy", "stretch")
    is_crop = node.attributes.get_string("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize"
    sizes, parts = constant_of(optional(node, 3)), constant_of(optional(node, 1))
    by_size = sizes is not None and sizes.size > 0
    if is_crop and not by_size:
        raise Unsupported(
            "Resize of a part by scales is not converted: onnxruntime and the standard disagree on its size.",
            node=describe(node),
            hint="Export it with sizes.",
        )
    if not is_crop and (policy == "stretch" or not by_size):
        return {}
    rank = len(before)
    axes = [a % rank for a in node.attributes.get_ints("axes", range(rank))]
    kept = {0, 1} if len(axes) == rank else set()
    if not all(d.is_static for a in axes if a not in kept for d in (before[a], after[a])) or (
        is_crop and parts is None
    ):
        raise Unsupported(
            f"Resize with keep_aspect_ratio_policy={policy!r}, or of a part, at open sizes is not converted.",
            node=describe(node),
            hint="Give numbers for height and width with --input.",
        )
    wanted = sizes.tolist() if sizes is not None and by_size else [after[a].coefficient for a in axes]
    starts, ends = np.split(parts, 2) if is_crop and parts is not None else ([0.0] * len(axes), [1.0] * len(axes))
    told = {a: (int(w), float(s), float(e)) for a, w, s, e in zip(axes, wanted, starts, ends, strict=True)}
    for axis in axes if is_crop else ():
        is_whole = told[axis][1:] == (0.0, 1.0)
        if before[axis] == after[axis] and not is_whole:
            raise Unsupported(
                "Resize of a part to the size of the whole is not converted: onnxruntime copies the whole.",
                node=describe(node),
            )
        if axis in kept and before[axis] == after[axis]:
            del told[axis]
    return told


def _exact(node: ir.Node, told: Mapping[int, tuple[float, ...]], axes: Sequence[int]) -> dict[str, ir.Attr]:
    if set(told) != set(axes):
        raise Unsupported(f"Resize of the axes {sorted(told)} in proportion is not converted.", node=describe(node))
    found = {"sizes": ir.AttrInt64s("sizes", [int(told[a][0]) for a in axes])}
    if node.attributes.get_string("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize":
        found["roi"] = ir.AttrFloat32s("roi", [told[a][place] for place in (1, 2) for a in axes])
    return found


def _by_axis(node: ir.Node, index: int, rank: int) -> dict[int, float]:
    """Constant scales by axis; nothing where they are left out."""
    values = constant_of(optional(node, index))
    axes = node.attributes["axes"].as_ints() if "axes" in node.attributes else range(rank)
    return {} if values is None else dict(zip(axes, (float(v) for v in values), strict=False))


def _batch_and_channels_first(node: ir.Node, rank: int, resized: list[int]) -> list[int]:
    """An order of the axes with two that keep their size in front: batch and channels, as a rule."""
    kept = [a for a in (0, 1, rank - 1, *range(2, rank - 1)) if a not in resized]
    if len(kept) < 2 or not 3 <= rank <= 5:
        raise Unsupported(f"Resize of the axes {resized} of {rank} is not converted.", node=describe(node))
    return [*kept[:2], *(a for a in range(rank) if a not in kept[:2])]


def _live_size(walk: Walk, size: Dim) -> tuple[ir.Value, int, int]:
    """A live tensor with this size, but for a factor, along an axis."""
    if len(size.symbols) != 1 or size.symbols[0] not in walk.anchors:
        raise Unsupported(
            f"Resize to {size.as_shape()}, which is known only at run time, is not converted.",
            node=describe(walk.node),
            hint="Give numbers for height and width with --input.",
        )
    return *walk.anchors[size.symbols[0]], size.coefficient


__all__ = ["unary"]
