"""What sizes are at least, since a window has to fit: below, the source itself fails.

floor((t - 127)/64) + 1 is the size of what a convolution gives, so t is at least 127, and (t - 127) // 384 is never
negative: divided towards zero or downwards, it is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from types import MappingProxyType

from passes.dims.bounds import lower_bound, maximum, minimum, substitute
from passes.dims.polynomial import Dim, Expr, symbol, symbols

MOST = 1 << 20
"""A size at which every window fits."""

_KNOWN: ContextVar[Mapping[str, int]] = ContextVar("least sizes", default=MappingProxyType({}))


@contextmanager
def known_sizes(least: Mapping[str, int]) -> Iterator[None]:
    """Within, each of these symbols is at least that number."""
    token = _KNOWN.set(least)
    try:
        yield
    finally:
        _KNOWN.reset(token)


def known_lower_bound(dim: Dim) -> int | None:
    """`lower_bound`, with what is known of the symbols."""
    known = _KNOWN.get()
    if not isinstance(dim, Expr) or not known:
        return lower_bound(dim)
    return lower_bound(substitute(dim, {name: symbol(name) + (n - 1) for name, n in known.items()}))


def known_maximum(a: Dim, b: Dim) -> Dim:
    """The greater of two dimensions, with what is known of the symbols."""
    return maximum(a, b, known_lower_bound)


def known_minimum(a: Dim, b: Dim) -> Dim:
    """The smaller of two dimensions, with what is known of the symbols."""
    return minimum(a, b, known_lower_bound)


@lru_cache(maxsize=4096)
def least_for(size: Dim) -> tuple[str, int] | None:
    """The symbol of a size that grows with it, and the least number at which the size is 1 or more.

    None where that is any number, or the size has several symbols.
    """
    names = sorted(symbols(size))
    bound = lower_bound(size)
    if len(names) != 1 or (bound is not None and bound >= 1) or not _is_positive(size, names[0], MOST):
        return None
    low, high = 0, MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _is_positive(size, names[0], middle) else (middle, high)
    return names[0], high


def _is_positive(size: Dim, name: str, number: int) -> bool:
    found = substitute(size, {name: number})
    return isinstance(found, int) and found >= 1
