"""RoiAlign, channels last: Keras has none, so it is gathers of whole pixels, weighted."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from keras import ops

from converter.backends.keras.build.interpolation import clamped, linear
from converter.backends.keras.build.live_sizes import in_float32, size_of
from converter.backends.keras.build.operands import index_operand, operand
from converter.backends.keras.build.registry import op
from converter.backends.keras.build.sums import add
from converter.backends.keras.ops.axes import known_size
from converter.backends.keras.ops.spatial.roi_averages import mean_over_places, places_of, weights
from converter.backends.keras.ops.spatial.roi_maxima import greatest_of_places, weighed


@op("nhwc::RoiAlign")
def roi_align(
    x: Any,
    rois: Any,
    batch_indices: Any,
    *,
    mode: str = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
    coordinate_transformation_mode: str = "half_pixel",
    name: str,
) -> Any:
    """x [N, H, W, C], regions [R, 4] as (x1, y1, x2, y2), and the image of each [R] → [R, rows, columns, C].

    Each cell is the mean, or the maximum, of `sampling_ratio`² places within, between pixels by linear interpolation;
    of one for each pixel of a cell's size where it is 0.
    """
    rois, images = operand(rois, x, name=name), index_operand(batch_indices, x, name=name)
    is_half_pixel = coordinate_transformation_mode == "half_pixel"
    rois = ops.cast(rois, "float32") * spatial_scale - (0.5 if is_half_pixel else 0.0)
    if sampling_ratio < 1 and mode == "max":
        lines = weighed(x, 1, places_of(rois[:, 1], rois[:, 3], output_height, is_half_pixel))
        places = weighed(x, 2, places_of(rois[:, 0], rois[:, 2], output_width, is_half_pixel))
        return greatest_of_places(x, images, lines, places)
    if sampling_ratio < 1:
        rows = weights(x, 1, rois[:, 1], rois[:, 3], output_height, is_half_pixel)
        columns = weights(x, 2, rois[:, 0], rois[:, 2], output_width, is_half_pixel)
        return mean_over_places(x, images, rows, columns)
    height, width = size_of(x, 1), size_of(x, 2)
    down = _taps(rois[:, 1], rois[:, 3], output_height, sampling_ratio, height, is_half_pixel)
    across = _taps(rois[:, 0], rois[:, 2], output_width, sampling_ratio, width, is_half_pixel)
    rows = ops.reshape(x, (-1, known_size(x, -1)))
    first = _by_region(images) * height
    parts = []
    for (line, share), (place, weight) in product(down, across):
        index = add(add(first, ops.expand_dims(line, 2)) * width, ops.expand_dims(place, 1))
        factor = ops.expand_dims(ops.expand_dims(share, 2) * ops.expand_dims(weight, 1), -1)
        parts.append(ops.take(rows, index, axis=0) * ops.cast(factor, x.dtype))
    cells = (-1, output_height, sampling_ratio, output_width, sampling_ratio, known_size(x, -1))
    if mode == "max":  # onnxruntime takes the greatest of the weighted neighbours, not of their sums
        greatest = parts[0]
        for part in parts[1:]:
            greatest = ops.maximum(greatest, part)
        return ops.max(ops.reshape(greatest, cells), axis=(2, 4))
    total = parts[0] + parts[1] + parts[2] + parts[3]
    return ops.mean(ops.reshape(total, cells), axis=(2, 4))


def _by_region(images: Any) -> Any:
    """[R] → [R, 1, 1] int32."""
    if isinstance(images, np.ndarray):
        return images.astype("int32").reshape(-1, 1, 1)
    return ops.reshape(ops.cast(images, "int32"), (-1, 1, 1))


def _taps(start: Any, end: Any, cells: int, samples: int, size: Any, is_half_pixel: bool) -> list[tuple[Any, Any]]:
    """(index, weight) of the two neighbours of every sample along one axis: [R, cells · samples]. Beyond a pixel
    outside of the image they weigh nothing; nearer, the border counts."""
    length = end - start if is_half_pixel else ops.maximum(end - start, 1.0)
    steps = ((np.arange(cells * samples) + 0.5) / samples / cells).astype("float32")
    places = add(ops.expand_dims(start, 1), ops.expand_dims(length, 1) * steps)
    n = in_float32(size)
    inside = ops.cast(ops.logical_and(places >= -1.0, places <= n), "float32")
    within = ops.minimum(ops.maximum(places, 0.0), n - 1.0)
    return [(clamped(place, n), weight * inside) for place, weight in linear(within)]
