"""Dimensions as products of an integer and symbols, so that `64*batch` can be split into `batch` and `64`.

Shapes in the graph hold integers and symbolic expressions as text. Moving axes about needs only products: which run of
axes has the same number of elements as which other. An expression that is no product (`h//2 + 1`) counts as one
symbol: equal to itself, and divisible by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import onnx_ir as ir

from passes.dims import polynomial
from passes.dims.parse import parse


@dataclass(frozen=True)
class Product:
    """`coefficient · symbol · symbol · …`; without symbols, a known size."""

    coefficient: int
    symbols: tuple[str, ...] = ()

    @property
    def is_static(self) -> bool:
        return not self.symbols

    @property
    def is_one(self) -> bool:
        return self.coefficient == 1 and not self.symbols

    def __mul__(self, other: Product) -> Product:
        return Product(self.coefficient * other.coefficient, tuple(sorted(self.symbols + other.symbols)))

    def divided_by(self, other: Product) -> Product | None:
        """The quotient, or None where it is not a whole product again."""
        if other.coefficient == 0:
            return None
        if self.coefficient % other.coefficient:
            return _divided(self, other)
        left, right = Counter(self.symbols), Counter(other.symbols)
        if right - left:
            return _divided(self, other)
        return Product(self.coefficient // other.coefficient, tuple(sorted((left - right).elements())))

    def as_shape(self) -> int | str:
        """What `ir.Shape` takes: the integer, or the expression as text."""
        if self.is_static:
            return self.coefficient
        alone = self.coefficient == 1 and len(self.symbols) == 1
        factors = [s if alone or s.isidentifier() else f"({s})" for s in self.symbols]
        return "*".join([str(self.coefficient)] * (self.coefficient != 1) + factors)

    def equals(self, other: Product) -> bool:
        """Whether both are the same number, however it is written: b·(t + 1) is b·t + b."""
        return self == other or ((self.is_sum or other.is_sum) and _as_polynomial(self) == _as_polynomial(other))

    @property
    def is_sum(self) -> bool:
        """Whether some factor is more than a name."""
        return not all(symbol.isidentifier() for symbol in self.symbols)


@lru_cache(maxsize=4096)
def _as_polynomial(dim: Product) -> polynomial.Dim:
    return parse(str(dim.as_shape()))


@lru_cache(maxsize=4096)
def _divided(a: Product, b: Product) -> Product | None:
    """The quotient where a factor is a sum: b·t + b by b is t + 1."""
    if not a.is_sum:
        return None
    quotient = polynomial.exact_divide(_as_polynomial(a), _as_polynomial(b))
    return None if quotient is None else parse_product(str(quotient))


ONE = Product(1)


def multiply(dims: Iterable[Product]) -> Product:
    """The product of dimensions: the number of elements of a shape."""
    coefficient = 1
    symbols: list[str] = []
    for dim in dims:
        coefficient *= dim.coefficient
        symbols.extend(dim.symbols)
    return Product(coefficient, tuple(sorted(symbols)))


def product_of(size: int | ir.SymbolicDim) -> Product:
    return Product(size) if isinstance(size, int) else parse_product(size.value or "?")


@lru_cache(maxsize=4096)
def parse_product(text: str) -> Product:
    """`64*batch` → 64 · batch; a factor that is a sum or a quotient stays one symbol."""
    coefficient = 1
    symbols: list[str] = []
    for factor in _factors(text):
        factor = factor.strip()
        if factor.startswith("(") and factor.endswith(")") and _factors(factor[1:-1]) == [factor[1:-1]]:
            factor = factor[1:-1]
        if factor.isdigit():
            coefficient *= int(factor)
        else:
            symbols.append(factor)
    return Product(coefficient, tuple(sorted(symbols)))


def _factors(text: str) -> list[str]:
    """Split at the `*` outside of parentheses, but only where the whole text is a product."""
    depth, start, factors = 0, 0, []
    for position, character in enumerate(text):
        depth += (character in "([") - (character in ")]")
        if depth:
            continue
        if character in "+-/" or text[position : position + 2] == "**":
            return [text]
        if character == "*":
            factors.append(text[start:position])
            start = position + 1
    return [*factors, text[start:]]


def dims_of(value: ir.Value) -> tuple[Product, ...]:
    """The dimensions of a value whose rank is known (which `infer_shapes` guarantees)."""
    shape = value.shape
    if shape is None:
        raise ValueError(f"Value {value.name!r} has no shape.")
    return tuple(product_of(size) for size in shape)


def to_shape(dims: Sequence[Product]) -> ir.Shape:
    return ir.Shape([d.as_shape() for d in dims])


def reshape_target(source: Sequence[Product], target: Sequence[Product]) -> list[int] | None:
    """The constant that ONNX Reshape wants: 0 for a dimension kept in place, -1 for the one that follows.

    None where more than one dimension would have to follow from the others.
    """
    sizes = [d.coefficient if d.is_static else -1 for d in target]
    if sizes.count(-1) <= 1:
        return sizes
    for position, (before, after) in enumerate(zip(source, target, strict=False)):
        if before != after:
            break
        if not after.is_static:
            sizes[position] = 0
    return sizes if sizes.count(-1) <= 1 else None
