"""Resize: its scales or sizes, in whichever way they are told, for the axes between batch and channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from passes.dims.product import Product, dims_of
from passes.errors import Unsupported, describe
from passes.layout.rules.spatial import NHWC
from passes.layout.walk.axes_view import AxesView, channels_first_axes, channels_last
from passes.layout.walk.registry import rule
from passes.layout.walk.walk import Walk, constant_of, operand, optional


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
    out = AxesView(walk.emit("Resize", [base, *likes], dims, attributes, domain=NHWC), channels_first_axes(len(order)))
    walk.views[node.outputs[0]] = out.permuted([order.index(a) for a in range(len(order))])


def _told_exactly(
    node: ir.Node, before: Sequence[Product], after: Sequence[Product]
) -> Mapping[int, tuple[float, ...]]:
    """Of a Resize that keeps proportions, or resizes a part: by axis what it is told, and the part [start, end]."""
    policy = node.attributes.get_string("keep_aspect_ratio_policy", "stretch")
    is_crop = node.attributes.get_string("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize"
    sizes, parts = constant_of(optional(node, 3)), constant_of(optional(node, 1))
    if not is_crop and policy == "stretch":
        return {}
    if is_crop and (sizes is None or not sizes.size):
        raise Unsupported(
            "Resize of a part by scales is not converted: onnxruntime and the standard disagree on its size.",
            node=describe(node),
            hint="Export it with sizes.",
        )
    if sizes is None or not sizes.size:
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
    starts, ends = np.split(parts, 2) if is_crop and parts is not None else ([0.0] * len(axes), [1.0] * len(axes))
    told = {a: (int(w), float(s), float(e)) for a, w, s, e in zip(axes, sizes, starts, ends, strict=True)}
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


def _live_size(walk: Walk, size: Product) -> tuple[ir.Value, int, int]:
    """A live tensor with this size, but for a factor, along an axis."""
    if len(size.symbols) != 1 or size.symbols[0] not in walk.anchors:
        raise Unsupported(
            f"Resize to {size.as_shape()}, which is known only at run time, is not converted.",
            node=describe(walk.node),
            hint="Give numbers for height and width with --input.",
        )
    return *walk.anchors[size.symbols[0]], size.coefficient
