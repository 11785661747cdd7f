"""Convolutions, pools, and what trades channels for space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from passes.dims.bounds import maximum
from passes.dims.parse import parse
from passes.dims.polynomial import Dim, ceil_divide, floor_divide
from passes.dims.proportion import in_proportion
from passes.dims.quotient import NotKnown, Ratio, floor_ratio, multiply
from passes.padding.arithmetic import Axis, ceil_mode_pads
from passes.shapes.rules.registry import NoRule, Shapes, Site, require_equal, rule


@rule("Conv", "ConvInteger", "QLinearConv", "MaxPool", "AveragePool", "LpPool")
def _conv(node: ir.Node, site: Site) -> Shapes:
    x = site.shape(0)
    spatial = x[2:]
    rank = len(spatial)
    pool = node.op_type.endswith("Pool")
    weight = None if pool else site.shape(3 if node.op_type == "QLinearConv" else 1)
    kernel = node.attributes.get_ints("kernel_shape", None) or (_numbers(weight[2:]) if weight else None)
    if kernel is None or rank < 1:
        raise NoRule
    if weight is not None:
        require_equal(len(weight), len(x))
        require_equal(weight[1] * node.attributes.get_int("group", 1), x[1])
        site.equate(x[1], weight[1] * node.attributes.get_int("group", 1))
    strides = node.attributes.get_ints("strides", None) or [1] * rank
    dilations = node.attributes.get_ints("dilations", None) or [1] * rank
    pads = node.attributes.get_ints("pads", None) or [0] * (2 * rank)
    auto_pad = node.attributes.get_string("auto_pad", "NOTSET")
    ceil_mode = bool(node.attributes.get_int("ceil_mode", 0))
    sizes = [
        window_count(size, kernel[a], strides[a], dilations[a], (pads[a], pads[a + rank]), auto_pad, ceil_mode)
        for a, size in enumerate(spatial)
    ]
    shape = (x[0], x[1] if weight is None else weight[0], *sizes)
    return [shape] * len(node.outputs)


def _numbers(sizes: Sequence[Dim]) -> list[int]:
    """The window of a weight, which must be constant: a weight made at run time may have any size."""
    numbers = [size for size in sizes if isinstance(size, int)]
    if len(numbers) < len(sizes):
        raise NoRule
    return numbers


def window_count(
    size: Dim, kernel: int, stride: int, dilation: int, pads: tuple[int, int], auto_pad: str, ceil_mode: bool
) -> Dim:
    """How many windows fit: numerics.md, "Padding, per axis"."""
    extent = (kernel - 1) * dilation + 1
    if auto_pad.startswith("SAME"):
        return ceil_divide(size, stride)
    begin, end = pads if auto_pad == "NOTSET" else (0, 0)
    if ceil_mode:
        begin, end = ceil_mode_pads(Axis(None, kernel, stride, dilation), (begin, end))
    return floor_divide(size + begin + end - extent, stride) + 1


@rule("ConvTranspose")
def _conv_transpose(node: ir.Node, site: Site) -> Shapes:
    x, weight = site.shape(0), site.shape(1)
    rank = len(x) - 2
    channels = weight[1] * node.attributes.get_int("group", 1)
    site.equate(x[1], weight[0])
    fixed = node.attributes.get_ints("output_shape", None)
    if fixed:
        return [(x[0], channels, *fixed[-rank:])]
    kernel = node.attributes.get_ints("kernel_shape", None) or _numbers(weight[2:])
    strides = node.attributes.get_ints("strides", None) or [1] * rank
    dilations = node.attributes.get_ints("dilations", None) or [1] * rank
    pads = node.attributes.get_ints("pads", None) or [0] * (2 * rank)
    extra = node.attributes.get_ints("output_padding", None) or [0] * rank
    auto_pad = node.attributes.get_string("auto_pad", "NOTSET")
    sizes: list[Dim] = []
    for axis in range(rank):
        reach = (kernel[axis] - 1) * dilations[axis] + 1 + extra[axis]
        crop: Dim = pads[axis] + pads[axis + rank] if auto_pad == "NOTSET" else 0
        if auto_pad.startswith("SAME"):  # size · stride, but never an extension: see padding/conv_transpose.py
            crop = maximum(0, reach - strides[axis])
        sizes.append((x[2 + axis] - 1) * strides[axis] + reach - crop)
    return [(x[0], channels, *sizes)]


@rule("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def _global_pool(node: ir.Node, site: Site) -> Shapes:
    x = site.shape(0)
    return [(*x[:2], *[1] * (len(x) - 2))]


@rule("DepthToSpace")
def _depth_to_space(node: ir.Node, site: Site) -> Shapes:
    n, c, h, w = site.shape(0)
    block = node.attributes.get_int("blocksize", 1)
    return [(n, floor_divide(c, block * block), h * block, w * block)]


@rule("SpaceToDepth")
def _space_to_depth(node: ir.Node, site: Site) -> Shapes:
    n, c, h, w = site.shape(0)
    block = node.attributes.get_int("blocksize", 1)
    return [(n, c * block * block, floor_divide(h, block), floor_divide(w, block))]


@rule("Col2Im")
def _col2im(node: ir.Node, site: Site) -> Shapes:
    batch, columns, _ = site.shape(0)
    block = 1
    for size in _numbers(site.value(2)):
        block *= size
    return [(batch, floor_divide(columns, block), *site.value(1))]


@rule("Resize")
def _resize(node: ir.Node, site: Site) -> Shapes:
    x = site.shape(0)
    axes = [axis % len(x) for axis in node.attributes.get_ints("axes", None) or range(len(x))]
    result = list(x)
    by_sizes = site.has(3) and site.shape(3) != (0,)
    if not site.is_known(3 if by_sizes else 2) and len(axes) < len(x):
        for axis in axes:
            result[axis] = parse(f"unk__{node.outputs[0].name}_{axis}")
        return [tuple(result)]
    if by_sizes:
        policy = node.attributes.get_string("keep_aspect_ratio_policy", "stretch")
        sizes = site.value(3) if policy == "stretch" else _in_proportion(policy, [x[a] for a in axes], site.value(3))
        for axis, size in zip(axes, sizes, strict=True):
            result[axis] = size
        return [tuple(result)]
    for axis, scale in zip(axes, site.factors(2), strict=True):
        result[axis] = scaled_size(x[axis], scale)
    return [tuple(result)]


def _in_proportion(policy: str, before: Sequence[Dim], wanted: Sequence[Dim]) -> list[int]:
    sizes, _ = in_proportion(policy, _numbers(before), _numbers(wanted))
    return sizes


def scaled_size(size: Dim, scale: Dim | float | Ratio) -> Dim:
    """⌊size · scale⌋, as onnx computes it: in float32 where both are numbers."""
    if isinstance(size, int) and isinstance(scale, int | float):
        return int(np.floor(np.float32(size) * np.float32(scale)))
    try:
        return floor_ratio(multiply(size, scale))
    except NotKnown as error:
        raise NoRule from error
