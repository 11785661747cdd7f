"""Resize, channels last.

Every mode is separable: a weighted sum of gathers along one axis after the other, at places that interpolation.py
tells.
Where a layer of Keras computes exactly the same, it is the layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from keras import layers, ops

from converter.backends.keras.build import interpolation
from converter.backends.keras.build.live_sizes import length, ones
from converter.backends.keras.build.registry import op
from passes.dims.proportion import in_proportion
from passes.errors import Unsupported


@dataclass(frozen=True)
class Way:
    """How to interpolate: the attributes of ONNX's Resize that are not sizes."""

    mode: str
    coordinates: str
    rounding: str
    cubic_coefficient: float
    exclude_outside: bool
    antialias: bool

    @property
    def is_repeat(self) -> bool:
        """At whole factors these take source pixel ⌊i/s⌋, which is what UpSampling does."""
        if self.mode != "nearest":
            return False
        if self.coordinates == "asymmetric":
            return self.rounding == "floor"
        return self.coordinates.endswith("half_pixel") and self.rounding.startswith("round")

    @property
    def is_bilinear(self) -> bool:
        """What Keras means by bilinear."""
        return self.mode == "linear" and self.coordinates == "half_pixel" and not self.antialias


@dataclass(frozen=True)
class Target:
    """The size of one axis of the result: a number, a multiple of the input's, or that of another tensor's axis.

    With a size, a scale says where its pixels lie. `part` is the part of the axis that is looked at, 0 to 1.
    """

    size: int | None = None
    scale: float | None = None
    part: tuple[float, float] | None = None
    like: tuple[Any, int, int] | None = None


@op("nhwc::Resize")
def resize(
    x: Any,
    *likes: Any,
    mode: str = "nearest",
    coordinate_transformation_mode: str = "half_pixel",
    nearest_mode: str = "round_prefer_floor",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    antialias: int = 0,
    keep_aspect_ratio_policy: str = "stretch",
    scales: Sequence[float] = (),
    sizes: Sequence[int] = (),
    roi: Sequence[float] = (),
    like_axes: Sequence[int] = (),
    like_factors: Sequence[int] = (),
    name: str,
) -> Any:
    """Interpolate the axes between batch and channels. Where sizes have -1, they are those of the next of `likes`.

    `roi` are the starts and the ends of the part that is resized, as shares of the axes.
    """
    exclude = bool(exclude_outside) and (mode == "cubic" or bool(antialias))
    way = Way(mode, coordinate_transformation_mode, nearest_mode, cubic_coeff_a, exclude, bool(antialias))
    live = iter(zip(likes, like_axes, like_factors, strict=True))
    spatial = x.shape[1:-1]
    if keep_aspect_ratio_policy != "stretch" and sizes:
        rounded, scale = in_proportion(keep_aspect_ratio_policy, spatial, sizes)
        targets = [Target(size, float(scale)) for size in rounded]
    elif roi:
        parts = np.asarray(roi, np.float32).reshape(2, -1).T.tolist()
        targets = [Target(size, part=(start, end)) for size, (start, end) in zip(sizes, parts, strict=True)]
    elif scales:
        targets = [Target(scale=float(s)) for s in scales]
    else:
        targets = [Target(size=s) if s >= 0 else Target(like=next(live)) for s in sizes]
    layer = _as_layer(x, way, targets, name)
    if layer is not None:
        return layer
    for axis, target in enumerate(targets, 1):
        x = _resize_axis(x, axis, target, way)
    return _extrapolated(x, spatial, targets, extrapolation_value) if roi else x


def _extrapolated(x: Any, before: Sequence[int], targets: Sequence[Target], value: float) -> Any:
    """What lies outside of the image is this value."""
    inside: Any = True
    for axis, (size, target) in enumerate(zip(before, targets, strict=True), 1):
        assert target.size is not None and target.part is not None
        places = interpolation.within_part(np.arange(target.size, dtype=np.float32), size, target.size, target.part)
        shape = [-1 if a == axis else 1 for a in range(len(x.shape))]
        inside = np.logical_and(inside, ((places >= 0) & (places <= size - 1)).reshape(shape))
    return x if inside.all() else ops.where(inside, x, np.asarray(value, x.dtype))


def _as_layer(x: Any, way: Way, targets: Sequence[Target], name: str) -> Any:
    """UpSampling where it computes the same, `ops.image.resize` for bilinear images; else None."""
    spatial = x.shape[1:-1]
    factors = [_whole_factor(size, target) for size, target in zip(spatial, targets, strict=True)]
    if way.is_repeat and None not in factors:
        sizes = [int(factor) for factor in factors if factor is not None]
        if len(sizes) == 1:
            return layers.UpSampling1D(sizes[0], name=name, dtype=x.dtype)(x)
        if len(sizes) == 2:
            return layers.UpSampling2D(tuple(sizes), interpolation="nearest", name=name, dtype=x.dtype)(x)
        return layers.UpSampling3D(tuple(sizes), name=name, dtype=x.dtype)(x)
    if not way.is_bilinear or len(targets) != 2 or x.dtype != "float32":
        return None
    if None not in factors and None not in spatial:
        return layers.UpSampling2D(tuple(factors), interpolation="bilinear", name=name, dtype=x.dtype)(x)
    if all(target.size is not None and target.scale is None and target.part is None for target in targets):
        size = tuple(target.size for target in targets)
        return ops.image.resize(x, size, interpolation="bilinear", antialias=False, data_format="channels_last")
    return None


def _whole_factor(size: int | None, target: Target) -> int | None:
    if target.part is not None or (target.scale is not None and target.size is not None):
        return None
    if target.scale is not None:
        return int(target.scale) if target.scale >= 1 and target.scale == int(target.scale) else None
    return target.size // size if size and target.size and target.size % size == 0 else None


def _resize_axis(x: Any, axis: int, target: Target, way: Way) -> Any:
    if _is_same(target, x.shape[axis]):
        return x
    size: Any = x.shape[axis]
    size = ops.cast(length(x, axis), "float32") if size is None else np.float32(size)
    i, count = _results(x, axis, target)
    xp = interpolation.arithmetic_of(count, size)
    scale = xp.divide(count, size) if target.scale is None else np.float32(target.scale)
    if target.part is None:
        positions = interpolation.source_positions(i, size, count, scale, way.coordinates)
    else:
        positions = interpolation.within_part(i, size, count, target.part)
    if way.mode == "nearest":
        return _take(x, axis, interpolation.clamped(interpolation.nearest(positions, way.rounding), size))
    if way.antialias and way.mode in ("linear", "cubic") and _shrinks(scale, positions):
        kernel = (
            interpolation.triangle if way.mode == "linear" else partial(interpolation.keys, a=way.cubic_coefficient)
        )
        support = 1 if way.mode == "linear" else 2
        pairs = interpolation.widened(positions, kernel, support, scale)
    elif way.mode == "linear":
        pairs = interpolation.linear(positions)
    else:
        pairs = interpolation.cubic(positions, way.cubic_coefficient)
    if way.exclude_outside:
        pairs = interpolation.without_outside(pairs, size)
    shape = tuple(-1 if a == axis else 1 for a in range(len(x.shape)))
    parts = [
        _take(x, axis, interpolation.clamped(place, size)) * _weight(weight, shape, x.dtype) for place, weight in pairs
    ]
    return sum(parts[1:], parts[0])


def _is_same(target: Target, size: int | None) -> bool:
    if target.part is not None:
        return False
    return target.scale == 1 or (target.scale is None and target.size is not None and target.size == size)


def _shrinks(scale: Any, positions: Any) -> bool:
    """Only then is there something to filter.

    Raises:
        Unsupported: the sizes are not known yet.
    """
    if not isinstance(scale, np.floating) or not isinstance(positions, np.ndarray):
        raise Unsupported(
            "Resize with antialias to a size that is known only at run time is not converted.",
            hint="Give numbers for height and width with --input.",
        )
    return bool(scale < 1)


def _results(x: Any, axis: int, target: Target) -> tuple[Any, Any]:
    """0, 1, … along the axis of the result in float32, and how many; tensors where that is known at run time only."""
    size = x.shape[axis]
    if target.like is not None:
        like, like_axis, factor = target.like
        each = ops.repeat(ones(like, like_axis), factor) if factor > 1 else ones(like, like_axis)
    elif target.size is not None or size is not None:
        count = int(np.floor(np.float32(size) * np.float32(target.scale))) if target.size is None else target.size
        return np.arange(count, dtype=np.float32), np.float32(count)
    else:
        each = _scaled(ones(x, axis), target.scale or 1.0)
    count = ops.cast(ops.sum(each), "float32")
    return ops.cast(ops.cumsum(each), "float32") - 1.0, count


def _scaled(each: Any, scale: float) -> Any:
    """n ones → ⌊n·a/b⌋ ones: each a times, and of those every b-th."""
    ratio = Fraction(scale).limit_denominator(64)
    if np.float32(ratio.numerator / ratio.denominator) != np.float32(scale):
        raise Unsupported(
            f"Resize by {scale} of an image whose size is known only at run time is not converted.",
            hint="Give numbers for height and width with --input.",
        )
    each = ops.repeat(each, ratio.numerator) if ratio.numerator > 1 else each
    return each[(slice(ratio.denominator - 1, None, ratio.denominator),)] if ratio.denominator > 1 else each


def _take(x: Any, axis: int, places: Any) -> Any:
    """Along the axis; a strided slice where the places are evenly spaced."""
    steps = set(np.diff(places).tolist()) if isinstance(places, np.ndarray) and len(places) > 1 else set()
    if len(steps) == 1 and (step := steps.pop()) > 0:
        taken = slice(int(places[0]), int(places[-1]) + 1, step)
        return x[tuple(taken if a == axis else slice(None) for a in range(len(x.shape)))]
    return ops.take(x, places, axis=axis)


def _weight(weight: Any, shape: tuple[int, ...], dtype: str) -> Any:
    if isinstance(weight, np.ndarray):
        return weight.reshape(shape).astype(dtype)
    return ops.cast(ops.reshape(weight, shape), dtype)
