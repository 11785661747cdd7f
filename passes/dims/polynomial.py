"""Integer arithmetic on dimensions that are not numbers yet: `batch`, `64*batch`, `floor(height/2 + 1/2)`.

A dimension is an `int` or an `Expr`: a polynomial with integer coefficients whose variables are symbols, or functions
(floor, max, min) of polynomials. Every expression has one normal form, so that two dimensions are equal exactly when
their texts are, and the text is one that `onnx_ir.SymbolicDim` can parse and evaluate. The rules of the normal form:

1. sums and products are multiplied out, like terms are collected;
2. floor(p / d): whatever d divides comes out, and each coefficient left is in [0, d): ⌊(3h - 1) / 2⌋ becomes
   h - 1 + ⌊(h + 1) / 2⌋;
3. ⌊(⌊p / a⌋ + q) / b⌋ = ⌊(p + a q) / (a b)⌋, so that two strided layers in a row stay one floor;
4. -⌊p / d⌋ = ⌊(d - 1 - p) / d⌋ where that makes it shorter: h + h mod 2, which is 2h - 2⌊h / 2⌋, is 2⌊(h + 1) / 2⌋.

An expression that grows beyond all use (a file may square a size thirty times) is refused as TooComplex.

Every symbol is taken to be at least 1. sympy, which `SymbolicDim` uses, needs a millisecond for one nested floor: too
slow for a walk over thousands of nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import gcd

MAX_TERMS = 64
MAX_DEGREE = 12
MAX_DEPTH = 24
MAX_FACTOR = 1 << 62


class TooComplex(ValueError):
    """An expression that no one could use: its value counts as not known."""


@dataclass(frozen=True)
class Atom:
    """A symbol, or a function of expressions that the polynomial does not look into, nested `depth` deep."""

    text: str
    function: str = ""
    arguments: tuple[Dim, ...] = ()
    depth: int = 0


Monomial = tuple[Atom, ...]


class Expr:
    """A polynomial in atoms that is not a constant. Make one with `symbol`, arithmetic, or `parse`."""

    __slots__ = ("_hash", "terms", "text")

    def __init__(self, terms: Mapping[Monomial, int]) -> None:
        self.terms = dict(sorted(terms.items(), key=_term_order))
        self.text = _render(self.terms, 1)
        self._hash = hash(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expr) and self.text == other.text

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return self.text

    def __add__(self, other: Dim) -> Dim:
        total = dict(self.terms)
        for monomial, factor in terms_of(other).items():
            total[monomial] = total.get(monomial, 0) + factor
        return from_terms(total)

    __radd__ = __add__

    def __neg__(self) -> Dim:
        return from_terms({monomial: -factor for monomial, factor in self.terms.items()})

    def __sub__(self, other: Dim) -> Dim:
        return self + -other

    def __rsub__(self, other: Dim) -> Dim:
        return -self + other

    def __mul__(self, other: Dim) -> Dim:
        product: dict[Monomial, int] = {}
        for left, a in self.terms.items():
            for right, b in terms_of(other).items():
                monomial = tuple(sorted(left + right, key=_atom_order))
                product[monomial] = product.get(monomial, 0) + a * b
        return from_terms(product)

    __rmul__ = __mul__

    def __floordiv__(self, other: Dim) -> Dim:
        return floor_divide(self, other)

    def __rfloordiv__(self, other: Dim) -> Dim:
        return floor_divide(other, self)

    def __mod__(self, other: Dim) -> Dim:
        return modulo(self, other)

    def __rmod__(self, other: Dim) -> Dim:
        return modulo(other, self)


Dim = int | Expr


def symbol(name: str) -> Expr:
    """The dimension called `name`, which must be an identifier (letters, digits, `_`, `.`)."""
    return Expr({(Atom(name),): 1})


def is_symbol(dim: Dim) -> bool:
    """Whether the dimension is one bare symbol."""
    if isinstance(dim, int) or len(dim.terms) != 1:
        return False
    ((monomial, factor),) = dim.terms.items()
    return factor == 1 and len(monomial) == 1 and not monomial[0].function


def symbols(dim: Dim) -> set[str]:
    """The names of all symbols in a dimension."""
    found: set[str] = set()
    for monomial in terms_of(dim):
        for atom in monomial:
            found |= set().union(*map(symbols, atom.arguments)) if atom.function else {atom.text}
    return found


def floor_divide(a: Dim, b: Dim) -> Dim:
    """⌊a / b⌋ for b ≥ 1."""
    if isinstance(a, int) and isinstance(b, int):
        return a // b
    exact = exact_divide(a, b)
    if exact is not None:
        return exact
    if not isinstance(b, int):
        p, q = _without_common_factor(a, b)
        return call("floor", (a, b)) if q == b else floor_divide(p, q)
    if b < 0:
        return floor_divide(-a, -b)
    whole = from_terms({monomial: factor // b for monomial, factor in terms_of(a).items()})
    rest = from_terms({monomial: factor % b for monomial, factor in terms_of(a).items()})
    if isinstance(rest, int):
        return whole  # 0 <= rest < b
    inner = [m for m, factor in rest.terms.items() if factor == 1 and len(m) == 1 and m[0].function == "floor"]
    if len(inner) == 1 and isinstance(inner[0][0].arguments[1], int):
        numerator, divisor = inner[0][0].arguments
        others = rest - Expr({inner[0]: 1})
        return whole + floor_divide(numerator + divisor * others, divisor * b)
    common = gcd(b, *(factor for monomial, factor in rest.terms.items() if monomial))
    if common > 1:  # ⌊(c p + r) / (c d)⌋ = ⌊(p + ⌊r / c⌋) / d⌋
        reduced = {monomial: factor // common for monomial, factor in rest.terms.items()}
        return whole + floor_divide(from_terms(reduced), b // common)
    return whole + call("floor", (rest, b))


def _without_common_factor(a: Dim, b: Expr) -> tuple[Dim, Dim]:
    """p and q of m·p and m·q, where m is a product of sizes that all their terms have: ⌊m·p / (m·q)⌋ = ⌊p / q⌋."""
    terms = [*terms_of(a), *b.terms]
    common = [atom for atom in dict.fromkeys(terms[0]) if all(atom in monomial for monomial in terms)]
    if not common:
        return a, b

    def without(dim: Dim) -> Dim:
        reduced: dict[Monomial, int] = {}
        for monomial, factor in terms_of(dim).items():
            atoms = list(monomial)
            for atom in common:
                atoms.remove(atom)
            reduced[tuple(atoms)] = factor
        return from_terms(reduced)

    return without(a), without(b)


def ceil_divide(a: Dim, b: Dim) -> Dim:
    """⌈a / b⌉ for b ≥ 1."""
    return floor_divide(a + b - 1, b)


def exact_divide(a: Dim, b: Dim) -> Dim | None:
    """a / b where it is a polynomial again, else None."""
    if isinstance(b, int):
        if b == 0 or any(factor % b for factor in terms_of(a).values()):
            return None
        return from_terms({monomial: factor // b for monomial, factor in terms_of(a).items()})
    if a == b:
        return 1
    if isinstance(a, int):
        return 0 if a == 0 else None
    if len(b.terms) == 1:
        ((below, divisor),) = b.terms.items()
        quotient: dict[Monomial, int] = {}
        for monomial, factor in a.terms.items():
            left = list(monomial)
            for atom in below:
                if atom not in left:
                    return None
                left.remove(atom)
            if factor % divisor:
                return None
            quotient[tuple(left)] = factor // divisor
        return from_terms(quotient)
    return _long_division(a, b)


def _long_division(a: Dim, b: Expr) -> Dim | None:
    """Polynomial division by the leading terms: h*h - 1 by h - 1. None where a remainder is left."""
    lead, divisor = next(iter(b.terms.items()))
    quotient: Dim = 0
    for _ in range(64):
        if a == 0:
            return quotient
        top, factor = next(iter(terms_of(a).items()))
        step = exact_divide(from_terms({top: factor}), Expr({lead: divisor}))
        if step is None:
            return None
        quotient, a = quotient + step, a - step * b
    return None


def modulo(a: Dim, b: Dim) -> Dim:
    """a - b ⌊a / b⌋ for b ≥ 1."""
    return a - b * floor_divide(a, b)


def product(dims: Iterable[Dim]) -> Dim:
    """The product of dimensions: the number of elements of a shape."""
    result: Dim = 1
    for dim in dims:
        result = result * dim
    return result


def total(dims: Iterable[Dim]) -> Dim:
    """The sum of dimensions: the size after joining."""
    result: Dim = 0
    for dim in dims:
        result = result + dim
    return result


def call(function: str, arguments: tuple[Dim, ...]) -> Expr:
    """A function that the polynomial does not look into: floor of a quotient, Max, Min."""
    if function == "floor":
        a, b = arguments
        inside = _render(terms_of(a), b) if isinstance(b, int) else f"{_group(a)}/{_group(b)}"
        text = f"floor({inside})"
    else:
        text = f"{function}({', '.join(map(str, arguments))})"
    depth = 1 + max(_depth(argument) for argument in arguments)
    if depth > MAX_DEPTH:
        raise TooComplex(f"nested more than {MAX_DEPTH} deep")
    return Expr({(Atom(text, function, arguments, depth),): 1})


def _depth(dim: Dim) -> int:
    return max((atom.depth for monomial in terms_of(dim) for atom in monomial), default=0)


def only_atom(dim: Dim) -> Atom | None:
    """The symbol or function that a dimension is, where it is nothing but one."""
    if not isinstance(dim, Expr) or list(dim.terms.values()) != [1]:
        return None
    (monomial,) = dim.terms
    return monomial[0] if len(monomial) == 1 else None


def terms_of(dim: Dim) -> Mapping[Monomial, int]:
    """The polynomial of a dimension; that of a number has one term."""
    return dim.terms if isinstance(dim, Expr) else {(): dim}


def from_terms(terms: Mapping[Monomial, int]) -> Dim:
    """The dimension of a polynomial: a number where it is constant."""
    kept = {monomial: factor for monomial, factor in terms.items() if factor}
    if not kept:
        return 0
    if len(kept) > MAX_TERMS or max(map(len, kept)) > MAX_DEGREE or max(map(abs, kept.values())) > MAX_FACTOR:
        raise TooComplex(f"{len(kept)} terms")
    if kept.keys() == {()}:
        return kept[()]
    shorter = _rounded_up(kept)
    return Expr(kept) if shorter is None else shorter


def _rounded_up(terms: Mapping[Monomial, int]) -> Dim | None:
    """What is rounded up rather than taken away rounded down, where that has fewer terms."""
    if len(terms) < 2:
        return None
    for monomial, factor in terms.items():
        quotient = next((atom for atom in monomial if atom.function == "floor"), None)
        if factor > 0 or quotient is None:
            continue
        others = list(monomial)
        others.remove(quotient)
        rest = from_terms({m: f for m, f in terms.items() if m != monomial})
        for p, d in _readings(quotient, terms):
            if not any(tuple(sorted((*others, *m), key=_atom_order)) in terms for m in terms_of(p) if m):
                continue  # nothing that it could be taken together with
            found = rest + from_terms({tuple(others): -factor}) * floor_divide(d - 1 - p, d)
            if len(terms_of(found)) < len(terms):
                return found
    return None


def _readings(quotient: Atom, terms: Mapping[Monomial, int]) -> Iterator[tuple[Dim, int]]:
    """p and d of ⌊p / d⌋, also as a quotient of another one that is there: ⌊h / 8⌋ as ⌊⌊h / 4⌋ / 2⌋."""
    p, d = quotient.arguments
    if not isinstance(d, int):
        return
    yield p, d
    atoms = dict.fromkeys(atom for monomial in terms for atom in monomial)
    for inner in (atom for atom in atoms if atom.function == "floor" and atom != quotient):
        n, a = inner.arguments
        if isinstance(a, int) and not d % a and (q := exact_divide(p - n, a)) is not None:
            yield Expr({(inner,): 1}) + q, d // a


def _atom_order(atom: Atom) -> tuple[bool, str]:
    return bool(atom.function), atom.text


def _term_order(term: tuple[Monomial, int]) -> tuple[int, list[tuple[bool, str]]]:
    """Highest degree first, then by name, symbols before functions: close to how sympy prints a sum."""
    return -len(term[0]), [_atom_order(atom) for atom in term[0]]


def _group(dim: Dim) -> str:
    return str(dim) if isinstance(dim, int) or is_symbol(dim) else f"({dim})"


def _render(terms: Mapping[Monomial, int], divisor: int) -> str:
    """`floor` prints its argument divided out, as sympy does: h/2 + 1/2."""
    text = ""
    for monomial, factor in terms.items():
        ratio = Fraction(factor, divisor)
        names = [atom.text for atom in monomial]
        powers = [name if names.count(name) == 1 else f"{name}**{names.count(name)}" for name in dict.fromkeys(names)]
        size = abs(ratio.numerator)
        body = "*".join(([str(size)] if size != 1 or not powers else []) + powers)
        body += f"/{ratio.denominator}" if ratio.denominator != 1 else ""
        sign = "-" if ratio < 0 else "+"
        text += f" {sign} {body}" if text else ("-" if sign == "-" else "") + body
    return text
