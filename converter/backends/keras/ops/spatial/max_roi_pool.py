"""MaxRoiPool, channels last: Keras has none, so the greatest is taken of whole rows, then of columns, by region.

Which pixels a cell looks at are a run of rows and a run of columns: the maximum over both is one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from converter.backends.keras.build.live_sizes import in_float32, positions, size_of
from converter.backends.keras.build.operands import operand
from converter.backends.keras.build.registry import op


@op("nhwc::MaxRoiPool")
def max_roi_pool(x: Any, rois: Any, *, pooled_shape: Sequence[int], spatial_scale: float = 1.0, name: str) -> Any:
    """x [N, H, W, C] and regions [R, 5] as (image, x1, y1, x2, y2), both ends within → [R, rows, columns, C].

    A cell beyond the image is 0.
    """
    rois = ops.cast(operand(rois, x, name=name), "float32")
    corners = _rounded(rois[:, 1:] * spatial_scale)
    images = ops.cast(rois[:, 0], "int32")
    down = _runs(x, 1, corners[:, 1], corners[:, 3], pooled_shape[0])
    across = _runs(x, 2, corners[:, 0], corners[:, 2], pooled_shape[1])
    of_region = ops.take(x, images, axis=0)
    rows = [_greatest(of_region, ops.expand_dims(run, (2, 3))) for run in down]
    cells = [[_greatest(row, ops.expand_dims(run, 2)) for run in across] for row in rows]
    found = ops.stack([ops.stack(row, axis=1) for row in cells], axis=1)
    return ops.where(ops.equal(found, -np.inf), ops.zeros_like(found), found)


def _rounded(x: Any) -> Any:
    """Half away from 0, as C has it."""
    return ops.sign(x) * ops.floor(ops.abs(x) + 0.5)


def _runs(x: Any, axis: int, start: Any, end: Any, cells: int) -> list[Any]:
    """Whether each cell, one after the other, looks at each pixel: [R, pixels]."""
    start, end = ops.expand_dims(start, 1), ops.expand_dims(end, 1)
    # In 64 bits, then rounded: TensorFlow's optimiser multiplies by 1/3, and ⌈3 · 5/3⌉ is then 6.
    cell = ops.cast(ops.cast(ops.maximum(end - start + 1.0, 1.0), "float64") / float(cells), "float32")
    pixel = ops.reshape(ops.cast(positions(x, axis), "float32"), (1, -1))
    most = in_float32(size_of(x, axis))
    found = []
    for number in range(cells):
        first, last = (
            ops.minimum(ops.maximum(place + start, 0.0), most)
            for place in (ops.floor(cell * float(number)), ops.ceil(cell * float(number + 1)))
        )
        found.append(ops.logical_and(ops.greater_equal(pixel, first), ops.less(pixel, last)))
    return found


def _greatest(x: Any, is_seen: Any) -> Any:
    """Along the second axis, of what is seen."""
    return ops.max(ops.where(is_seen, x, ops.full_like(x, -np.inf)), axis=1)
