"""Sizes that are known only when the model runs, where a tensor gets them: Expand, ConstantOfShape and Tile.

Keras has no sizes to compute with, so each is taken from a live tensor that has it: the latest one, `walk.anchored`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from passes.dims.product import ONE, Product, dims_of
from passes.errors import Unsupported, describe
from passes.layout.rules.along_axes import default
from passes.layout.walk.axes_view import AxesView, identity, plain
from passes.layout.walk.made_sizes import anchor_for
from passes.layout.walk.registry import rule
from passes.layout.walk.told_sizes import is_to_be_told, tell
from passes.layout.walk.walk import Walk, constant_of, operand


@rule("Expand")
def expand(walk: Walk, node: ir.Node) -> None:
    """Given `Expand(x, shape)`, `keraport::Expand(x, like)` {shape}: -1 stands for the size that `like` has at `axis`.

    Several open sizes are several of them, one after the other.
    """
    x, target = operand(node, 0), dims_of(node.outputs[0])
    if walk.view(x).dims == target:
        walk.views[node.outputs[0]] = walk.view(x)
        return
    beside = _beside(walk, walk.view(x), target)
    if beside is not None:
        walk.views[node.outputs[0]] = beside
        return
    value = walk.materialise(walk.view(x))
    sizes = (*(ONE,) * (len(target) - len(dims_of(value))), *dims_of(value))
    _tell(walk, operand(node, 1), sizes, target)
    parts = [_copies(wanted) if size.is_one else [(size, wanted)] for size, wanted in zip(sizes, target, strict=True)]
    expanded = _in_parts(walk, AxesView(value, identity(len(parts))), parts)
    if expanded is None:
        raise Unsupported(
            f"Expand to {[d.as_shape() for d in target]} needs a size that no tensor of the model has.",
            node=describe(node),
            hint="Give fixed sizes with --input for all dimensions but the batch.",
        )
    walk.views[node.outputs[0]] = expanded


def _beside(walk: Walk, view: AxesView, target: Sequence[Product]) -> AxesView | None:
    """[b, h, 1, t, d] repeated to [b, h, 2, t, d] on a base [b, t, h, d]: [b, t, h, 2, d], beside the axis before it.

    So no axis changes places, and the heads that share keys lie together. None where the base lies as the value does,
    or an open number is wanted.
    """
    grown = [i for i, (size, wanted) in enumerate(zip(view.dims, target, strict=False)) if size != wanted]
    known = all(view.dims[i].is_one and target[i].is_static and i > 0 and view.axes[i - 1] for i in grown)
    if not view.is_moved or view.rank != len(target) or not known or not walk.is_live(view):
        return None
    sizes, axes = list(dims_of(view.base)), list(view.axes)
    wanted = list(sizes)
    for i in grown:
        place = max(axes[i - 1]) + 1
        axes = [tuple(a + (a >= place) for a in group) for group in axes]
        axes[i] = (place,)
        sizes.insert(place, ONE)
        wanted.insert(place, target[i])
    expanded = _expanded(walk, walk.reshape(view.base, sizes), wanted)
    return None if expanded is None else AxesView(expanded, tuple(axes))


@rule("ConstantOfShape")
def constant_of_shape(walk: Walk, node: ir.Node) -> None:
    """A constant, expanded; the parts of a product of sizes are axes of their own, as they are of what it is used with.

    Where it cannot be, it is shape arithmetic, as a rule, of which nothing will be left.
    """
    target = dims_of(node.outputs[0])
    if not target or (constant_of(operand(node, 0)) is not None and all(d.is_static for d in target)):
        default(walk, node)
        return
    value = node.attributes.get_tensor("value", None)
    number = np.zeros(1, np.float32) if value is None else value.numpy()
    parts = [_copies(size) for size in target]
    sizes = [min(wanted.coefficient, 1) for axis in parts for _, wanted in axis]
    _tell(walk, operand(node, 0), (ONE,) * len(target), target)
    one = walk.constant(np.broadcast_to(number.reshape(-1)[:1], sizes), number.dtype)  # 0 where it has nothing
    expanded = _in_parts(walk, AxesView(one, identity(len(parts))), parts)
    if expanded is None:
        default(walk, node)
    else:
        walk.views[node.outputs[0]] = expanded


def _tell(walk: Walk, shape: ir.Value, before: Sequence[Product], target: Sequence[Product]) -> None:
    """Let computed numbers of a shape tell sizes that nothing else has."""
    if constant_of(shape) is not None:
        return
    behind = len(target) - dims_of(shape)[0].coefficient  # Expand may be told the last sizes only
    for place, (size, wanted) in enumerate(zip(before, target, strict=True)):
        if size.is_one and place >= behind and is_to_be_told(walk, wanted):
            numbers = walk.plain(shape)
            assert numbers is not None
            tell(walk, wanted, numbers, place - behind)


def _expanded(walk: Walk, value: ir.Value, target: Sequence[Product]) -> ir.Value | None:
    """The value with these sizes; None where no live tensor has one of them."""
    dims = [*(Product(1),) * (len(target) - len(dims_of(value))), *dims_of(value)]
    open_places = [i for i, (d, t) in enumerate(zip(dims, target, strict=True)) if d != t and not t.is_static]
    if not open_places:
        return walk.emit("Expand", [value], target, {"shape": _sizes(target, None), "axis": 0}, domain="keraport")
    for place in open_places:
        anchor = anchor_for(walk, target[place])
        if anchor is None:
            return None
        like, axis = anchor
        dims[place] = target[place]
        grown = target if place == open_places[-1] else dims
        attributes = {"shape": _sizes(grown, place), "axis": axis}
        value = walk.emit("Expand", [value, like], grown, attributes, domain="keraport")
    return value


def _sizes(dims: Sequence[Product], grown: int | None) -> list[int]:
    return [-1 if axis == grown else d.coefficient if d.is_static else 0 for axis, d in enumerate(dims)]


@rule("Tile")
def tile(walk: Walk, node: ir.Node) -> None:
    """By computed numbers: what is repeated gets an axis of repetitions before it, [4, s] → [batch, 4, s]."""
    if constant_of(operand(node, 1)) is not None:
        default(walk, node)
        return
    view, target = walk.view(operand(node, 0)), dims_of(node.outputs[0])
    repeated = [_repeated(size, wanted) for size, wanted in zip(view.dims, target, strict=True)]
    parts = [axis for axis in repeated if axis is not None]
    if any(len(group) > 1 for group in view.axes):
        view = plain(walk.materialise(view))
    tiled = _in_parts(walk, view, parts) if len(parts) == len(target) else None
    if tiled is None:
        raise Unsupported(
            "A tensor is repeated a computed number of times, which is no size that a tensor of the model has.",
            node=describe(node),
            hint="Give fixed sizes with --input for all dimensions but the batch.",
        )
    walk.views[node.outputs[0]] = tiled


Parts = list[tuple[Product, Product]]
"""The axes that one axis is made of: size, size wanted."""


def _repeated(size: Product, wanted: Product) -> Parts | None:
    """s → batch·s as 1 → batch and s → s; None where it is no multiple."""
    times = wanted.divided_by(size)
    if times is None or times.is_one:
        return None if times is None else [(size, size)]
    return [*_copies(times), *([] if size.is_one else [(size, size)])]


def _copies(times: Product) -> Parts:
    """1 → 4·batch as 1 → batch and 1 → 4: sizes that tensors have."""
    numbers = [Product(times.coefficient)] * (times.coefficient != 1 or not times.symbols)
    return [(ONE, size) for size in (*(Product(1, (symbol,)) for symbol in times.symbols), *numbers)]


def _in_parts(walk: Walk, view: AxesView, parts: Sequence[Parts]) -> AxesView | None:
    """The value expanded, with its parts as axes of the base; None where no live tensor has one of the sizes.

    Each axis of the value is one of the base, and the parts lie where that does.
    """
    order = sorted(range(len(parts)), key=lambda axis: view.axes[axis])
    lying = [pair for axis in order for pair in parts[axis]]
    expanded = _expanded(walk, walk.reshape(view.base, [size for size, _ in lying]), [wanted for _, wanted in lying])
    places = iter(range(len(lying)))
    groups = {axis: tuple(next(places) for _ in parts[axis]) for axis in order}
    return None if expanded is None else AxesView(expanded, tuple(groups[axis] for axis in range(len(parts))))
