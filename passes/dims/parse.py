"""Read the dimensions that files and exporters write: `12*batch`, `((h - 1)//2) + 1`, `unk__7`, `Conv output dim`.

Grammar (that of `onnx_ir.SymbolicDim`, plus what torch and sympy print):

    sum     -> term (('+' | '-') term)*
    term    -> unary (('*' | '/' | '//' | '%') unary)*
    unary   -> '-' unary | primary ('**' number)?
    primary -> number | name | name '(' sum (',' sum)* ')' | '(' sum ')'

A text that is none of this is a name of its own: it becomes a symbol spelled with letters that an identifier may have.
So is a quotient of two names, such as TorchScript's `Squeeze/model/Squeeze_output_0_dim_0`, unless it is rounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from zlib import crc32

from passes.dims.bounds import maximum, minimum
from passes.dims.polynomial import MAX_FACTOR, Dim, TooComplex, ceil_divide, exact_divide, floor_divide, modulo, symbol

_DEEPEST = 50
_TOKEN = re.compile(r"\s*(?:(\d+)|([A-Za-z_][\w.]*)|(\*\*|//|[-+*/%(),]))")

Quotient = tuple[Dim, int]
"""A numerator and a positive integer below it: what a floor may have inside."""


class _NotAnExpression(ValueError):
    """The text is a name, not arithmetic."""


@lru_cache(maxsize=65536)
def parse(text: str) -> Dim:
    """The dimension that a text means, in normal form."""
    try:
        return _Parser(text).parse()
    except (_NotAnExpression, TooComplex):
        return symbol(_identifier(text))


def is_nameless(text: str | None) -> bool:
    """Whether what stands for a size says only that it is open: Paddle writes `?` for every one, others `None`, `-1`.

    Two such sizes are not one size, as two of the same name are.
    """
    return not text or re.search(r"[^\W_]", text) is None or text in ("None", "-1")


def _identifier(text: str) -> str:
    """Letters for a name; other characters leave a checksum, so that `a b` and `a_b` stay two symbols."""
    spelled = re.sub(r"\W", "_", text if text[:1].isalpha() or text[:1] == "_" else f"dim_{text}")
    return spelled if spelled == text else f"{spelled}_{crc32(text.encode()) & 0xFFFF:04x}"


class _Parser:
    """Recursive descent; each method reads one rule of the grammar."""

    def __init__(self, text: str) -> None:
        self.tokens: list[str] = []
        position, end = 0, len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:
                raise _NotAnExpression(text)
            self.tokens.append(match.group().strip())
            position = match.end()
        self.tokens.append("")
        self.next = 0
        self.rounded = 0

    def parse(self) -> Dim:
        result = _floor(self._sum(0))  # a dimension is whole, so that `h/2` on its own says that h is even
        if self.tokens[self.next]:
            raise _NotAnExpression(self.tokens[self.next])
        return result

    def _take(self, *wanted: str) -> str:
        token = self.tokens[self.next]
        if token and token in wanted:
            self.next += 1
            return token
        return ""

    def _sum(self, depth: int) -> Quotient:
        left = self._term(depth)
        while operator := self._take("+", "-"):
            right = self._term(depth)
            sign = 1 if operator == "+" else -1
            left = _ratio(left[0] * right[1] + sign * right[0] * left[1], left[1] * right[1])
        return left

    def _term(self, depth: int) -> Quotient:
        left = self._unary(depth)
        while operator := self._take("*", "//", "/", "%"):
            right = self._unary(depth)
            if operator == "*":
                left = _ratio(left[0] * right[0], left[1] * right[1])
            elif operator == "/":
                if not isinstance(right[0], int) and not self.rounded:
                    raise _NotAnExpression("quotient of names")
                left = _divide(left, right)
            elif operator == "//":
                left = _floor(_divide(left, right)), 1
            else:
                left = _modulo(_whole(left), _whole(right)), 1
        return left

    def _unary(self, depth: int) -> Quotient:
        if depth > _DEEPEST:
            raise _NotAnExpression("nested too deeply")
        if self._take("-"):
            value = self._unary(depth + 1)
            return -value[0], value[1]
        base = self._primary(depth)
        if self._take("**"):
            power = _whole(self._primary(depth))
            if not isinstance(power, int) or not 0 <= power <= 8:
                raise _NotAnExpression("power")
            result: Quotient = (1, 1)
            for _ in range(power):
                result = _ratio(result[0] * base[0], result[1] * base[1])
            return result
        return base

    def _primary(self, depth: int) -> Quotient:
        token = self.tokens[self.next]
        self.next += bool(token)
        if token.isdecimal():
            return _number(token), 1
        if token == "(":
            value = self._sum(depth + 1)
            if not self._take(")"):
                raise _NotAnExpression("bracket")
            return value
        if not token or not (token[0].isalpha() or token[0] == "_"):
            raise _NotAnExpression(token)
        if not self._take("("):
            return symbol(token), 1
        self.rounded += 1
        arguments = [self._sum(depth + 1)]
        while self._take(","):
            arguments.append(self._sum(depth + 1))
        if not self._take(")") or token not in _CALLS or len(arguments) < _ARGUMENTS.get(token, 1):
            raise _NotAnExpression(token)
        self.rounded -= 1
        return _CALLS[token](arguments), 1


def _number(token: str) -> int:
    """Python refuses to read thousands of digits; no size has twenty."""
    if len(token) > len(str(MAX_FACTOR)):
        raise _NotAnExpression("a number beyond use")
    return int(token)


def _ratio(numerator: Dim, denominator: int) -> Quotient:
    exact = exact_divide(numerator, denominator)
    if exact is not None:
        return exact, 1
    if isinstance(numerator, int):
        reduced = Fraction(numerator, denominator)
        return reduced.numerator, reduced.denominator
    return numerator, denominator


def _divide(left: Quotient, right: Quotient) -> Quotient:
    divisor = right[0]
    if isinstance(divisor, int):
        if divisor == 0:
            raise _NotAnExpression("division by zero")
        sign = 1 if divisor > 0 else -1
        return _ratio(left[0] * (right[1] * sign), left[1] * abs(divisor))
    return _ratio(floor_divide(left[0] * right[1], divisor), left[1])  # only ever printed inside a floor


def _modulo(left: Dim, right: Dim) -> Dim:
    if right == 0:
        raise _NotAnExpression("division by zero")
    return modulo(left, right)


def _floor(value: Quotient) -> Dim:
    return floor_divide(value[0], value[1])


def _whole(value: Quotient) -> Dim:
    if value[1] != 1:
        raise _NotAnExpression("not a whole number")
    return value[0]


def _extreme(choose: Callable[[Dim, Dim], Dim]) -> Callable[[list[Quotient]], Dim]:
    def call(arguments: list[Quotient]) -> Dim:
        result = _whole(arguments[0])
        for argument in arguments[1:]:
            result = choose(result, _whole(argument))
        return result

    return call


_CALLS: dict[str, Callable[[list[Quotient]], Dim]] = {
    "floor": lambda arguments: _floor(arguments[0]),
    "FloorDiv": lambda arguments: _floor(_divide((_whole(arguments[0]), 1), (_whole(arguments[1]), 1))),
    "ceiling": lambda arguments: ceil_divide(arguments[0][0], arguments[0][1]),
    "ceil": lambda arguments: ceil_divide(arguments[0][0], arguments[0][1]),
    "CeilToInt": lambda arguments: ceil_divide(arguments[0][0], arguments[0][1]),
    "Max": _extreme(maximum),
    "max": _extreme(maximum),
    "Min": _extreme(minimum),
    "min": _extreme(minimum),
    "Mod": lambda arguments: _modulo(_whole(arguments[0]), _whole(arguments[1])),
    "mod": lambda arguments: _modulo(_whole(arguments[0]), _whole(arguments[1])),
}
_ARGUMENTS = dict.fromkeys(("FloorDiv", "Mod", "mod"), 2)
