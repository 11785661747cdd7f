"""Convolutions without pads of their own, and without a stride and a dilation at once, which Keras refuses.

A strided, dilated convolution reads x[i·s + j·d]. With g = gcd(s, d) it reads only every g-th element, so it is the
convolution of x[::g] with stride s/g and dilation d/g. Where a stride and a dilation are still left, it is every s-th
element of the convolution with stride 1: ⌊(n - ke)/s⌋ + 1 = ⌈(n - ke + 1)/s⌉, so both have as many elements.
"""

from __future__ import annotations

from dataclasses import replace
from math import gcd
from typing import Any

import onnx_ir as ir

from passes.dims.polynomial import Dim
from passes.facts.keras import takes_stride_and_dilation
from passes.graph.builder import Builder, FreshNames, first_input, set_attributes, sizes_of
from passes.padding.arithmetic import Axis
from passes.padding.nodes import pad_window, stride_axes
from passes.padding.window import Window, read_window


def split_conv(node: ir.Node, names: FreshNames, *, fold: bool = True) -> bool:
    """Bring one Conv to its final form; says whether anything changed. Without `fold`, never to SAME_UPPER.

    Given    Conv<pads=[1, 1, 1, 1], strides=[2, 2]>(x, w, b)
    Result   Conv<auto_pad="VALID", strides=[2, 2]>(Pad(x), w, b)
    Result   Conv<auto_pad="SAME_UPPER", …>(x, w, b) where the pads are provably those
    """
    window = read_window(node)
    if not takes_stride_and_dilation(window.strides, window.dilations):
        _split_stride_from_dilation(node, window, names)
        return True
    folded = fold and not window.is_valid and window.is_same_upper
    attributes = _attributes(node, window, "SAME_UPPER" if folded else "VALID")
    if folded or window.is_valid:
        return set_attributes(node, attributes)
    at = Builder(node, names)
    node.replace_input_with(0, pad_window(at, first_input(node), window))
    set_attributes(node, attributes)
    return True


def _split_stride_from_dilation(node: ir.Node, window: Window, names: FreshNames) -> None:
    at = Builder(node, names)
    common = [gcd(a.stride, a.dilation) for a in window.axes]
    x = stride_axes(at, pad_window(at, first_input(node), window), common)
    reduced = tuple(
        replace(a, stride=a.stride // g, dilation=a.dilation // g) for a, g in zip(window.axes, common, strict=True)
    )
    left = [1] * window.rank
    if not takes_stride_and_dilation([a.stride for a in reduced], [a.dilation for a in reduced]):
        left = [a.stride for a in reduced]
        reduced = tuple(replace(a, stride=1) for a in reduced)
    if max(left) == 1:
        node.replace_input_with(0, x)
        set_attributes(node, _attributes(node, replace(window, axes=reduced), "VALID"))
        return
    channels = sizes_of(node.outputs[0])[:2]
    sizes = [*channels, *(_output_size(size, a) for size, a in zip(sizes_of(x)[2:], reduced, strict=True))]
    attributes = _attributes(node, replace(window, axes=reduced), "VALID")
    y = at.node("Conv", [x, *node.inputs[1:]], sizes, attributes, name=node.name)
    at.replace(stride_axes(at, y, left))


def _output_size(size: Dim | None, axis: Axis) -> Dim | None:
    return None if size is None else (size - axis.extent) // axis.stride + 1


def _attributes(node: ir.Node, window: Window, auto_pad: str) -> dict[str, Any]:
    return {
        "auto_pad": auto_pad,
        "kernel_shape": window.kernel,
        "strides": window.strides,
        "dilations": window.dilations,
        "group": node.attributes.get_int("group", 1),
    }
