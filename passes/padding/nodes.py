"""A window's padding as nodes of its own: Pad, Slice where a pad is negative, PadSame where only the run knows it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from passes.dims.polynomial import Dim, ceil_divide
from passes.graph.builder import Builder, sizes_of
from passes.padding.arithmetic import Pads
from passes.padding.window import Window


def pad_window(at: Builder, x: ir.Value, window: Window, value: float = 0.0) -> ir.Value:
    """`x` with all pads of the window around it."""
    known = [pads or (0, 0) for pads in window.pads]
    x = pad_axes(at, x, [(max(0, b), max(0, e)) for b, e in known], value)
    x = crop_axes(at, x, [(max(0, -b), max(0, -e)) for b, e in known])
    return _pad_same(at, x, window, value)


def pad_axes(at: Builder, x: ir.Value, pads: Sequence[Pads], value: float = 0.0) -> ir.Value:
    """Pad the spatial axes; no node where there is nothing to pad."""
    if not any(b or e for b, e in pads):
        return x
    flat = [0, 0, *(b for b, _ in pads), 0, 0, *(e for _, e in pads)]
    inputs = [x, at.constant(flat, "pads")]
    if value:
        inputs.append(at.constant(scalar(x, value), "pad_value"))
    sizes = sizes_of(x)
    grown = [plus(size, b + e) for size, (b, e) in zip(sizes[2:], pads, strict=True)]
    return at.node("Pad", inputs, [*sizes[:2], *grown], {"mode": "constant"})


def crop_axes(at: Builder, x: ir.Value, crops: Sequence[Pads]) -> ir.Value:
    """Take elements off the beginnings and ends of the spatial axes; no node where there is nothing to take."""
    if not any(b or e for b, e in crops):
        return x
    axes = [i for i, crop in enumerate(crops) if crop != (0, 0)]
    sizes = sizes_of(x)
    for i in axes:
        sizes[2 + i] = plus(sizes[2 + i], -sum(crops[i]))
    last = np.iinfo(np.int64).max
    ends = [-crops[i][1] if crops[i][1] else last for i in axes]
    return _slice(at, x, sizes, [crops[i][0] for i in axes], ends, axes, [1] * len(axes))


def stride_axes(at: Builder, x: ir.Value, steps: Sequence[int]) -> ir.Value:
    """Every step-th element of the spatial axes, from the first one on."""
    axes = [i for i, step in enumerate(steps) if step > 1]
    if not axes:
        return x
    sizes = sizes_of(x)
    for i in axes:
        size = sizes[2 + i]
        sizes[2 + i] = None if size is None else ceil_divide(size, steps[i])
    last = np.iinfo(np.int64).max
    return _slice(at, x, sizes, [0] * len(axes), [last] * len(axes), axes, [steps[i] for i in axes])


def tap(at: Builder, x: ir.Value, axis: int, window: Window, number: int) -> ir.Value:
    """What tap `number` of every window sees along one spatial axis of an already padded input."""
    a = window.axes[axis]
    after = (a.kernel - 1 - number) * a.dilation
    sizes = sizes_of(x)
    size = plus(sizes[2 + axis], 1 - a.extent)
    sizes[2 + axis] = None if size is None else ceil_divide(size, a.stride)
    end = -after if after else np.iinfo(np.int64).max
    return _slice(at, x, sizes, [number * a.dilation], [end], [axis], [a.stride])


def scalar(like: ir.Value, value: float) -> np.ndarray:
    """A scalar of the type of `like`; -inf is the least integer where the type has no infinity."""
    dtype = like.dtype or ir.DataType.FLOAT
    if dtype.is_integer() and value == -np.inf:
        return np.asarray(dtype.min, dtype.numpy())
    return np.asarray(value, dtype.numpy())


def plus(size: Dim | None, amount: int) -> Dim | None:
    return None if size is None else size + amount


def _slice(
    at: Builder,
    x: ir.Value,
    sizes: list[Dim | None],
    starts: list[int],
    ends: list[int],
    axes: list[int],
    steps: list[int],
) -> ir.Value:
    parts = {"starts": starts, "ends": ends, "axes": [2 + axis for axis in axes], "steps": steps}
    return at.node("Slice", [x, *(at.constant(numbers, label) for label, numbers in parts.items())], sizes)


def _pad_same(at: Builder, x: ir.Value, window: Window, value: float) -> ir.Value:
    """`keraport::PadSame`: ke-1 elements of padding in all, SAME's b of them in front (see arithmetic.py)."""
    axes = [i for i, pads in enumerate(window.pads) if pads is None]
    if not axes:
        return x
    sizes = sizes_of(x)
    for i in axes:
        sizes[2 + i] = plus(sizes[2 + i], window.axes[i].extent - 1)
    attributes = {
        "axes": [2 + i for i in axes],
        "kernel_shape": [window.axes[i].kernel for i in axes],
        "strides": [window.axes[i].stride for i in axes],
        "dilations": [window.axes[i].dilation for i in axes],
        "mode": "SAME_LOWER" if window.lower else "SAME_UPPER",
        "value": float(value),
    }
    return at.node("PadSame", [x], sizes, attributes, domain="keraport")
