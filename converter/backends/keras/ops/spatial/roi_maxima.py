"""Greatest of as many places as a region is large: RoiAlign with mode="max" and sampling_ratio=0.

As onnxruntime has it, a place gives the greatest of its four neighbours, each times its weight, a product of one along
rows and one along columns. Of a pixel that is not negative the largest weights count, of a negative one the smallest,
and both are found without going through the places: those between two pixels are a run, in which weights rise evenly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from converter.backends.keras.build.live_sizes import in_float32, positions, size_of
from converter.backends.keras.ops.spatial.roi_averages import NEAR, Places


@dataclass(frozen=True)
class Weighed:
    """What pixels along an axis weigh in cells of regions: [R, cells, pixels].

    Attributes:
        most, least: the largest and the smallest weight of each.
        is_seen: whether any place has it for a neighbour.
        has_none: [R, cells, 1], whether a place has a neighbour of no weight, which gives 0 whatever it is.
        count: [R, 1, 1], how many places a cell has.
    """

    most: Any
    least: Any
    is_seen: Any
    has_none: Any
    count: Any


def weighed(x: Any, axis: int, places: Places) -> Weighed:
    """What the pixels along an axis of x weigh."""
    pixel = ops.reshape(ops.cast(positions(x, axis), "float32"), (1, 1, -1))
    last = in_float32(size_of(x, axis)) - 1.0
    before, outside = places.until(-1.0, -NEAR), places.until(last + 1.0, NEAR)
    here, below, above = places.until(pixel), places.until(pixel - 1.0), places.until(pixel + 1.0)
    on_rim, behind = places.until(0.0), places.until(last)
    # Up to one pixel outside of the image a place is on its rim, and its other neighbour weighs nothing.
    is_first = ops.logical_and(pixel <= 0.0, on_rim > before)
    is_last = ops.logical_and(pixel >= last, outside > behind)
    on_edge = ops.logical_or(is_first, is_last)
    rises = ops.logical_and(here > below, pixel > 0.0)
    falls = ops.logical_and(above > here, pixel < last)
    up = [ops.clip(_weight(places, number, pixel, 1.0), 0.0, 1.0) for number in (below, here - 1.0)]
    down = [ops.clip(_weight(places, number, pixel, -1.0), 0.0, 1.0) for number in (here, above - 1.0)]
    none, one = ops.zeros_like(up[0]), ops.ones_like(up[0])
    most = ops.maximum(ops.where(rises, up[1], none), ops.where(falls, down[0], none))
    least = ops.minimum(ops.where(rises, up[0], one), ops.where(falls, down[1], one))
    rim = ops.logical_or(on_rim > before, outside > behind)
    far = ops.logical_or(before > 0.0, outside < places.count)
    return Weighed(
        ops.where(on_edge, one, most),
        least,
        ops.logical_or(on_edge, ops.logical_or(rises, falls)),
        ops.logical_or(rim, far),
        places.count,
    )


def _weight(places: Places, number: Any, pixel: Any, way: float) -> Any:
    """Of the place of this number for a pixel: 1 where it is, and less by as much as it is away."""
    return 1.0 + way * (places.first + number * places.step - pixel)


def greatest_of_places(x: Any, image: Any, rows: Weighed, columns: Weighed) -> Any:
    """x [N, H, W, C], the image of each region [R], and what pixels weigh → [R, rows, columns, C]."""
    of_region = ops.take(x, ops.cast(image, "int32"), axis=0)
    nothing = ops.full_like(of_region, -np.inf)
    counts = _greatest(ops.where(of_region >= 0.0, of_region, nothing), rows.most, columns.most, rows, columns)
    below = _greatest(ops.where(of_region < 0.0, of_region, nothing), rows.least, columns.least, rows, columns)
    found = ops.maximum(counts, below)
    has_none = ops.logical_or(
        ops.expand_dims(rows.has_none, 2), ops.expand_dims(ops.swapaxes(columns.has_none, 1, 2), 3)
    )
    found = ops.where(has_none, ops.maximum(found, 0.0), found)
    is_empty = ops.logical_or(rows.count <= 0.0, columns.count <= 0.0)
    return ops.where(ops.expand_dims(is_empty, 3), ops.zeros_like(found), found)


def _greatest(x: Any, down: Any, across: Any, rows: Weighed, columns: Weighed) -> Any:
    """Along rows, then along columns; what is -∞ does not count."""
    cells = []
    for row in range(down.shape[1]):
        line = _of_cell(x, down[:, row], rows.is_seen[:, row], 2)
        parts = [_of_cell(line, across[:, column], columns.is_seen[:, column], 1) for column in range(across.shape[1])]
        cells.append(ops.stack(parts, axis=1))
    return ops.stack(cells, axis=1)


def _of_cell(x: Any, weight: Any, is_seen: Any, behind: int) -> Any:
    """The greatest along the second axis of x."""
    for _ in range(behind):
        weight, is_seen = ops.expand_dims(weight, -1), ops.expand_dims(is_seen, -1)
    counts = ops.logical_and(is_seen, x > -np.inf)
    held = ops.where(counts, x, ops.zeros_like(x)) * ops.cast(weight, x.dtype)
    return ops.max(ops.where(counts, held, ops.full_like(held, -np.inf)), axis=1)
