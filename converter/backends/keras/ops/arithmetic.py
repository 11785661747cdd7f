"""Arithmetic, comparison and logic, element by element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from converter.backends.keras.build import unsigned64
from converter.backends.keras.build.broadcasting import within_reach
from converter.backends.keras.build.dtypes import has_policy
from converter.backends.keras.build.operands import operand, operands
from converter.backends.keras.build.registry import op
from converter.backends.keras.build.sums import add
from converter.backends.keras.build.weights import ConstantInput
from passes.errors import BadSource


def _merge(layer: type[keras.layers.Layer], function: Callable[[Any, Any], Any]) -> Any:
    """A merging layer where two tensors of one shape meet, the operation where something broadcasts."""

    def merge(*values: Any, name: str) -> Any:
        if len(values) == 1:
            return ops.identity(values[0]) if hasattr(ops, "identity") else ops.copy(values[0])
        x, *rest = operands(*values, name=name)
        if all(_same_kind(x, y) for y in rest):
            return layer(name=name, dtype=x.dtype)([x, *rest])
        for y in rest:
            x = function(*within_reach(x, y))
        return x

    return merge


def _same_kind(x: Any, y: Any) -> bool:
    """Whether a merging layer takes both: tensors of one shape, which has a batch."""
    both = isinstance(y, keras.KerasTensor) and isinstance(x, keras.KerasTensor)
    return both and x.shape == y.shape and bool(x.shape) and has_policy(x)


for _operator, _layer, _function in (
    ("Add", layers.Add, add),
    ("Sum", layers.Add, add),
    ("Mul", layers.Multiply, ops.multiply),
    ("Max", layers.Maximum, ops.maximum),
    ("Min", layers.Minimum, ops.minimum),
):
    _on_signed = unsigned64.chosen(_function) if _operator in ("Max", "Min") else _function
    op(_operator)(unsigned64.with_uint64(_merge(_layer, _function), _on_signed))


def sub(a: Any, b: Any, *, name: str) -> Any:
    a, b = operands(a, b, name=name)
    if _same_kind(a, b):
        return layers.Subtract(name=name, dtype=a.dtype)([a, b])
    return ops.subtract(a, b)


op("Sub")(unsigned64.with_uint64(sub, ops.subtract))


@op("Mean")
def mean(*values: Any, name: str) -> Any:
    total, *rest = operands(*values, name=name)
    for value in rest:
        total = add(total, value)
    return ops.divide(total, float(len(values)))


def div(a: Any, b: Any, *, name: str) -> Any:
    """Integers truncate towards zero in ONNX; Keras floors."""
    a, b = operands(a, b, name=name)
    if not _is_integer(a, b):
        return ops.divide(a, b)
    return truncated_quotient(a, b)


op("Div")(unsigned64.with_uint64(div, unsigned64.quotient))


def truncated_quotient(a: Any, b: Any) -> Any:
    quotient = ops.floor_divide(a, b)
    wrong = ops.logical_and(ops.less(quotient, 0), ops.not_equal(ops.multiply(quotient, b), a))
    return ops.add(quotient, ops.cast(wrong, quotient.dtype))


def mod(a: Any, b: Any, *, fmod: int = 0, name: str) -> Any:
    """fmod=0 takes the sign of the divisor, fmod=1 that of the dividend, as in C."""
    a, b = operands(a, b, name=name)
    if not fmod:
        return ops.mod(a, b)
    rest = ops.mod(ops.abs(a), ops.abs(b))
    return ops.where(ops.less(a, 0), ops.negative(rest), rest)


op("Mod")(unsigned64.with_uint64(mod, unsigned64.rest))


@op("Pow")
def power(a: Any, b: Any, *, name: str) -> Any:
    """The result has the dtype of the base. One exponent for all is a Python number: TensorFlow's optimiser makes a
    square of `x ** [[2]]`, and loses the axes that it adds."""
    if isinstance(b, ConstantInput) and b.size == 1:
        return _power_of_one(a, b.numpy().item(), len(b.shape) - len(a.shape))
    result = ops.power(*operands(a, b, name=name))
    return result if result.dtype == a.dtype else ops.cast(result, a.dtype)


def _power_of_one(a: Any, exponent: float, more_axes: int) -> Any:
    if more_axes > 0:
        a = ops.expand_dims(a, tuple(range(more_axes)))
    if exponent == 2:
        return ops.square(a)
    if "float" in a.dtype:
        return ops.sqrt(a) if exponent == 0.5 else ops.power(a, exponent)
    return ops.cast(ops.power(a, exponent), a.dtype)


def where(condition: Any, a: Any, b: Any, *, name: str) -> Any:
    """Two scalars keep their dtype as lists of one: as Python numbers they are int32 or float32."""
    rank = len(condition.shape)
    if isinstance(a, ConstantInput) and isinstance(b, ConstantInput) and a.shape == b.shape == ():
        chosen = ops.where(operand(condition, condition, name=name), a.numpy().reshape(1), b.numpy().reshape(1))
        return chosen if rank else ops.squeeze(chosen, 0)
    return ops.where(*operands(condition, a, b, name=name))


op("Where")(unsigned64.with_uint64(where, unsigned64.picked, first=1))


@op("Round")
def round_(x: Any, *, name: str) -> Any:
    """Half to even, as ONNX has it."""
    return ops.round(x)


@op("IsInf")
def is_inf(x: Any, *, detect_negative: int = 1, detect_positive: int = 1, name: str) -> Any:
    if detect_negative and detect_positive:
        return ops.isinf(x)
    if not detect_negative and not detect_positive:
        return ops.zeros_like(x, dtype="bool")
    sign = ops.greater(x, 0) if detect_positive else ops.less(x, 0)
    return ops.logical_and(ops.isinf(x), sign)


def bit_shift(a: Any, b: Any, *, direction: str, name: str) -> Any:
    """By a negative number, or by as many bits as there are, all go out: a sign alone stays, to the right."""
    shift = ops.left_shift if direction == "LEFT" else ops.right_shift
    bits = np.iinfo(a.dtype).bits
    stays = isinstance(b, ConstantInput) and bool(((b.numpy() >= 0) & (b.numpy() < bits)).all())
    a, b = operands(a, b, name=name)
    a = broadcast_like(a, b)
    if stays:
        return shift(a, b)
    inside = ops.logical_and(ops.greater_equal(b, 0), ops.less(b, bits))
    nothing = ops.zeros_like(a)
    if direction == "RIGHT" and "uint" not in a.dtype:
        nothing = ops.where(ops.less(a, 0), ops.subtract(nothing, ops.ones_like(a)), nothing)
    return ops.where(inside, shift(a, ops.where(inside, b, ops.zeros_like(b))), nothing)


op("BitShift")(unsigned64.with_uint64(bit_shift, unsigned64.shifted))


def broadcast_like(a: Any, b: Any) -> Any:
    """a with the shape that a and b have together."""
    pairs = zip(reversed(a.shape), reversed(b.shape), strict=False)
    if len(a.shape) >= len(b.shape) and all(other in (own, 1) for own, other in pairs):
        return a
    return add(a, ops.zeros_like(b))


@op("Cast")
def cast(x: Any, *, to: int, saturate: int = 1, round_mode: str = "up", name: str) -> Any:
    dtype = onnx_dtype(to)
    if dtype in LARGEST and saturate:
        x = ops.clip(x, -LARGEST[dtype], LARGEST[dtype])
    return ops.cast(x, dtype)


@op("keraport::BitCast")
def bit_cast(x: Any, *, to: int, name: str) -> Any:
    """The same bits as numbers of another type."""
    if "bool" in (x.dtype, onnx_dtype(to)):
        return ops.cast(x, onnx_dtype(to))
    return ops.view(x, onnx_dtype(to))


LARGEST = {"float8_e4m3fn": 448.0, "float8_e5m2": 57344.0}
"""What a cast that saturates makes of what is larger, infinity among it."""


def onnx_dtype(code: int) -> str:
    """The Keras name of an ONNX element type.

    Raises:
        BadSource: there is none.
    """
    import onnx_ir as ir

    try:
        return ir.DataType(code).numpy().name
    except (TypeError, ValueError) as error:
        raise BadSource(f"There is no element type {code}.") from error


def _is_integer(*values: Any) -> bool:
    return all("int" in str(getattr(v, "dtype", type(v).__name__)) for v in values)


def _unary(function: Callable[[Any], Any]) -> Any:
    def unary(x: Any, *, name: str) -> Any:
        return function(x)

    return unary


def _binary(function: Callable[[Any, Any], Any]) -> Any:
    def binary(a: Any, b: Any, *, name: str) -> Any:
        return function(*operands(a, b, name=name))

    return binary


def _bitwise(function: Callable[[Any, Any], Any]) -> Any:
    def bitwise(a: Any, b: Any, *, name: str) -> Any:
        """Keras (3.15) asks both for their type, which a number on its own loses when the model is saved, and gives the
        result the shape of the first."""
        a, b = operands(a, b, name=name)
        is_number = all(isinstance(v, int) or not v.shape for v in (a, b))
        a, b = (np.full(1, v, "int64") if isinstance(v, int) else v for v in (a, b))
        if isinstance(a, np.ndarray):
            a, b = b, a
        result = function(broadcast_like(a, b), b)
        return ops.reshape(result, ()) if is_number and result.shape else result

    return bitwise


for _operator, _function in {
    "Abs": ops.abs, "Acos": ops.arccos, "Acosh": ops.arccosh, "Asin": ops.arcsin, "Asinh": ops.arcsinh,
    "Atan": ops.arctan, "Atanh": ops.arctanh, "BitwiseNot": ops.bitwise_not, "Ceil": ops.ceil, "Cos": ops.cos,
    "Cosh": ops.cosh, "Erf": ops.erf, "Exp": ops.exp, "Floor": ops.floor, "Identity": ops.copy, "IsNaN": ops.isnan,
    "Log": ops.log, "Neg": ops.negative, "Not": ops.logical_not, "Reciprocal": ops.reciprocal, "Sign": ops.sign,
    "Sin": ops.sin, "Sinh": ops.sinh, "Sqrt": ops.sqrt, "Tan": ops.tan, "keraport::OnesLike": ops.ones_like,
}.items():  # fmt: skip
    op(_operator)(_unary(_function))

for _operator, _pair in {
    "And": ops.logical_and, "Equal": ops.equal, "Greater": ops.greater, "GreaterOrEqual": ops.greater_equal,
    "Less": ops.less, "LessOrEqual": ops.less_equal, "Or": ops.logical_or, "Xor": ops.logical_xor,
}.items():  # fmt: skip
    _compares = _operator in ("Greater", "GreaterOrEqual", "Less", "LessOrEqual")
    _on_signed = unsigned64.ordered(_pair) if _compares else _pair
    op(_operator)(unsigned64.with_uint64(_binary(_pair), _on_signed, is_question=True))

for _operator, _pair in {
    "BitwiseAnd": ops.bitwise_and, "BitwiseOr": ops.bitwise_or, "BitwiseXor": ops.bitwise_xor,
}.items():  # fmt: skip
    op(_operator)(unsigned64.with_uint64(_bitwise(_pair), _pair))
