"""Sizes as numbers: Shape, Size, and the positions along an axis. Keras counts them on a live tensor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from keras import ops

from converter.backends.keras.build.live_sizes import counted_positions, length
from converter.backends.keras.build.registry import op
from converter.backends.keras.ops.arithmetic import onnx_dtype


@op("Shape")
def shape(x: Any, *, start: int = 0, end: int | None = None, name: str) -> Any:
    """[axes] int64: the sizes known now as numbers, plus one counted size after the other in its place."""
    axes = range(len(x.shape))[start:end]
    sizes: Any = np.array([x.shape[axis] or 0 for axis in axes], "int64")
    places = np.eye(len(axes), dtype="int64")
    for axis, place in zip(axes, places, strict=True):
        if x.shape[axis] is None:
            sizes = ops.add(ops.multiply(_length(x, axis), place), sizes)
    return sizes


@op("Size")
def size(x: Any, *, name: str) -> Any:
    known = math.prod(n for n in x.shape if n is not None)
    for axis, n in enumerate(x.shape):
        known = known if n is not None else ops.multiply(_length(x, axis), known)
    return known


def _length(x: Any, axis: int) -> Any:
    return ops.cast(length(x, axis), "int64")


@op("keraport::Positions")
def positions(x: Any, *, axis: int, to: int, name: str) -> Any:
    """0, 1, 2, … along an axis of x, as a tensor [size of the axis]."""
    return ops.cast(counted_positions(x, axis), onnx_dtype(to))
