"""GridSample, channels last: Keras has none, so it is gathers of whole pixels, weighted."""

from __future__ import annotations

from itertools import product
from typing import Any

from keras import ops

from converter.backends.keras.build import interpolation
from converter.backends.keras.build.live_constants import live_constant
from converter.backends.keras.build.live_sizes import in_float32, positions_on, size_of
from converter.backends.keras.build.registry import op
from converter.backends.keras.build.sums import add
from converter.backends.keras.build.weights import ConstantInput
from converter.backends.keras.ops.axes import known_size
from passes.errors import Unsupported

CUBIC_COEFFICIENT = -0.75
"""torch's and onnxruntime's; the operator has no attribute for it."""


@op("nhwc::GridSample")
def grid_sample(
    x: Any, grid: Any, *, mode: str = "linear", padding_mode: str = "zeros", align_corners: int = 0, name: str
) -> Any:
    """x [N, H, W, C] at the places of grid [N, H', W', 2], which has them as (x, y) between -1 and 1.

    Each place takes 1, 2 or 4 neighbours along each axis, in all combinations.
    """
    if mode not in ("linear", "nearest", "cubic"):
        raise Unsupported(f"GridSample with mode={mode!r} is not converted. Supported: linear, nearest, cubic.")
    if isinstance(grid, ConstantInput):
        grid = live_constant(grid, x, name=name)
    axes = range(1, len(x.shape) - 1)
    sizes = [size_of(x, axis) for axis in axes]
    last = len(axes) - 1
    taps = [_taps(grid[..., last - i], sizes[i], mode, padding_mode, bool(align_corners)) for i in range(len(axes))]
    rows = ops.reshape(x, (-1, known_size(x, -1)))
    first = positions_on(x, 0, len(grid.shape) - 1)
    for size in sizes:
        first = first * size if isinstance(size, int) else ops.multiply(first, size)
    total = None
    for combination in product(*taps):
        index, weight = combination[0]
        for (place, factor), size in zip(combination[1:], sizes[1:], strict=True):
            index, weight = index * size + place, weight * factor
        pixels = ops.take(rows, add(index, first), axis=0)
        part = pixels * ops.cast(ops.expand_dims(weight, -1), x.dtype)
        total = part if total is None else total + part
    return total


def _taps(g: Any, size: Any, mode: str, padding: str, align: bool) -> list[tuple[Any, Any]]:
    """(index, weight) of each neighbour along one axis; those outside as the padding mode has them."""
    n = in_float32(size)
    places = (ops.cast(g, "float32") + 1.0) * ((n - 1) / 2) if align else ((ops.cast(g, "float32") + 1.0) * n - 1.0) / 2
    low, high = (0.0, n - 1.0) if align else (-0.5, n - 0.5)
    if mode != "cubic" and padding == "border":
        places = ops.minimum(ops.maximum(places, 0.0), n - 1.0)
    if mode != "cubic" and padding == "reflection":
        places = _reflected(places, low, high)
    if mode == "nearest":
        nearest = ops.round(places)
        pairs = [(nearest, ops.ones_like(nearest))]
    else:
        pairs = interpolation.linear(places) if mode == "linear" else interpolation.cubic(places, CUBIC_COEFFICIENT)
    if padding == "zeros":
        pairs = [(place, weight * _inside(place, n)) for place, weight in pairs]
    if mode == "cubic" and padding == "reflection":
        pairs = [(_reflected(place, low, high), weight) for place, weight in pairs]
    return [(interpolation.clamped(place, n), weight) for place, weight in pairs]


def _inside(place: Any, size: Any) -> Any:
    return ops.cast(ops.logical_and(place >= 0.0, place <= size - 1.0), "float32")


def _reflected(place: Any, low: float, high: Any) -> Any:
    """Between low and high, which are mirrors: of one pixel alone, that pixel."""
    span = ops.maximum(2.0 * (high - low), 1e-6) if not isinstance(high, float) else max(2.0 * (high - low), 1e-6)
    there = ops.mod(place - low, span)
    return ops.minimum(there, span - there) + low
