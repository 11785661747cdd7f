"""Interpolation along one axis: which elements each result takes, and how much of each.

The same arithmetic on arrays, when the sizes are known, and on tensors, when they are not; in float32 as onnxruntime
does
it, since a position that rounds to the other side of a pixel takes another pixel. Formulas: ONNX Resize and GridSample.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import KerasTensor, ops

HALF, ONE = np.float32(0.5), np.float32(1)


def arithmetic_of(*values: Any) -> Any:
    """numpy, or keras.ops where something is a tensor: both have the functions that are used here."""
    return ops if any(isinstance(value, KerasTensor) for value in values) else np


def source_positions(i: Any, size: Any, target: Any, scale: Any, mode: str) -> Any:
    """Where each output pixel lies in the input, by coordinate_transformation_mode.

    Args:
        i: 0, 1, … of the output, float32.
        size, target: of the input and the output, float32 numbers or tensors.
        scale: of the output to the input.
    """
    xp = arithmetic_of(i, size, target, scale)
    if mode == "asymmetric":
        return xp.divide(i, scale)
    if mode == "align_corners":
        return xp.divide(xp.multiply(i, size - ONE), xp.maximum(target - ONE, ONE))
    places = xp.divide(i + HALF, scale)
    if mode == "half_pixel_symmetric":
        shift = xp.multiply(size * HALF, xp.subtract(ONE, xp.divide(target, xp.multiply(scale, size))))
        return xp.add(shift, places) - HALF
    if mode == "pytorch_half_pixel":
        return xp.multiply(places - HALF, xp.minimum(target - ONE, ONE))  # 0 if there is one only
    return places - HALF


def within_part(i: Any, size: Any, target: Any, part: tuple[float, float]) -> Any:
    """The same for tf_crop_and_resize: the part [start, end] of the axis, from the centre of one pixel to another's."""
    start, end = (np.float32(share) for share in part)
    last = size - ONE
    if target <= 1:
        return i * 0 + HALF * (start + end) * last
    return start * last + i * ((end - start) * last / (target - ONE))


def nearest(x: Any, rounding: str) -> Any:
    """Positions rounded as nearest_mode says."""
    xp = arithmetic_of(x)
    if rounding == "floor":
        return xp.floor(x)
    if rounding == "ceil":
        return xp.ceil(x)
    return xp.ceil(x - HALF) if rounding == "round_prefer_floor" else xp.floor(x + HALF)


def linear(x: Any) -> list[tuple[Any, Any]]:
    """(place, weight) of two neighbours."""
    below = arithmetic_of(x).floor(x)
    t = x - below
    return [(below, 1 - t), (below + 1, t)]


def cubic(x: Any, a: float) -> list[tuple[Any, Any]]:
    """(place, weight) of four neighbours: Keys' kernel at the distances 1 + t, t, 1 - t, 2 - t."""
    below = arithmetic_of(x).floor(x)
    t = x - below
    weights = [_far(1 + t, a), _near(t, a), _near(1 - t, a), _far(2 - t, a)]
    return [(below + k, weight) for k, weight in zip((-1, 0, 1, 2), weights, strict=True)]


def _near(d: Any, a: float) -> Any:
    return ((a + 2) * d - (a + 3)) * d * d + 1


def _far(d: Any, a: float) -> Any:
    return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a


Kernel = Callable[[np.ndarray], np.ndarray]


def triangle(d: np.ndarray) -> np.ndarray:
    """The weight of linear interpolation at a distance."""
    return np.asarray(np.maximum(1 - np.abs(d), 0))


def keys(d: np.ndarray, a: float) -> np.ndarray:
    """The weight of cubic interpolation at a distance."""
    d = np.abs(d)
    return np.where(d < 1, _near(d, a), np.where(d < 2, _far(d, a), 0))


def widened(x: np.ndarray, kernel: Kernel, support: int, scale: np.floating) -> list[tuple[np.ndarray, np.ndarray]]:
    """(place, weight) where an axis shrinks by `scale` and the kernel grows by as much, as antialias asks for."""
    reach = int(np.ceil(support / scale))
    below = np.floor(x)
    places = [below + k for k in range(1 - reach, reach + 1)]
    weights = [kernel((place - x) * scale).astype(np.float32) for place in places]
    total = sum(weights[1:], weights[0])
    return [(place, weight / total) for place, weight in zip(places, weights, strict=True)]


def without_outside(pairs: list[tuple[Any, Any]], size: Any) -> list[tuple[Any, Any]]:
    """The weights of places outside of the axis are 0, and those of the others again 1 in all (exclude_outside)."""
    xp = arithmetic_of(*pairs[0], size)
    inside = [xp.where(xp.logical_and(place >= 0, place <= size - 1), weight, 0.0 * weight) for place, weight in pairs]
    total = sum(inside[1:], inside[0])
    return [(place, weight / total) for (place, _), weight in zip(pairs, inside, strict=True)]


def clamped(place: Any, size: Any) -> Any:
    """Places as indices of the axis, those outside at its borders."""
    xp = arithmetic_of(place, size)
    within = xp.minimum(xp.maximum(place, 0.0), size - 1)
    return ops.cast(within, "int32") if xp is ops else within.astype("int32")
