"""Pools without explicit pads, ceil mode or dilation.

MaxPool pads with -inf, so that a pad never wins. AveragePool divides each sum by how many of its taps count:

- count_include_pad=0 counts taps inside [0, n), count_include_pad=1 those inside [-b, n + e), both without the
  overhang of ceil mode;
- where every window counts all its taps, that is the plain average over Pad(x);
- SAME_UPPER counts taps inside [0, n), as Keras `same` does; but only where SAME is symmetric at every size, because
  on torch Keras 3.15 repeats the border instead where it is not;
- elsewhere the plain average over Pad(x) is corrected: by k / count along each axis where the size is known, else by
  dividing it by the plain average of a mask that is 1 where taps count.

A dilated pool takes its taps apart: tap j of all windows along one axis is the strided Slice x[j·d :: s], and the pool
is the Max or the mean of k such slices. A box is separable, so each dilated axis is done on its own, and the axes
without dilation stay one pool.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import numpy as np
import onnx_ir as ir

from passes.errors import Unsupported, describe
from passes.graph.builder import Builder, FreshNames, first_input, set_attributes, sizes_of
from passes.padding.arithmetic import taps_inside
from passes.padding.nodes import crop_axes, pad_axes, pad_window, scalar, tap
from passes.padding.window import Window, read_window


def split_max_pool(node: ir.Node, names: FreshNames, *, fold: bool = True) -> bool:
    """Bring one MaxPool to its final form; says whether anything changed. Without `fold`, never to SAME_UPPER.

    Given    MaxPool<pads=[1, 1, 1, 1], …>(x)
    Result   MaxPool<auto_pad="VALID">(Pad(x, -inf)), or MaxPool<auto_pad="SAME_UPPER">(x)
    """
    if len(node.outputs) > 1:
        if node.outputs[1].uses() or node.outputs[1].is_graph_output():
            raise Unsupported("The Indices output of MaxPool is used; Keras pools have none.", node=describe(node))
        node.resize_outputs(1)
    window = read_window(node)
    if max(window.dilations) == 1 and (window.is_valid or (fold and window.is_same_upper)):
        return set_attributes(node, _attributes(window, "VALID" if window.is_valid else "SAME_UPPER"))
    at = Builder(node, names)
    at.replace(_pool(at, pad_window(at, first_input(node), window, -inf), window, node.name))
    return True


def split_average_pool(node: ir.Node, names: FreshNames, *, fold: bool = True) -> bool:
    """Bring one AveragePool to its final form; says whether anything changed. Without `fold`, never to SAME_UPPER.

    Given    AveragePool<pads=[1, 1, 1, 1], count_include_pad=0, …>(x)
    Result   AveragePool<auto_pad="SAME_UPPER">(x), or Mul(AveragePool<auto_pad="VALID">(Pad(x)), k / counts)
    """
    window = read_window(node)
    include_pads = bool(node.attributes.get_int("count_include_pad", 0))
    undilated = max(window.dilations) == 1
    if undilated and window.is_valid:
        return set_attributes(node, _attributes(window, "VALID"))
    counts_inside_only = not include_pads or all(c == (0, 0) for c in window.counted)
    if fold and undilated and counts_inside_only and window.is_same_symmetric:
        return set_attributes(node, _attributes(window, "SAME_UPPER"))
    at = Builder(node, names)
    x = first_input(node)
    y = _pool(at, pad_window(at, x, window), window, node.name)
    if not _counts_all(window, include_pads):
        corrections = _static_corrections(window, include_pads)
        if corrections is None:
            sizes = sizes_of(y)
            mask = _pool(at, _mask(at, x, window, include_pads), window)
            y = at.node("Div", [y, mask], sizes)
        else:
            for factors in corrections:
                y = at.node("Mul", [y, at.constant(factors.astype(scalar(x, 1).dtype), "counts")], sizes_of(y))
    at.replace(y)
    return True


def _pool(at: Builder, x: ir.Value, window: Window, name: str | None = None) -> ir.Value:
    """The pool over an input that is padded already: dilated axes tap by tap, the others in one node."""
    node = at.anchor
    for i, axis in enumerate(window.axes):
        if axis.dilation == 1:
            continue
        taps = [tap(at, x, i, window, number) for number in range(axis.kernel)]
        if node.op_type == "MaxPool":
            x = at.node("Max", taps, sizes_of(taps[0]))
        else:
            total = at.node("Sum", taps, sizes_of(taps[0]))
            x = at.node("Mul", [total, at.constant(scalar(x, 1 / axis.kernel), "share")], sizes_of(total))
    done = [replace(a, kernel=1, stride=1, dilation=1) if a.dilation > 1 else a for a in window.axes]
    rest = replace(window, axes=tuple(done))
    if max(rest.kernel) == max(rest.strides) == 1:
        return x
    sizes = sizes_of(x)
    for i, axis in enumerate(rest.axes):
        size = sizes[2 + i]
        sizes[2 + i] = None if size is None else (size - axis.kernel) // axis.stride + 1
    return at.node(node.op_type, [x], sizes, _attributes(rest, "VALID"), name=name)


def _counts_all(window: Window, include_pads: bool) -> bool:
    """Does every window count all its taps, at every size?"""
    for axis, pads, counted in zip(window.axes, window.pads, window.counted, strict=True):
        if pads is None or counted is None:
            if not include_pads:
                return False
            continue
        inside = counted if include_pads else (min(0, counted[0]), min(0, counted[1]))
        if pads[0] <= inside[0] and pads[1] <= inside[1]:
            continue
        if axis.size is None or any(count != axis.kernel for count in taps_inside(axis, pads, inside)):
            return False
    return True


def _static_corrections(window: Window, include_pads: bool) -> list[np.ndarray] | None:
    """k / count for the windows along each axis where it is not 1 everywhere; None where a size is not known."""
    corrections = []
    for i, (axis, pads, counted) in enumerate(zip(window.axes, window.pads, window.counted, strict=True)):
        if axis.size is None or pads is None or counted is None:
            return None
        inside = counted if include_pads else (min(0, counted[0]), min(0, counted[1]))
        counts = np.asarray(taps_inside(axis, pads, inside), np.float64)
        if (counts != axis.kernel).any():
            shape = [1] * (window.rank + 2)
            shape[2 + i] = len(counts)
            with np.errstate(divide="ignore"):
                corrections.append((axis.kernel / counts).reshape(shape))
    return corrections


def _mask(at: Builder, x: ir.Value, window: Window, include_pads: bool) -> ir.Value:
    """1 where a tap counts, 0 elsewhere, on the padded input; one image and one channel are enough."""
    sizes = [1, 1, *sizes_of(x)[2:]]
    parts = {"starts": [0, 0], "ends": [1, 1], "axes": [0, 1], "steps": [1, 1]}
    corner = at.node("Slice", [x, *(at.constant(numbers, label) for label, numbers in parts.items())], sizes)
    ones = at.node("OnesLike", [corner], sizes, domain="keraport")
    if not include_pads:
        return pad_window(at, ones, window)
    counted = [pads or (0, 0) for pads in window.counted]
    ones = pad_axes(at, ones, [(max(0, b), max(0, e)) for b, e in counted], 1.0)
    ones = crop_axes(at, ones, [(max(0, -b), max(0, -e)) for b, e in counted])
    overhang = [(p[0] - c[0], p[1] - c[1]) if p is not None else p for p, c in zip(window.pads, counted, strict=True)]
    return pad_window(at, ones, replace(window, pads=tuple(overhang)))


def _attributes(window: Window, auto_pad: str) -> dict[str, Any]:
    return {"auto_pad": auto_pad, "kernel_shape": window.kernel, "strides": window.strides}
