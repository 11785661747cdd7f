"""Operators that only rename axes. Most of them write no node at all."""

from __future__ import annotations

import onnx_ir as ir

from passes.dims.product import Product, dims_of
from passes.errors import Unsupported, describe
from passes.layout.rules.along_axes import default
from passes.layout.walk.axes_view import AxesView, plain
from passes.layout.walk.registry import rule
from passes.layout.walk.walk import Walk, constant_of, operand, optional


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
        gone = {int(a) % view.rank for a in axes.ravel()}  # a single one may be a scalar
    walk.views[node.outputs[0]] = AxesView(view.base, tuple(g for i, g in enumerate(view.axes) if i not in gone))


@rule("Unsqueeze")
def unsqueeze(walk: Walk, node: ir.Node) -> None:
    view, axes = walk.view(operand(node, 0)), constant_of(operand(node, 1))
    if axes is None:
        raise Unsupported("The axes of Unsqueeze are computed.", node=describe(node))
    rank = view.rank + axes.size
    new = {int(a) % rank for a in axes.ravel()}
    groups = iter(view.axes)
    walk.views[node.outputs[0]] = AxesView(view.base, tuple(() if i in new else next(groups) for i in range(rank)))


@rule("Shape")
def shape(walk: Walk, node: ir.Node) -> None:
    """The shape of the value, read off the base: what is left of shape arithmetic asks for the source's axes."""
    view = walk.view(operand(node, 0))
    start = node.attributes.get_int("start", 0)
    stop = node.attributes["end"].as_int() if "end" in node.attributes else view.rank
    groups = [view.axes[axis] for axis in range(*slice(start, stop).indices(view.rank))]
    if view.is_plain or any(len(group) > 1 for group in groups):
        default(walk, node)
        return
    rank = len(dims_of(view.base))
    whole = walk.emit("Shape", [view.base], [Product(rank)], {"start": 0})
    if not all(groups):  # an axis of 1 that is none of the base
        whole = walk.emit("Concat", [whole, walk.constant([1])], [Product(rank + 1)], {"axis": 0}, like=whole)
    indices = walk.constant([group[0] if group else rank for group in groups])
    out = walk.emit("Gather", [whole, indices], [Product(len(groups))], {"axis": 0}, like=whole)
    walk.views[node.outputs[0]] = plain(out)
