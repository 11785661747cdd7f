"""Whole numbers of 64 bits without a sign: Keras (3.15) computes them as uint32, so they are those with a sign here.

Sums, products and bits are the same in both. An order is that of the numbers less 2⁶³; a quotient is taken of half of
the numerator, doubled, and then one more where what is left is large enough.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from keras import ops

from converter.backends.keras.build.operands import operands

LEAST, GREATEST = np.int64(-(2**63)), np.int64(2**63 - 1)

Binary = Callable[[Any, Any], Any]


def with_uint64(
    function: Callable[..., Any], on_signed: Callable[..., Any], *, first: int = 0, is_question: bool = False
) -> Callable[..., Any]:
    """The function of an operator, which computes numbers of this type by `on_signed`, one operand after the other.

    Args:
        first: which of its operands is the first such number.
        is_question: whether the results are booleans.
    """

    @wraps(function)
    def operator(*values: Any, name: str, **attributes: Any) -> Any:
        if not any(getattr(value, "dtype", None) == "uint64" for value in values):
            return function(*values, name=name, **attributes)
        before, numbers = values[:first], operands(*values, name=name)[first:]
        result, *rest = [_signed(number) for number in numbers]
        for other in rest:
            result = on_signed(*before, result, other, **attributes)
        return result if is_question else ops.cast(result, "uint64")

    return operator


def _signed(number: Any) -> Any:
    """The same bits."""
    return number.astype("int64") if isinstance(number, np.ndarray) else ops.cast(number, "int64")


def ordered(function: Binary) -> Binary:
    """A comparison, or a choice of the greater, by the order of numbers without a sign."""

    def compare(a: Any, b: Any) -> Any:
        return function(ops.bitwise_xor(_whole(a), LEAST), ops.bitwise_xor(_whole(b), LEAST))

    return compare


def chosen(function: Binary) -> Binary:
    def choose(a: Any, b: Any) -> Any:
        return ops.bitwise_xor(ordered(function)(a, b), LEAST)

    return choose


def quotient(a: Any, b: Any) -> Any:
    """⌊a / b⌋. A divisor of 2⁶³ or more is negative here, and goes into anything once at most."""
    at_least = ordered(ops.greater_equal)
    is_large = ops.less(b, 0)
    divisor = ops.where(is_large, np.int64(1), b)
    half = ops.bitwise_and(ops.right_shift(_whole(a), np.int64(1)), GREATEST)
    found = ops.left_shift(ops.floor_divide(half, divisor), np.int64(1))
    rest = ops.subtract(a, ops.multiply(found, divisor))
    found = ops.add(found, ops.cast(at_least(rest, divisor), "int64"))
    return ops.where(is_large, ops.cast(at_least(a, b), "int64"), found)


def rest(a: Any, b: Any, *, fmod: int = 0) -> Any:
    """What is left of a division."""
    return ops.subtract(a, ops.multiply(quotient(a, b), b))


def shifted(a: Any, b: Any, *, direction: str) -> Any:
    """Zeros come in from both sides, and are all there is where a number goes out of its 64 bits."""
    inside = ops.logical_and(ops.greater_equal(b, 0), ops.less(b, 64))
    steps = ops.where(inside, b, np.int64(0))
    if direction == "LEFT":
        moved = ops.left_shift(_whole(a), steps)
    else:
        kept = ops.right_shift(ops.add(ops.zeros_like(steps), GREATEST), ops.maximum(steps - 1, 0))
        moved = ops.where(ops.equal(steps, 0), a, ops.bitwise_and(ops.right_shift(_whole(a), steps), kept))
    return ops.where(inside, moved, np.int64(0))


def picked(condition: Any, a: Any, b: Any) -> Any:
    return ops.where(condition, a, b)


def _whole(x: Any) -> Any:
    """Bitwise operations of Keras ask for an array of a type."""
    return np.asarray(x, "int64") if isinstance(x, int) else x
