"""Operators that only rename axes. Most of them write no node at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from passes.axes_view import View, plain
from passes.dims import Dim, dims_of
from passes.errors import Unsupported, describe
from passes.layout.axis_rules import default
from passes.layout.rules import rule
from passes.layout.walk import Walk, constant_of, operand, optional


@rule("Transpose")
def transpose(walk: Walk, node: ir.Node) -> None:
    view = walk.view(operand(node, 0))
    perm = node.attributes["perm"].as_ints() if "perm" in node.attributes else tuple(reversed(range(view.rank)))
    walk.views[node.outputs[0]] = view.permuted(perm)


@rule("Reshape", "Flatten")
def reshape(walk: Walk, node: ir.Node) -> None:
    """The target is the inferred shape of the output, so that shape arithmetic is not needed any more."""
    view, target = walk.view(operand(node, 0)), dims_of(node.outputs[0])
    result = walk.reshape_view(view, target)
    walk.views[node.outputs[0]] = result or plain(walk.reshape(walk.materialise(view), target))


@rule("Squeeze")
def squeeze(walk: Walk, node: ir.Node) -> None:
    view, axes = walk.view(operand(node, 0)), constant_of(optional(node, 1))
    if axes is None:
        gone = {i for i, d in enumerate(view.dims) if d.is_one}
    else:
        gone = {int(a) % view.rank for a in axes}
    walk.views[node.outputs[0]] = View(view.base, tuple(g for i, g in enumerate(view.axes) if i not in gone))


@rule("Unsqueeze")
def unsqueeze(walk: Walk, node: ir.Node) -> None:
    view, axes = walk.view(operand(node, 0)), constant_of(operand(node, 1))
    if axes is None:
        raise Unsupported("The axes of Unsqueeze are computed.", node=describe(node))
    rank = view.rank + len(axes)
    new = {int(a) % rank for a in axes}
    groups = iter(view.axes)
    walk.views[node.outputs[0]] = View(view.base, tuple(() if i in new else next(groups) for i in range(rank)))


@rule("Expand")
def expand(walk: Walk, node: ir.Node) -> None:
    """Given `Expand(x, shape)`, `keraport::Expand(x, like)` {shape}: -1 stands for the size that `like` has at `axis`.

    A symbolic size is taken from a live tensor, the latest one that has it, because Keras has no sizes to compute with.
    """
    x, target = operand(node, 0), dims_of(node.outputs[0])
    if walk.view(x).dims == target:
        walk.views[node.outputs[0]] = walk.view(x)
        return
    expanded = _expanded(walk, walk.materialise(walk.view(x)), target)
    if expanded is None:
        raise Unsupported(
            f"Expand to {[d.as_shape() for d in target]} needs more than one size that is known only at run time.",
            node=describe(node),
            hint="Give fixed sizes with --input for all dimensions but the batch.",
        )
    walk.views[node.outputs[0]] = plain(expanded)


@rule("ConstantOfShape")
def constant_of_shape(walk: Walk, node: ir.Node) -> None:
    """A constant, expanded. Where it cannot be, it is shape arithmetic, as a rule, of which nothing will be left."""
    target = dims_of(node.outputs[0])
    if not target or all(d.is_static for d in target):
        default(walk, node)
        return
    value = node.attributes.get_tensor("value", None)
    number = np.zeros(1, np.float32) if value is None else value.numpy()
    expanded = _expanded(walk, walk.constant(number.reshape((1,) * len(target)), number.dtype), target)
    if expanded is None:
        default(walk, node)
    else:
        walk.views[node.outputs[0]] = plain(expanded)


def _expanded(walk: Walk, value: ir.Value, target: Sequence[Dim]) -> ir.Value | None:
    """The value with these sizes; None where that takes more than one size, once, of those that live tensors have."""
    source = (Dim(1),) * (len(target) - len(dims_of(value))) + dims_of(value)
    sizes = [d.coefficient if d.is_static else 0 if s == d else -1 for d, s in zip(target, source, strict=True)]
    if -1 not in sizes:
        return walk.emit("Expand", [value], target, {"shape": sizes, "axis": 0}, domain="keraport")
    grown = target[sizes.index(-1)]
    if sizes.count(-1) > 1 or grown.coefficient != 1 or len(grown.symbols) != 1:
        return None
    if grown.symbols[0] not in walk.anchors:
        return None
    like, axis = walk.anchors[grown.symbols[0]]
    return walk.emit("Expand", [value, like], target, {"shape": sizes, "axis": axis}, domain="keraport")


@rule("Shape")
def shape(walk: Walk, node: ir.Node) -> None:
    """The shape of the value, read off the base: what is left of shape arithmetic asks for the source's axes."""
    view = walk.view(operand(node, 0))
    start = node.attributes.get_int("start", 0)
    stop = node.attributes["end"].as_int() if "end" in node.attributes else view.rank
    wanted = [view.single(axis) for axis in range(*slice(start, stop).indices(view.rank))]
    if view.is_plain or any(axis is None for axis in wanted):
        default(walk, node)
        return
    rank = len(dims_of(view.base))
    whole = walk.emit("Shape", [view.base], [Dim(rank)], {"start": 0})
    indices = walk.constant([axis for axis in wanted if axis is not None])
    out = walk.emit("Gather", [whole, indices], [Dim(len(wanted))], {"axis": 0}, like=whole)
    walk.views[node.outputs[0]] = plain(out)
