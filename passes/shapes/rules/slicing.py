"""Operators that cut, pad and repeat along axes."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from passes.dims.least import known_lower_bound, known_maximum, known_minimum
from passes.dims.parse import parse
from passes.dims.polynomial import Dim, Expr, ceil_divide
from passes.graph.match import maker
from passes.shapes.rules.elementwise import broadcast
from passes.shapes.rules.registry import NoRule, Shapes, Site, rule


@rule("Expand")
def _expand(node: ir.Node, site: Site) -> Shapes:
    return [broadcast([site.shape(0), tuple(site.value(1))])]


@rule("NonZero")
def _non_zero(node: ir.Node, site: Site) -> Shapes:
    return [(len(site.shape(0)), _counted(node))]


@rule("Compress")
def _compress(node: ir.Node, site: Site) -> Shapes:
    x = site.shape(0)
    if "axis" not in node.attributes:
        return [(_counted(node),)]
    axis = node.attributes.get_int("axis", 0) % len(x)
    return [(*x[:axis], _counted(node), *x[axis + 1 :])]


def _counted(node: ir.Node) -> Dim:
    """A size that the numbers decide: a symbol of its own."""
    return parse(f"unk__{node.outputs[0].name}")


@rule("Tile")
def _tile(node: ir.Node, site: Site) -> Shapes:
    return [tuple(dim * times for dim, times in zip(site.shape(0), site.value(1), strict=True))]


@rule("ConstantOfShape")
def _constant_of_shape(node: ir.Node, site: Site) -> Shapes:
    return [tuple(site.value(0))]


@rule("Range")
def _range(node: ir.Node, site: Site) -> Shapes:
    start, limit, delta = (_whole(*site.factors(index)) for index in range(3))
    if not isinstance(delta, int) or delta == 0:
        raise NoRule
    if start == 0 and delta == 1 and _is_size(node.inputs[1]):
        return [(limit,)]  # which is that tensor's: its arithmetic need not tell that it is not negative
    return [(_positive(ceil_divide(limit - start, delta) if delta > 0 else ceil_divide(start - limit, -delta)),)]


def _is_size(value: ir.Value | None) -> bool:
    """Whether the number is read off a tensor's shape."""
    while (node := maker(value, "Gather", "Squeeze", "Unsqueeze", "Reshape", "Cast", "Slice")) is not None:
        value = node.inputs[0]
    return maker(value, "Shape") is not None


def _whole(number: Any) -> Dim:
    """A number, of floats only a whole one."""
    if isinstance(number, float) and number.is_integer():
        return int(number)
    if not isinstance(number, int | Expr):
        raise NoRule
    return number


@rule("Pad")
def _pad(node: ir.Node, site: Site) -> Shapes:
    x = site.shape(0)
    if not site.is_known(1) or (site.has(3) and not site.is_known(3)):
        return [tuple(parse(f"unk__{node.outputs[0].name}_{axis}") for axis in range(len(x)))]
    pads = site.value(1)
    axes = site.axes(3, len(x)) if site.has(3) else list(range(len(x)))
    result = list(x)
    for position, axis in enumerate(axes):
        result[axis] = x[axis] + pads[position] + pads[position + len(axes)]
    return [tuple(result)]


@rule("Slice")
def _slice(node: ir.Node, site: Site) -> Shapes:
    x = site.shape(0)
    starts, ends = site.value(1), site.value(2)
    axes = site.axes(3, len(x)) if site.has(3) else list(range(len(starts)))
    steps = site.numbers(4) if site.has(4) else [1] * len(starts)
    result = list(x)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step == 0:
            raise NoRule
        result[axis] = slice_length(x[axis], start, end, step)
    return [tuple(result)]


def slice_length(size: Dim, start: Dim, end: Dim, step: int) -> Dim:
    """How many elements a slice takes. Bounds with symbols count from the front; too large ones are clamped."""
    if step < 0:
        first = _clamp(start, size, size - 1, -1)
        last = _clamp(end, size, size - 1, -1)
        return _positive(ceil_divide(first - last, -step))
    return _positive(ceil_divide(_clamp(end, size, size, 0) - _clamp(start, size, size, 0), step))


def _clamp(bound: Dim, size: Dim, high: Dim, low: int) -> Dim:
    if isinstance(bound, int):
        if bound >= _TO_THE_END:
            return high
        if bound <= -_TO_THE_END:
            return low
        bound = bound if bound >= 0 else bound + size
        if (least := known_lower_bound(bound - low)) is None or least < 0:
            bound = low if isinstance(bound, int) else known_maximum(bound, low)
    elif (below := known_lower_bound(-bound)) is not None and below >= 0:
        if not below:
            raise NoRule  # 0 is the first element, and -1 the last
        bound = known_maximum(bound + size, low)
    return known_minimum(bound, high)


_TO_THE_END = 2**31 - 1
"""Exporters write the greatest int32 or int64 for "all of it"; no axis is that long."""


def _positive(count: Dim) -> Dim:
    return known_maximum(count, 0)
