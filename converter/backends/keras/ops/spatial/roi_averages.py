"""Means over as many places as a region is large: RoiAlign with sampling_ratio=0.

Each cell of a region is the mean of ⌈rows⌉·⌈columns⌉ places, another number for each region. Since linear interpolation
is a product of one along rows and one along columns, so is the mean: rows · image · columns, where an entry of the one
matrix is what a line of pixels weighs in a line of cells. The places between two pixels are a run, and what they weigh
grows evenly along it: the sum of the run is written down without going through it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from converter.backends.keras.build.live_sizes import in_float32, positions, size_of

NEAR = 1e-5
"""Share of the distance of two places by which one may miss the rim of the image, for rounding's sake."""


@dataclass(frozen=True)
class Places:
    """first, first + step, …, `count` of them, in each cell of each region: [R, cells, 1], in pixels."""

    first: Any
    step: Any
    count: Any

    def until(self, bound: Any, rim: float = 0.0) -> Any:
        """How many are not beyond a bound."""
        return ops.minimum(ops.maximum(ops.floor((bound - self.first) / self.step + rim) + 1.0, 0.0), self.count)

    def rising(self, begin: Any, end: Any, origin: Any) -> Any:
        """The sum of (place - origin) over those from number `begin` to before number `end`."""
        run = end - begin
        return run * (self.first - origin) + self.step * run * (begin + end - 1.0) / 2.0


def mean_over_places(x: Any, image: Any, rows: Any, columns: Any) -> Any:
    """x [N, H, W, C], the image of each region [R], and what pixels weigh → [R, rows, columns, C].

    Args:
        rows, columns: of `weights`, along H and along W.
    """
    indices = ops.reshape(ops.cast(image, "int32"), (-1, 1))
    is_image = ops.equal(indices, ops.reshape(positions(x, 0), (1, -1)))
    lines = ops.einsum("rph,rn,nhwc->rpwc", ops.cast(rows, x.dtype), ops.cast(is_image, x.dtype), x)
    return ops.einsum("rqw,rpwc->rpqc", ops.cast(columns, x.dtype), lines)


def weights(x: Any, axis: int, start: Any, end: Any, cells: int, is_half_pixel: bool) -> Any:
    """What each pixel along an axis of x weighs in each cell of regions from `start` to `end`: [R, cells, pixels]."""
    places = places_of(start, end, cells, is_half_pixel)
    pixel = ops.reshape(ops.cast(positions(x, axis), "float32"), (1, 1, -1))
    return _of_pixels(places, pixel, size_of(x, axis)) / ops.maximum(places.count, 1.0)


def places_of(start: Any, end: Any, cells: int, is_half_pixel: bool) -> Places:
    """Of regions from `start` to `end`, with as many places as a cell is long."""
    length = end - start if is_half_pixel else ops.maximum(end - start, 1.0)
    size = ops.reshape(length / cells, (-1, 1, 1))
    count = ops.maximum(ops.ceil(size), 0.0)  # a region that ends before it starts has none
    step = ops.where(count > 0.0, size / ops.maximum(count, 1.0), 1.0)
    cell = np.arange(cells, dtype="float32").reshape(1, -1, 1)
    return Places(ops.reshape(start, (-1, 1, 1)) + size * cell + step / 2.0, step, count)


def _of_pixels(places: Places, pixel: Any, size: Any) -> Any:
    """Between two pixels a place weighs in both, less in the farther one; up to one pixel outside of the image it is
    on the rim."""
    last = in_float32(size) - 1.0
    here, below, above = places.until(pixel), places.until(pixel - 1.0), places.until(pixel + 1.0)
    from_below = ops.where(pixel <= 0.0, here - places.until(-1.0, -NEAR), places.rising(below, here, pixel - 1.0))
    from_above = ops.where(
        pixel >= last, places.until(last + 1.0, NEAR) - here, -places.rising(here, above, pixel + 1.0)
    )
    return from_below + from_above
