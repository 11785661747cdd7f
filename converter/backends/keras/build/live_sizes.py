"""Sizes that are known only when the model runs: Keras has them as tensors only, counted from a live tensor."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from converter.backends.keras.build.operands import MOST_IN_CONFIG, first_along


def ones(x: Any, axis: int) -> Any:
    """As many ones (int32) as x is long along the axis."""
    return ops.ones_like(first_along(x, axis), dtype="int32")


def length(x: Any, axis: int) -> Any:
    """The size of an axis as a tensor."""
    return ops.sum(ones(x, axis))


def size_of(x: Any, axis: int) -> Any:
    """The size of an axis: a number where it is known, else a tensor."""
    return length(x, axis) if x.shape[axis] is None else x.shape[axis]


def in_float32(size: Any) -> Any:
    """A size to compute with among floats: numbers stay numbers."""
    return size if isinstance(size, int) else ops.cast(size, "float32")


def positions(x: Any, axis: int) -> Any:
    """0, 1, 2, … along an axis: numbers where its size is known and small."""
    size = x.shape[axis]
    if size is not None and size <= MOST_IN_CONFIG:
        return np.arange(size, dtype="int32")
    return counted_positions(x, axis)


def counted_positions(x: Any, axis: int) -> Any:
    """The same as a tensor (int32), whatever the size."""
    return ops.subtract(ops.cumsum(ones(x, axis)), 1)


def positions_on(x: Any, axis: int, rank: int) -> Any:
    """The same, shaped to broadcast along that axis of a tensor of this rank."""
    shape = [1] * rank
    shape[axis] = -1
    found = positions(x, axis)
    return found.reshape(shape) if isinstance(found, np.ndarray) else ops.reshape(found, tuple(shape))
