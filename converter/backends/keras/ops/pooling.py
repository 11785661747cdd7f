"""Pools, channels last; pads, ceil_mode and uneven counts have become nodes of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import layers

from converter.backends.keras.build.registry import op
from converter.backends.keras.ops.convolution import PADDING


@op("nhwc::MaxPool")
def max_pool(
    x: Any,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int],
    auto_pad: str = "VALID",
    ceil_mode: int = 0,
    dilations: Sequence[int] = (),
    storage_order: int = 0,
    name: str,
) -> Any:
    kind = (layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D)[len(kernel_shape) - 1]
    return kind(tuple(kernel_shape), tuple(strides), PADDING[auto_pad], name=name, dtype=x.dtype)(x)


@op("nhwc::AveragePool")
def average_pool(
    x: Any,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int],
    auto_pad: str = "VALID",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: Sequence[int] = (),
    name: str,
) -> Any:
    """Keras `same` leaves the pads out of the count, which is count_include_pad=0."""
    kind = (layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D)[len(kernel_shape) - 1]
    return kind(tuple(kernel_shape), tuple(strides), PADDING[auto_pad], name=name, dtype=x.dtype)(x)
