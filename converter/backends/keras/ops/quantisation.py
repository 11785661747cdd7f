"""Quantised numbers: rounded half to even and saturated, as the standard says, in plain operations."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from converter.backends.keras.build.operands import operand
from converter.backends.keras.build.registry import op
from converter.backends.keras.build.weights import ConstantInput
from converter.backends.keras.ops.arithmetic import onnx_dtype
from passes.errors import Unsupported

KNOWN = ("int8", "uint8", "int16", "uint16", "int32")


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
    _refuse_blocks(block_size)
    dtype = zero.dtype if zero is not None else onnx_dtype(output_dtype) if output_dtype else "uint8"
    dtype = _known(str(dtype))
    rounded = ops.round(ops.divide(x, _along(scale, x, axis, name)))
    if zero is not None:
        rounded = ops.add(rounded, _along(zero, x, axis, name, x.dtype))
    bounds = np.iinfo(dtype)
    return ops.cast(ops.clip(rounded, float(bounds.min), float(bounds.max)), dtype)


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
    _refuse_blocks(block_size)
    _known(str(x.dtype))
    dtype = onnx_dtype(output_dtype) if output_dtype else scale.dtype
    numbers = ops.cast(x, dtype)
    if zero is not None:
        numbers = ops.subtract(numbers, _along(zero, x, axis, name, dtype))
    return ops.multiply(numbers, _along(scale, x, axis, name))


def _along(value: Any, x: Any, axis: int, name: str, dtype: Any = None) -> Any:
    """A scale or a zero point for the whole tensor, or one for each place along an axis."""
    if isinstance(value, ConstantInput):
        array = value.numpy().astype(dtype or value.dtype)
        return array.reshape(()).item() if array.size == 1 else _shaped(array, x, axis)
    live = operand(value, x, name=name)
    live = live if dtype is None else ops.cast(live, dtype)
    return live if not live.shape else ops.reshape(live, _shape(x, axis))


def _shaped(array: np.ndarray, x: Any, axis: int) -> np.ndarray:
    return array.reshape(_shape(x, axis))


def _shape(x: Any, axis: int) -> tuple[int, ...]:
    rank = len(x.shape)
    return tuple(-1 if place == axis % rank else 1 for place in range(rank))


def _known(dtype: str) -> str:
    if dtype not in KNOWN:
        raise Unsupported(f"Quantised numbers of type {dtype} are not converted. Supported: {', '.join(KNOWN)}.")
    return dtype


def _refuse_blocks(block_size: int) -> None:
    if block_size:
        raise Unsupported("Quantisation in blocks is not converted: a scale is for a tensor, or for one of its axes.")
