"""Arithmetic. Integers divide as ONNX does: towards zero."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from passes.dims.least import known_maximum, known_minimum
from passes.dims.polynomial import Dim, exact_divide, floor_divide
from passes.dims.quotient import NotKnown, Number, ceil_ratio, divide, floor_ratio, multiply
from passes.fold.values.logic import least
from passes.fold.values.rearranging import axes_of
from passes.fold.values.registry import Array, elementwise, is_symbolic, value_of, whole


@value_of("Cast")
def _cast(node: ir.Node, x: Array) -> Array:
    return cast(x, ir.DataType(node.attributes.get_int("to", 0)))


@value_of("CastLike")
def _cast_like(node: ir.Node, x: Array, *_: Array) -> Array:
    """Only the element type of the second input counts, which is known before its value is."""
    other = node.inputs[1]
    if other is None or other.dtype is None:
        raise NotKnown
    return cast(x, other.dtype)


def cast(x: Array, dtype: ir.DataType) -> Array:
    """Convert as ONNX does. Symbolic numbers stay what they are as floats, and lose their fraction as integers."""
    if is_symbolic(x):
        if dtype.is_floating_point():
            return x
        if dtype.is_integer():
            return elementwise(_truncate, x)
        raise NotKnown
    if dtype == ir.DataType.STRING or x.dtype.kind in "SUO":
        raise NotKnown
    wanted = dtype.numpy()
    if x.dtype == wanted:
        return x
    with np.errstate(all="ignore"):
        return x.astype(wanted)


def _truncate(a: Number) -> Dim:
    whole = floor_ratio(a)
    if whole != a and least(whole) < 0:
        raise NotKnown
    return whole


@value_of("Add", "Sub", "Mul")
def _ring(node: ir.Node, a: Array, b: Array) -> Array:
    if is_symbolic(a, b):
        return elementwise(_RING[node.op_type][1], a, b)
    with np.errstate(all="ignore"):
        return np.asarray(_RING[node.op_type][0](a, b))


_RING: dict[str, tuple[np.ufunc, Callable[[Any, Any], object]]] = {
    "Add": (np.add, lambda a, b: a + b),
    "Sub": (np.subtract, lambda a, b: a - b),
    "Mul": (np.multiply, multiply),
}


@value_of("Div")
def _div(node: ir.Node, a: Array, b: Array) -> Array:
    if is_symbolic(a, b):
        return elementwise(divide if _is_float(node) else _divide_dims, a, b)
    if a.dtype.kind not in "iu":
        with np.errstate(all="ignore"):
            return np.asarray(np.divide(a, b))
    if not b.all():
        raise NotKnown
    quotient = np.floor_divide(a, b)
    return np.where((np.remainder(a, b) != 0) & ((a < 0) != (b < 0)), quotient + 1, quotient).astype(a.dtype)


def _is_float(node: ir.Node) -> bool:
    for value in (*node.outputs, *node.inputs):
        if value is not None and value.dtype is not None:
            return value.dtype.is_floating_point()
    return False


def _divide_dims(a: Dim, b: Dim) -> Dim:
    whole(a, b)
    exact = exact_divide(a, b)
    if exact is not None:
        return exact
    if least(a) < 0 or least(b) < 1:
        raise NotKnown
    return floor_divide(a, b)


def _floor_dims(a: Dim, b: Dim) -> Dim:
    """⌊a / b⌋; for a that may be negative only where b is a number."""
    whole(a, b)
    return floor_divide(a, b) if isinstance(b, int) and b > 0 else _divide_dims(a, b)


@value_of("Mod")
def _mod(node: ir.Node, a: Array, b: Array) -> Array:
    if is_symbolic(a, b):
        rounded = _divide_dims if node.attributes.get_int("fmod", 0) else _floor_dims
        return elementwise(lambda x, y: x - y * rounded(x, y), a, b)
    return np.asarray(np.fmod(a, b) if node.attributes.get_int("fmod", 0) else np.mod(a, b))


@value_of("Neg")
def _neg(node: ir.Node, x: Array) -> Array:
    return np.asarray(np.negative(x))


@value_of("Abs")
def _abs(node: ir.Node, x: Array) -> Array:
    return elementwise(lambda d: _greater(d, -d), x) if is_symbolic(x) else np.asarray(np.abs(x))


def _greater(a: Dim, b: Dim) -> Dim:
    whole(a, b)
    return known_maximum(a, b)


def _smaller(a: Dim, b: Dim) -> Dim:
    whole(a, b)
    return known_minimum(a, b)


@value_of("Floor", "Ceil", "Round")
def _round(node: ir.Node, x: Array) -> Array:
    if is_symbolic(x):
        if node.op_type == "Round":
            raise NotKnown
        return elementwise(floor_ratio if node.op_type == "Floor" else ceil_ratio, x)
    rounding: dict[str, np.ufunc] = {"Floor": np.floor, "Ceil": np.ceil, "Round": np.rint}
    return np.asarray(rounding[node.op_type](x))


@value_of("Max", "Min")
def _extreme(node: ir.Node, *parts: Array) -> Array:
    numbers, dims = (np.maximum, _greater) if node.op_type == "Max" else (np.minimum, _smaller)
    result = parts[0]
    for part in parts[1:]:
        result = elementwise(dims, result, part) if is_symbolic(result, part) else np.asarray(numbers(result, part))
    return result


@value_of("ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin")
def _reduce(node: ir.Node, x: Array, axes: Array | None = None) -> Array:
    where: Sequence[int] | None = axes_of(node, axes)
    if not where:
        if node.attributes.get_int("noop_with_empty_axes", 0):
            return x
        where = None
    if is_symbolic(x) and node.op_type in ("ReduceMax", "ReduceMin"):
        raise NotKnown
    keep = bool(node.attributes.get_int("keepdims", 1))
    axis = tuple(range(x.ndim)) if where is None else tuple(where)
    result = np.asarray(_REDUCTIONS[node.op_type].reduce(x, axis=axis, keepdims=keep))
    return result if is_symbolic(x) else result.astype(x.dtype)


_REDUCTIONS: dict[str, np.ufunc] = {
    "ReduceProd": np.multiply,
    "ReduceSum": np.add,
    "ReduceMax": np.maximum,
    "ReduceMin": np.minimum,
}
