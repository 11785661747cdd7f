"""Transposed convolutions in full: every element that the kernel reaches, then a crop.

On an axis of n elements, stride s and ke = (k-1)·d + 1, the full result has L = s·(n-1) + ke elements, element
i·s + j·d being what input i gives through tap j. ONNX asks for the elements from b on of F = L + output_padding, so

    out = F - b - e,   and where output_shape is given,   t = max(0, F - out),  b + e = t.

SAME without an output_shape has t = max(0, ke + output_padding - s), for every n. SAME_UPPER has b = ⌊t/2⌋ and all
others b = ⌈t/2⌉ (onnxruntime says so; the standard's text leaves the middle open).

What lies behind L, or in front of 0 where b < 0, is the bias alone. One zero more behind the input makes the full
result s elements longer and adds nothing to it, so an extension needs no Pad of the output and the bias stays in the
node.

With a symbolic n and an output_shape, t is known at run time only: `keraport::CentreCrop`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import onnx_ir as ir

from passes.dims.polynomial import Dim
from passes.errors import Unsupported, describe
from passes.graph.builder import Builder, FreshNames, first_input, set_attributes, sizes_of
from passes.padding.arithmetic import Axis, Pads
from passes.padding.nodes import crop_axes, pad_axes, plus
from passes.padding.window import read_window


@dataclass(frozen=True)
class Crop:
    """What to do along one axis: extend the input by zeros, then crop the full result.

    `centre` is the output_shape that a run-time crop has to reach, and `surplus` what its input has too much, as
    extension, before t is taken: t = length - surplus - centre.
    """

    extension: Pads
    crop: Pads
    centre: int | None = None
    surplus: int = 0


def crop_between(axis: Axis, begin: int, end: int) -> Crop:
    """Leave off `begin` and `end` elements of the full result; negative numbers extend it."""
    front, back = -(min(0, begin) // axis.stride), -(min(0, end) // axis.stride)
    return Crop((front, back), (begin + front * axis.stride, end + back * axis.stride))


def static_crop(axis: Axis, output_padding: int, total: int, upper: bool) -> Crop:
    """Share a total crop t of F between both ends."""
    begin = total // 2 if upper else total - total // 2
    return crop_between(axis, begin, total - begin - output_padding)


def run_time_crop(axis: Axis, output_padding: int, out: int) -> Crop:
    """`out` elements from the middle of F, at every n that can give them.

    The crop starts at b ≤ t and reads up to max(out, F). An output_shape beyond L by a stride or more would belong to a
    larger n, and onnxruntime refuses it; so the extension must make up for output_padding and for s - 1.
    """
    more = -(-max(output_padding, axis.stride - 1) // axis.stride)
    return Crop((0, more), (0, 0), out, more * axis.stride - output_padding)


def split_conv_transpose(node: ir.Node, names: FreshNames) -> bool:
    """Bring one ConvTranspose to its final form; says whether anything changed.

    Given    ConvTranspose<pads=[1, 1, 1, 1], strides=[2, 2], output_padding=[1, 1]>(x, w, b)
    Result   Slice(ConvTranspose<strides=[2, 2]>(x, w, b))

    Result   CentreCrop(ConvTranspose(Pad(x), w, b)) where the size is symbolic and output_shape is given
    """
    axes = read_window(node).axes
    attributes: dict[str, Any] = {
        "kernel_shape": [a.kernel for a in axes],
        "strides": [a.stride for a in axes],
        "dilations": [a.dilation for a in axes],
        "group": node.attributes.get_int("group", 1),
    }
    crops = _crops(node, axes)
    if all(c.crop == c.extension == (0, 0) and c.centre is None for c in crops):
        return set_attributes(node, attributes)
    at = Builder(node, names)
    x = pad_axes(at, first_input(node), [c.extension for c in crops])
    sizes = [*sizes_of(node.outputs[0])[:2], *map(_full_size, sizes_of(x)[2:], axes)]
    y = at.node("ConvTranspose", [x, *node.inputs[1:]], sizes, attributes, name=node.name)
    upper = node.attributes.get_string("auto_pad", "NOTSET") == "SAME_UPPER"
    at.replace(_centre_crop(at, crop_axes(at, y, [c.crop for c in crops]), crops, upper))
    return True


def _crops(node: ir.Node, axes: tuple[Axis, ...]) -> list[Crop]:
    rank = len(axes)
    mode = node.attributes.get_string("auto_pad", "NOTSET")
    more = list(node.attributes.get_ints("output_padding", [0] * rank))
    output_shape = node.attributes.get_ints("output_shape", None)
    if output_shape is not None and any(output_shape):
        wanted = list(output_shape)[-rank:]
        return [_to_output_shape(node, *each, mode == "SAME_UPPER") for each in zip(axes, more, wanted, strict=True)]
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        totals = [max(0, a.extent + o - a.stride) for a, o in zip(axes, more, strict=True)]
        return [static_crop(*each, mode == "SAME_UPPER") for each in zip(axes, more, totals, strict=True)]
    pads = [0] * 2 * rank if mode == "VALID" else list(node.attributes.get_ints("pads", [0] * 2 * rank))
    return [crop_between(a, pads[i], pads[rank + i] - more[i]) for i, a in enumerate(axes)]


def _to_output_shape(node: ir.Node, axis: Axis, output_padding: int, out: int, upper: bool) -> Crop:
    if out < 1:
        raise Unsupported(f"output_shape asks for {out} elements along an axis.", node=describe(node))
    if axis.size is None:
        return run_time_crop(axis, output_padding, out)
    full = axis.stride * (axis.size - 1) + axis.extent + output_padding
    crop = static_crop(axis, output_padding, max(0, full - out), upper)
    if full >= out:
        return crop
    return crop_between(axis, 0, full - out - output_padding)


def _full_size(size: Dim | None, axis: Axis) -> Dim | None:
    return None if size is None else (size - 1) * axis.stride + axis.extent


def _centre_crop(at: Builder, y: ir.Value, crops: list[Crop], upper: bool) -> ir.Value:
    """`keraport::CentreCrop`: `sizes` elements along `axes`, from b = t/2 on, t = max(0, length - surplus - size)."""
    axes = [i for i, c in enumerate(crops) if c.centre is not None]
    if not axes:
        return y
    sizes = sizes_of(y)
    wanted = [c.centre for c in crops if c.centre is not None]
    for i, size in zip(axes, wanted, strict=True):
        sizes[2 + i] = plus(size, 0)
    attributes = {
        "axes": [2 + i for i in axes],
        "sizes": wanted,
        "surplus": [crops[i].surplus for i in axes],
        "mode": "SAME_UPPER" if upper else "SAME_LOWER",
    }
    return at.node("CentreCrop", [y], sizes, attributes, domain="keraport")
