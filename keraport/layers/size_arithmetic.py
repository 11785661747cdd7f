"""Sizes as arithmetic on the sizes of tensors: data in a layer's configuration, checked before it is used.

    size = number | ["size", input, axis] | [operation, size, size]

The operations are those of `OPERATIONS`. A division is by what is at least 1, and rounds down.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from keras import ops

MOST_DEPTH = 40
MOST_PARTS = 2000
MOST = 2**31 - 1

OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "floor_divide": operator.floordiv,
    "maximum": lambda a, b: max(a, b) if isinstance(a, int) and isinstance(b, int) else ops.maximum(a, b),
    "minimum": lambda a, b: min(a, b) if isinstance(a, int) and isinstance(b, int) else ops.minimum(a, b),
}


def checked(sizes: Any) -> list[Any]:
    """The sizes as plain lists and numbers.

    Raises:
        ValueError: they are something else, too large or too deep.
    """
    if not isinstance(sizes, (list, tuple)):
        raise ValueError(f"sizes must be a list. Received: {_shown(sizes)}")
    budget = [MOST_PARTS]
    return [_checked(size, 0, budget) for size in sizes]


def _checked(size: Any, depth: int, budget: list[int]) -> Any:
    budget[0] -= 1
    if depth > MOST_DEPTH or budget[0] < 0:
        raise ValueError(f"sizes are nested more than {MOST_DEPTH} deep, or have more than {MOST_PARTS} parts.")
    if isinstance(size, int) and not isinstance(size, bool):
        if abs(size) > MOST:
            raise ValueError(f"A size is at most {MOST}. Received: {_shown(size)}")
        return size
    if not isinstance(size, (list, tuple)) or len(size) != 3 or not isinstance(size[0], str):
        raise ValueError(f'A size is a number, ["size", input, axis] or [operation, a, b]. Received: {_shown(size)}')
    name, a, b = size
    if name == "size":
        if not all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 64 for n in (a, b)):
            raise ValueError(f"An input and an axis are numbers from 0 to 63. Received: {_shown(size)}")
        return [name, a, b]
    if name not in OPERATIONS:
        raise ValueError(f"Sizes are computed by {', '.join(OPERATIONS)}. Received: {_shown(name)}")
    return [name, _checked(a, depth + 1, budget), _checked(b, depth + 1, budget)]


def computed(size: Any, shapes: Sequence[Sequence[Any]]) -> Any:
    """A size, given the shapes of a layer's inputs: a number, or a tensor where it is known at run time only."""
    if isinstance(size, int):
        return size
    name, a, b = size
    if name == "size":
        if a >= len(shapes) or b >= len(shapes[a]):
            raise ValueError(f"There is no axis {b} of input {a}. Received {len(shapes)} inputs.")
        return shapes[a][b]
    return OPERATIONS[name](computed(a, shapes), computed(b, shapes))


def known(size: Any, shapes: Sequence[Sequence[int | None]]) -> int | None:
    """A size where every size that it is made of is known; None elsewhere."""
    if isinstance(size, int):
        return size
    name, a, b = size
    if name == "size":
        return computed(size, shapes)  # type: ignore[no-any-return]
    first, second = known(a, shapes), known(b, shapes)
    return None if first is None or second is None else int(OPERATIONS[name](first, second))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
