"""Quantised numbers: rounded half to even and saturated, as the standard says, in plain operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
from keras import ops

from converter.backends.keras.build.operands import operand
from converter.backends.keras.build.registry import op
from converter.backends.keras.build.weights import ConstantInput
from converter.backends.keras.ops.arithmetic import onnx_dtype
from converter.ports import WIDER
from passes.errors import Unsupported

KNOWN = ("int8", "uint8", "int16", "uint16", "int32", "int4", "uint4", "int2", "uint2")
"""Those of fewer than 8 bits are held by `WIDER` ones."""


@op("QuantizeLinear")
def quantize_linear(
    x: Any,
    scale: Any,
    zero: Any = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
    precision: int = 0,
    saturate: int = 1,
    name: str,
) -> Any:
    """clip(round(x / scale) + zero)"""
    dtype = onnx_dtype(output_dtype) if output_dtype else zero.dtype if zero is not None else "uint8"
    dtype = _known(str(dtype))
    places = _Places(x, axis, block_size, name)
    rounded = ops.round(ops.divide(x, places.along(scale)))
    if zero is not None:
        rounded = ops.add(rounded, places.along(zero, x.dtype))
    bounds = ml_dtypes.iinfo(dtype)
    return ops.cast(ops.clip(rounded, float(bounds.min), float(bounds.max)), WIDER.get(dtype, dtype))


@op("DequantizeLinear")
def dequantize_linear(
    x: Any,
    scale: Any,
    zero: Any = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
    name: str,
) -> Any:
    """(x - zero) · scale"""
    dtype = onnx_dtype(output_dtype) if output_dtype else scale.dtype
    places = _Places(x, axis, block_size, name)
    numbers = ops.cast(x, dtype)
    if zero is not None:
        numbers = ops.subtract(numbers, places.along(zero, dtype))
    return ops.multiply(numbers, places.along(scale))


@dataclass(frozen=True)
class _Places:
    """What a scale or a zero point is for: the whole tensor, each place along an axis, or each block of these."""

    x: Any
    axis: int
    block: int
    name: str

    def along(self, value: Any, dtype: Any = None) -> Any:
        if isinstance(value, ConstantInput):
            array = value.numpy().astype(dtype or value.dtype)
            return array.reshape(()).item() if array.size == 1 else self._shaped(array, np)
        live = operand(value, self.x, name=self.name)
        live = live if dtype is None else ops.cast(live, dtype)
        return self._shaped(live, ops) if live.shape else live

    def _shaped(self, value: Any, using: Any) -> Any:
        rank = len(self.x.shape)
        axis = self.axis % rank
        if not self.block:
            return using.reshape(value, tuple(-1 if place == axis else 1 for place in range(rank)))
        size = self.x.shape[axis]
        if size is None:
            raise Unsupported("Quantisation in blocks along an axis of open size is not converted.")
        each = using.repeat(value, self.block, axis)
        return each if each.shape[axis] == size else using.take(each, np.arange(size), axis)


def _known(dtype: str) -> str:
    if dtype not in KNOWN:
        raise Unsupported(f"Quantised numbers of type {dtype} are not converted. Supported: {', '.join(KNOWN)}.")
    return dtype
