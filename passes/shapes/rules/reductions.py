"""Operators that make one number of many."""

from __future__ import annotations

import onnx_ir as ir

from passes.shapes.rules.registry import Shape, Shapes, Site, rule

REDUCTIONS = [
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
]


@rule(*REDUCTIONS)
def _reduce(node: ir.Node, site: Site) -> Shapes:
    x = site.shape(0)
    axes = site.axes(1, len(x)) if site.has(1) else []
    if not axes and node.attributes.get_int("noop_with_empty_axes", 0) != 0:
        return [x]
    where = set(axes or range(len(x)))
    return [_drop(x, where, keep=node.attributes.get_int("keepdims", 1) != 0)]


@rule("ArgMax", "ArgMin")
def _arg(node: ir.Node, site: Site) -> Shapes:
    x = site.shape(0)
    axis = node.attributes.get_int("axis", 0) % len(x)
    return [_drop(x, {axis}, keep=node.attributes.get_int("keepdims", 1) != 0)]


@rule("TopK")
def _top_k(node: ir.Node, site: Site) -> Shapes:
    shape = list(site.shape(0))
    (shape[node.attributes.get_int("axis", -1)],) = site.value(1)
    return [tuple(shape)] * len(node.outputs)


def _drop(x: Shape, axes: set[int], *, keep: bool) -> Shape:
    return tuple(1 if axis in axes else dim for axis, dim in enumerate(x) if keep or axis not in axes)
