"""Pads: zero pads as layers, other values and modes as operations, run-time pads from live sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import layers, ops

from converter.backends.keras.build.dtypes import layer_dtype
from converter.backends.keras.build.live_sizes import length, ones
from converter.backends.keras.build.registry import op
from converter.backends.keras.build.weights import ConstantInput
from converter.backends.keras.ops.axes import constant_ints
from passes.errors import Unsupported
from passes.facts.keras import MOST_MIRRORED_AXES
from passes.padding.arithmetic import Axis, begins


@op("Pad")
def pad(x: Any, pads: Any, value: Any = None, axes: Any = None, *, mode: str = "constant", name: str) -> Any:
    """Amounts before and after per axis; negative ones crop."""
    numbers = constant_ints(pads)
    half = len(numbers) // 2
    which = list(range(half)) if axes is None else constant_ints(axes)
    amounts = [(0, 0)] * len(x.shape)
    for axis, before, after in zip(which, numbers, numbers[half:], strict=False):
        amounts[axis] = (before, after)
    x = _crop(x, amounts)
    amounts = [(max(b, 0), max(e, 0)) for b, e in amounts]
    if not any(map(any, amounts)):
        return x
    if mode == "constant":
        return _constant_pad(x, amounts, value, name)
    if mode == "reflect":
        _require_room(x, amounts)
        if len(x.shape) > MOST_MIRRORED_AXES:
            for axis, (before, after) in enumerate(amounts):
                x = _reflected(x, axis, before, after)
            return x
        return ops.pad(x, amounts, mode="reflect")
    if mode in ("edge", "wrap"):
        for axis, (before, after) in enumerate(amounts):
            x = (_edge if mode == "edge" else _wrap)(x, axis, before, after)
        return x
    raise Unsupported(f"Pad mode {mode!r} is not supported. Supported: constant, edge, reflect, wrap.")


def _crop(x: Any, amounts: Sequence[tuple[int, int]]) -> Any:
    if all(b >= 0 and e >= 0 for b, e in amounts):
        return x
    return x[tuple(slice(max(-b, 0) or None, -max(-e, 0) or None) for b, e in amounts)]


def _require_room(x: Any, amounts: Sequence[tuple[int, int]]) -> None:
    for axis, amount in enumerate(amounts):
        size = x.shape[axis]
        if size is not None and max(amount) >= size:
            raise Unsupported(
                f"Pad with mode 'reflect' by {max(amount)} needs more than the {size} elements of axis {axis}."
            )


def _constant_pad(x: Any, amounts: Sequence[tuple[int, int]], value: Any, name: str) -> Any:
    """ZeroPadding where only the axes between batch and channels grow, and by zeros."""
    if value is not None and not isinstance(value, ConstantInput):
        inside = ops.pad(ops.ones_like(x, dtype="bool"), amounts)
        return ops.where(inside, ops.pad(x, amounts), value)
    fill = 0 if value is None else value.numpy().item()
    rank = len(amounts)
    if fill == 0 and 3 <= rank <= 5 and not any(amounts[0]) and not any(amounts[-1]):
        spatial = tuple(amounts[1:-1])
        layer = (layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D)[rank - 3]
        return layer(spatial[0] if rank == 3 else spatial, name=name, dtype=layer_dtype(x))(x)
    return ops.pad(x, amounts, mode="constant", constant_values=fill)


def _edge(x: Any, axis: int, before: int, after: int) -> Any:
    """TensorFlow does not have this mode: repeat the border."""
    parts = [x]
    if before:
        parts.insert(0, ops.repeat(_part(x, axis, 0, 1), before, axis=axis))
    if after:
        parts.append(ops.repeat(_part(x, axis, -1, None), after, axis=axis))
    return x if len(parts) == 1 else ops.concatenate(parts, axis=axis)


def _reflected(x: Any, axis: int, before: int, after: int) -> Any:
    parts = [x]
    if before:
        parts.insert(0, ops.flip(_part(x, axis, 1, before + 1), axis=axis))
    if after:
        parts.append(ops.flip(_part(x, axis, -1 - after, -1), axis=axis))
    return x if len(parts) == 1 else ops.concatenate(parts, axis=axis)


def _wrap(x: Any, axis: int, before: int, after: int) -> Any:
    """Nor this: take from the other end, where both are known to reach less than once around, else by index."""
    size = x.shape[axis]
    if not before and not after:
        return x
    if size is None:
        count = ops.cumsum(ops.pad(ones(x, axis), [(before, after)], constant_values=1))
        return ops.take(x, ops.mod(ops.subtract(count, 1 + before), length(x, axis)), axis=axis)
    if max(before, after) > size:
        return ops.take(x, (np.arange(size + before + after, dtype="int32") - before) % size, axis=axis)
    parts = [_part(x, axis, size - before, None)] * bool(before) + [x] + [_part(x, axis, 0, after)] * bool(after)
    return ops.concatenate(parts, axis=axis)


def _part(x: Any, axis: int, start: int | None, stop: int | None) -> Any:
    return x[tuple(slice(start, stop) if a == axis else slice(None) for a in range(len(x.shape)))]


@op("keraport::PadSame")
def pad_same(
    x: Any,
    *,
    axes: Sequence[int],
    kernel_shape: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    mode: str,
    value: float = 0.0,
    name: str,
) -> Any:
    """Pad as SAME_UPPER or SAME_LOWER say for the size that x has at run time."""
    for axis, k, s, d in zip(axes, kernel_shape, strides, dilations, strict=True):
        x = _pad_axis(x, axis, Axis(None, k, s, d), mode == "SAME_LOWER", value)
    return x


def _pad_axis(x: Any, axis: int, window: Axis, lower: bool, value: float) -> Any:
    """One axis: kₑ − 1 in all, b of it in front. b follows from -n mod s, so it is one of a few numbers: one pad each.

    t = max(0, kₑ − s + r), r = −n mod s, and b = ⌊t/2⌋ or ⌈t/2⌉; see passes/padding/arithmetic.py.
    """
    residue = ops.mod(ops.negative(length(x, axis)), window.stride)
    total = ops.maximum(ops.add(residue, window.extent - window.stride), 0)
    begin = ops.floor_divide(ops.add(total, int(lower)), 2)
    first, *others = sorted(set(begins(window, lower)))
    result = _begun_at(x, axis, first, window.extent, value)
    for number in others:
        result = ops.where(ops.equal(begin, number), _begun_at(x, axis, number, window.extent, value), result)
    return result


def _begun_at(x: Any, axis: int, begin: int, extent: int, value: float) -> Any:
    amounts = [(0, 0)] * len(x.shape)
    amounts[axis] = (begin, extent - 1 - begin)
    return ops.pad(x, amounts, mode="constant", constant_values=value)


@op("keraport::CentreCrop")
def centre_crop(
    x: Any, *, axes: Sequence[int], sizes: Sequence[int], surplus: Sequence[int], mode: str, name: str
) -> Any:
    """Of n elements, `size` from b on: t = max(0, n - surplus - size), b = ⌊t/2⌋ for SAME_UPPER, else ⌈t/2⌉."""
    for axis, size, more in zip(axes, sizes, surplus, strict=True):
        total = ops.maximum(ops.subtract(length(x, axis), more + size), 0)
        begin = ops.floor_divide(ops.add(total, 0 if mode == "SAME_UPPER" else 1), 2)
        first = ops.subtract(ops.cumsum(ones(x, axis)[(slice(size),)]), 1)
        x = ops.take(x, ops.add(ops.reshape(first, (size,)), begin), axis=axis)
    return x
