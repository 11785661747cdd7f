"""Quotients of dimensions, for the shape arithmetic that exporters do in floats: `floor(float(h) * 0.5)`.

A quotient that is whole is a plain dimension again; so `h * (2*h / h)` is `2*h`. Numbers count as exact fractions when
their denominator is a small power of two, as float32 computes with those exactly; 0.1 is no such number, and nothing is
said of what it is multiplied with.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from passes.dims.polynomial import Dim, Expr, ceil_divide, exact_divide, floor_divide

LARGEST_DENOMINATOR = 256


class NotKnown(Exception):
    """The value depends on a symbol in a way that has no single answer, such as `batch == 3`."""


@dataclass(frozen=True)
class Ratio:
    """A quotient that is not a whole number for all values of its symbols."""

    numerator: Dim
    denominator: Dim

    def __add__(self, other: Number) -> Number:
        n, d = _parts(other)
        return ratio(self.numerator * d + n * self.denominator, self.denominator * d)

    __radd__ = __add__

    def __neg__(self) -> Number:
        return Ratio(-self.numerator, self.denominator)

    def __sub__(self, other: Number) -> Number:
        n, d = _parts(other)
        return ratio(self.numerator * d - n * self.denominator, self.denominator * d)

    def __rsub__(self, other: Number) -> Number:
        n, d = _parts(other)
        return ratio(n * self.denominator - self.numerator * d, self.denominator * d)

    def __mul__(self, other: Number) -> Number:
        return multiply(self, other)

    __rmul__ = __mul__


Number = Dim | Ratio | float


def ratio(numerator: Dim, denominator: Dim) -> Dim | Ratio:
    """numerator / denominator in lowest terms."""
    exact = exact_divide(numerator, denominator)
    if exact is not None:
        return exact
    if isinstance(numerator, int) and isinstance(denominator, int):
        if denominator == 0:
            raise NotKnown
        reduced = Fraction(numerator, denominator)
        return Ratio(reduced.numerator, reduced.denominator)
    return Ratio(numerator, denominator)


def multiply(a: Number, b: Number) -> Dim | Ratio:
    """a · b."""
    (p, q), (r, s) = _parts(a), _parts(b)
    return ratio(p * r, q * s)


def divide(a: Number, b: Number) -> Dim | Ratio:
    """a / b, not rounded."""
    (p, q), (r, s) = _parts(a), _parts(b)
    return ratio(p * s, q * r)


def floor_ratio(a: Number) -> Dim:
    """⌊a⌋."""
    return floor_divide(*_parts(a))


def ceil_ratio(a: Number) -> Dim:
    """⌈a⌉."""
    return ceil_divide(*_parts(a))


def _parts(a: Number) -> tuple[Dim, Dim]:
    if isinstance(a, Ratio):
        return a.numerator, a.denominator
    if isinstance(a, int | Expr):
        return a, 1
    try:
        exact = Fraction(float(a))
    except (OverflowError, ValueError) as error:
        raise NotKnown from error
    if exact.denominator > LARGEST_DENOMINATOR:
        raise NotKnown
    return exact.numerator, exact.denominator
