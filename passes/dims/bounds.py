"""Which of two dimensions is the greater, whatever numbers the symbols stand for.

A lower bound is found by relaxing what is not linear, one function at a time, every symbol being at least 1:

    floor(p / d) with a positive factor is at least (p - d + 1) / d, with a negative factor at most p / d;
    Max(a, b) with a positive factor is at least either, with a negative factor it is one of the two, so both count;
    Min(a, b) is the other way round.

What is left is a polynomial. Written in h - 1, w - 1, ... instead of h, w, ..., it is at least its constant if all
other factors are positive. So h*w - w, which is (h - 1)*(w - 1) + (h - 1), is at least 0; and 2*floor(h/4 + 3/4) is
never below floor(h/2 + 1/2), because the difference relaxes to -1/2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from math import ceil

from passes.dims.polynomial import Atom, Dim, Expr, Monomial, call, floor_divide, from_terms, symbol, terms_of

Terms = Mapping[Monomial, Fraction]
_DEEPEST = 8


@lru_cache(maxsize=65536)
def lower_bound(dim: Dim) -> int | None:
    """A number that the dimension is never below; None where nothing is known."""
    if isinstance(dim, int):
        return dim
    bound = _bound({monomial: Fraction(factor) for monomial, factor in dim.terms.items()}, _DEEPEST)
    return None if bound is None else ceil(bound)


def _bound(terms: Terms, depth: int) -> Fraction | None:
    found = _simple_bound(terms)
    target = next((m for m in terms if any(atom.function for atom in m)), None)
    if target is None or depth == 0:
        return found
    atom = next(atom for atom in target if atom.function)
    others = list(target)
    others.remove(atom)
    if any((least := _atom_bound(other)) is None or least < 0 for other in others):
        return found
    options = [
        _bound(_replaced(terms, target, tuple(others), part), depth - 1) for part in _relaxed(atom, terms[target])
    ]
    if atom.function == "floor" or (atom.function == "Max") == (terms[target] > 0):
        return max((bound for bound in (found, *options) if bound is not None), default=None)
    known = [bound for bound in options if bound is not None]
    if len(known) < len(options):
        return found
    return min(known) if found is None else max(found, min(known))


def _relaxed(atom: Atom, factor: Fraction) -> list[Terms]:
    """What may stand for the function: a bound on the right side, or each of its two arguments."""
    first, second = atom.arguments
    if atom.function != "floor":
        return [_fractions(first, 1), _fractions(second, 1)]
    if not isinstance(second, int):
        return []
    return [_fractions(first - (second - 1 if factor > 0 else 0), second)]


def _fractions(dim: Dim, divisor: int) -> Terms:
    return {monomial: Fraction(factor, divisor) for monomial, factor in terms_of(dim).items()}


def _replaced(terms: Terms, target: Monomial, others: Monomial, part: Terms) -> Terms:
    result = {monomial: factor for monomial, factor in terms.items() if monomial != target}
    for monomial, factor in part.items():
        joined = tuple(sorted(others + monomial, key=lambda atom: (bool(atom.function), atom.text)))
        result[joined] = result.get(joined, Fraction(0)) + factor * terms[target]
    return {monomial: factor for monomial, factor in result.items() if factor}


def _simple_bound(terms: Terms) -> Fraction | None:
    """Written in how far each symbol and function is above its own least, with positive factors: the constant."""
    above: dict[Monomial, Fraction] = {}
    for monomial, factor in terms.items():
        parts: dict[Monomial, Fraction] = {(): factor}
        for atom in monomial:
            least = _atom_bound(atom)
            if least is None:
                return None
            grown = {(*part, atom): number for part, number in parts.items()}
            parts = {part: number * least for part, number in parts.items()}
            for part, number in grown.items():
                parts[part] = parts.get(part, Fraction(0)) + number
        for part, number in parts.items():
            above[part] = above.get(part, Fraction(0)) + number
    constant = above.pop((), Fraction(0))
    return constant if all(number >= 0 for number in above.values()) else None


def _atom_bound(atom: Atom) -> int | None:
    if not atom.function:
        return 1
    first, second = (lower_bound(argument) for argument in atom.arguments)
    if atom.function == "floor":
        divisor = atom.arguments[1]
        if isinstance(divisor, int):
            return None if first is None else first // divisor
        return 0 if first is not None and first >= 0 else None
    if atom.function == "Max":
        return max((bound for bound in (first, second) if bound is not None), default=None)
    return None if first is None or second is None else min(first, second)


Bound = Callable[[Dim], int | None]


def maximum(a: Dim, b: Dim, bound: Bound = lower_bound) -> Dim:
    """The greater of two dimensions, by what their difference is never below."""
    smaller = _smaller(a, b, bound)
    if smaller is None:
        return _call_shifted("Max", a, b)
    return b if smaller is a else a


def minimum(a: Dim, b: Dim, bound: Bound = lower_bound) -> Dim:
    """The smaller of two dimensions, likewise."""
    smaller = _smaller(a, b, bound)
    return _call_shifted("Min", a, b) if smaller is None else smaller


def _call_shifted(function: str, a: Dim, b: Dim) -> Dim:
    """Max(256 - s, 0) as Max(256, s) - s: s and what pads it to 256 are then Max(256, s), however that is written."""
    less: dict[Monomial, int] = {}
    for dim in (a, b):
        for monomial, factor in terms_of(dim).items():
            if monomial and factor < 0:
                less[monomial] = max(less.get(monomial, 0), -factor)
    shift: Dim = from_terms(less)
    return call(function, tuple(sorted((a + shift, b + shift), key=str))) - shift


def _smaller(a: Dim, b: Dim, bound: Bound) -> Dim | None:
    for x, y in ((a, b), (b, a)):
        least = bound(y - x)
        if least is not None and least >= 0:
            return x
    return None


def substitute(dim: Dim, bindings: Mapping[str, Dim]) -> Dim:
    """The dimension with symbols, and functions by their text, replaced by what `bindings` says they are."""
    if not isinstance(dim, Expr) or not bindings or _parts(dim).isdisjoint(bindings):
        return dim
    result: Dim = 0
    for monomial, factor in dim.terms.items():
        part: Dim = factor
        for atom in monomial:
            if atom.text in bindings:
                part = part * bindings[atom.text]
            elif atom.function:
                arguments = [substitute(argument, bindings) for argument in atom.arguments]
                part = part * _FUNCTIONS[atom.function](*arguments)
            else:
                part = part * symbol(atom.text)
        result = result + part
    return result


def _parts(dim: Dim) -> set[str]:
    """The texts of all symbols and functions in a dimension."""
    found: set[str] = set()
    for monomial in terms_of(dim):
        for atom in monomial:
            found |= {atom.text}.union(*map(_parts, atom.arguments))
    return found


def solved(dim: Dim, number: int) -> tuple[Atom, int] | None:
    """⌊h/32⌋ and 4, where a dimension ⌊h/32⌋ - 3 is 1; None where it is no function plus a number."""
    terms = dict(terms_of(dim))
    rest = number - terms.pop((), 0)
    if len(terms) != 1:
        return None
    ((monomial, factor),) = terms.items()
    return (monomial[0], rest) if factor == 1 and len(monomial) == 1 and monomial[0].function else None


_FUNCTIONS: dict[str, Callable[[Dim, Dim], Dim]] = {"floor": floor_divide, "Max": maximum, "Min": minimum}
