"""Reductions: over axes, and over windows, where pads, ceil_mode and uneven counts have become nodes of their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import KerasTensor, layers, ops

from converter.backends.keras.build.live_sizes import size_of
from converter.backends.keras.build.registry import op
from converter.backends.keras.ops.arithmetic import truncated_quotient
from converter.backends.keras.ops.axes import constant_ints, known_size
from converter.backends.keras.ops.spatial.convolution import PADDING
from passes.facts.keras import MOST_BROADCAST_AXES


def _axes(x: Any, axes: Any, noop: int) -> tuple[int, ...] | None:
    """The axes; all of them where none are given; None where nothing is to be done."""
    given = constant_ints(axes) if axes is not None else []
    if given:
        return tuple(given)
    return None if noop else tuple(range(len(x.shape)))


def _global_pool(x: Any, axes: tuple[int, ...], keepdims: int, name: str, kind: tuple[Any, ...]) -> Any:
    """A mean or maximum over exactly the axes between batch and channels is a global pool."""
    rank = len(x.shape)
    if 3 <= rank <= 5 and sorted(axes) == list(range(1, rank - 1)):
        return kind[rank - 3](keepdims=bool(keepdims), name=name, dtype=x.dtype)(x)
    return None


AVERAGE = (layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D, layers.GlobalAveragePooling3D)
MAXIMUM = (layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D, layers.GlobalMaxPooling3D)


@op("ReduceMean")
def reduce_mean(x: Any, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, name: str) -> Any:
    which = _axes(x, axes, noop_with_empty_axes)
    if which is None:
        return x
    if "float" not in x.dtype:
        count = math.prod(known_size(x, axis) for axis in which)
        return truncated_quotient(ops.sum(x, axis=which, keepdims=bool(keepdims)), count)
    pooled = _global_pool(x, which, keepdims, name, AVERAGE)
    return ops.mean(x, axis=which, keepdims=bool(keepdims)) if pooled is None else pooled


@op("ReduceMax")
def reduce_max(x: Any, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, name: str) -> Any:
    which = _axes(x, axes, noop_with_empty_axes)
    if which is None:
        return x
    if _is_empty(x, which):
        return _of_nothing(x, which, keepdims=bool(keepdims), least=True)
    pooled = _global_pool(x, which, keepdims, name, MAXIMUM)
    return ops.max(x, axis=which, keepdims=bool(keepdims)) if pooled is None else pooled


def _is_empty(x: Any, axes: tuple[int, ...]) -> bool:
    return any(x.shape[axis] == 0 for axis in axes)


def _of_nothing(x: Any, axes: tuple[int, ...], *, keepdims: bool, least: bool) -> Any:
    """The greatest of no numbers is the least that there is, and the other way round."""
    if x.dtype == "bool":
        return (ops.any if least else ops.all)(x, axis=axes, keepdims=keepdims)
    zero = ops.sum(x, axis=axes, keepdims=keepdims)
    if "float" in x.dtype:
        return ops.add(zero, -math.inf if least else math.inf)
    info = np.iinfo(x.dtype)
    return ops.add(zero, np.asarray(info.min if least else info.max, x.dtype))


def _min(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    if _is_empty(x, axis):
        return _of_nothing(x, axis, keepdims=keepdims, least=False)
    return ops.min(x, axis=axis, keepdims=keepdims)


def _reduction(function: Callable[..., Any]) -> Any:
    def reduction(x: Any, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, name: str) -> Any:
        which = _axes(x, axes, noop_with_empty_axes)
        return x if which is None else function(x, axis=which, keepdims=bool(keepdims))

    return reduction


def _l1(x: Any, **where: Any) -> Any:
    return ops.sum(ops.abs(x), **where)


def _l2(x: Any, **where: Any) -> Any:
    return ops.sqrt(ops.sum(ops.square(x), **where))


def _log_sum_exp(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    if len(x.shape) <= MOST_BROADCAST_AXES:
        return ops.logsumexp(x, axis=axis, keepdims=keepdims)
    for each in axis:  # what is taken off broadcasts along one axis, then
        x = ops.logsumexp(x, axis=each, keepdims=True)
    return x if keepdims else ops.squeeze(x, axis)


def _log_sum(x: Any, **where: Any) -> Any:
    return ops.log(ops.sum(x, **where))


def _sum_square(x: Any, **where: Any) -> Any:
    return ops.sum(ops.square(x), **where)


for _operator, _function in {
    "ReduceSum": ops.sum, "ReduceMin": _min, "ReduceProd": ops.prod, "ReduceL1": _l1, "ReduceL2": _l2,
    "ReduceLogSum": _log_sum, "ReduceLogSumExp": _log_sum_exp, "ReduceSumSquare": _sum_square,
}.items():  # fmt: skip
    op(_operator)(_reduction(_function))


MAKE_NEGATIVE_ZEROS = frozenset({"Ceil", "HardSwish", "Multiply", "Negative", "Round"})
MOVE = frozenset({"ExpandDims", "GetItem", "Reshape", "Squeeze", "Transpose"})


def _with_one_zero(x: Any) -> Any:
    """Keras' argmax and argmin (3.15) take -0.0 for less than 0.0. To ONNX they are equal: the first of them counts."""
    made = x
    while (operation := made._keras_history.operation) and type(operation).__name__ in MOVE:
        made = operation.input if isinstance(operation.input, KerasTensor) else operation.input[0]
    if "float" not in x.dtype or type(operation).__name__ not in MAKE_NEGATIVE_ZEROS:
        return x
    return ops.where(ops.equal(x, 0.0), 0.0, x)


def _arg(function: Callable[..., Any]) -> Any:
    def arg(x: Any, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0, name: str) -> Any:
        x = _with_one_zero(x)
        if select_last_index:
            last = size_of(x, axis) - 1
            index = ops.subtract(last, function(ops.flip(x, axis=axis), axis=axis, keepdims=bool(keepdims)))
        else:
            index = function(x, axis=axis, keepdims=bool(keepdims))
        return ops.cast(index, "int64")

    return arg


op("ArgMax")(_arg(ops.argmax))
op("ArgMin")(_arg(ops.argmin))


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
    dtype = x.dtype
    if "int" in dtype:  # no layer has integers, and float32 holds those of 8 bits
        x = ops.cast(x, "float32")
    y = kind(tuple(kernel_shape), tuple(strides), PADDING[auto_pad], name=name, dtype=x.dtype)(x)
    return ops.cast(y, dtype) if y.dtype != dtype else y


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
