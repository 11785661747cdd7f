"""Operators that give the same elements another shape, join them or take them apart."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import onnx_ir as ir

from passes.dims.polynomial import Dim, Expr, ceil_divide, exact_divide, floor_divide, product, total
from passes.shapes.rules.elementwise import simpler
from passes.shapes.rules.registry import NoRule, Shapes, Site, rule


@rule("Transpose")
def _transpose(node: ir.Node, site: Site) -> Shapes:
    x = site.shape(0)
    perm = node.attributes.get_ints("perm", None)
    return [tuple(x[axis] for axis in perm) if perm is not None else x[::-1]]


@rule("Reshape")
def _reshape(node: ir.Node, site: Site) -> Shapes:
    target = site.value(1)
    x = site.shapes[0]
    if not node.attributes.get_int("allowzero", 0) and 0 in target:
        known = site.shape(0)
        target = [known[axis] if size == 0 else size for axis, size in enumerate(target)]
    if -1 in target:
        hole = target.index(-1)
        total = product(site.shape(0))
        others = product(target[:hole] + target[hole + 1 :])
        rest = exact_divide(total, others)
        if rest is None:
            if (isinstance(others, int) and isinstance(total, int)) or others == 0 or x is None:
                raise NoRule
            rest = floor_divide(total, others)
        target[hole] = rest
    elif x is not None:
        _equate_products(x, target, site)
    return [tuple(target)]


def _equate_products(x: Sequence[Dim], target: Sequence[Dim], site: Site) -> None:
    """A reshape to sizes that are all said: what one side has more than the other is 1."""
    for one, other in ((product(x), product(target)), (product(target), product(x))):
        ratio = exact_divide(one, other)
        if isinstance(ratio, Expr):
            site.equate(ratio, 1)


@rule("Flatten")
def _flatten(node: ir.Node, site: Site) -> Shapes:
    x = site.shape(0)
    axis = node.attributes.get_int("axis", 1)
    axis += len(x) if axis < 0 else 0
    return [(product(x[:axis]), product(x[axis:]))]


@rule("Squeeze")
def _squeeze(node: ir.Node, site: Site) -> Shapes:
    x = site.shape(0)
    if site.has(1):
        gone = set(site.axes(1, len(x)))
    else:
        gone = {axis for axis, dim in enumerate(x) if dim == 1}
    return [tuple(dim for axis, dim in enumerate(x) if axis not in gone)]


@rule("Unsqueeze")
def _unsqueeze(node: ir.Node, site: Site) -> Shapes:
    x = site.shape(0)
    rank = len(x) + len(site.numbers(1))
    new = set(site.axes(1, rank))
    rest = iter(x)
    return [tuple(1 if axis in new else next(rest) for axis in range(rank))]


@rule("Concat")
def _concat(node: ir.Node, site: Site) -> Shapes:
    shapes = [site.shape(index) for index in range(len(node.inputs))]
    axis = node.attributes.get_int("axis", 0) % len(shapes[0])
    result: list[Dim] = []
    for position, dims in enumerate(zip(*shapes, strict=True)):
        if position == axis:
            result.append(total(dims))
        else:
            result.append(reduce(simpler, dims))  # the operator needs them to be equal
            for dim in dims:
                site.equate(dim, result[-1])
    return [tuple(result)]


@rule("Split")
def _split(node: ir.Node, site: Site) -> Shapes:
    x = site.shape(0)
    axis = node.attributes.get_int("axis", 0) % len(x)
    count = len(node.outputs)
    if site.has(1):
        sizes = site.value(1)
    else:
        step = ceil_divide(x[axis], count)
        sizes = [step] * (count - 1) + [x[axis] - step * (count - 1)]
    return [(*x[:axis], size, *x[axis + 1 :]) for size in sizes]


@rule("Gather")
def _gather(node: ir.Node, site: Site) -> Shapes:
    x, indices = site.shape(0), site.shape(1)
    axis = node.attributes.get_int("axis", 0) % len(x)
    return [(*x[:axis], *indices, *x[axis + 1 :])]


@rule("GatherElements")
def _gather_elements(node: ir.Node, site: Site) -> Shapes:
    return [site.shape(1)]
