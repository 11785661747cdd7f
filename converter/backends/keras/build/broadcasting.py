"""Broadcasting that TensorFlow's kernels do: runs of axes along which neither, one or the other operand is repeated.

Axes next to each other that broadcast alike are one to a kernel, and it takes five (tensorflow/core/kernels,
`BinaryOp::Compute`): [2, 4, 14, 4, 14, 24] with [1, 4, 1, 4, 1, 24] are six and raise UnimplementedError when they run.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, zip_longest
from typing import Any

import numpy as np
from keras import KerasTensor, ops

from passes.facts.keras import MOST_BROADCAST_RUNS

Sizes = Sequence[int | None]


def within_reach(a: Any, b: Any) -> tuple[Any, Any]:
    """The operands, one of them written out along as many axes as it takes; as they are where it takes none."""
    while isinstance(a, KerasTensor | np.ndarray) and isinstance(b, KerasTensor | np.ndarray):
        if _runs(a.shape, b.shape) <= MOST_BROADCAST_RUNS:
            break
        choices = [*_written_out(a.shape, b.shape), *_written_out(b.shape, a.shape, is_second=True)]
        if not choices:
            break
        _, _, axis, size, is_second = min(choices)
        a, b = (a, _repeated(b, axis, size)) if is_second else (_repeated(a, axis, size), b)
    return a, b


def _runs(a: Sizes, b: Sizes) -> int:
    """How many axes are left for a kernel, once those that broadcast alike are one."""
    pairs = zip_longest(reversed(a), reversed(b), fillvalue=1)
    ones = [(m == 1, n == 1) for m, n in pairs if (m, n) != (1, 1)]
    return len(list(groupby(ones)))


def _written_out(a: Sizes, b: Sizes, *, is_second: bool = False) -> list[tuple[int, int, int, int, bool]]:
    """(runs that are left, size, axis, size, which operand) for each axis along which the first can be repeated."""
    found = []
    for axis in range(len(a)):
        place = axis - len(a)  # both are aligned at their ends
        size = b[place] if -place <= len(b) else 1
        if a[axis] == 1 and size is not None and size > 1:
            repeated = [size if each == axis else one for each, one in enumerate(a)]
            found.append((_runs(repeated, b), size, axis, size, is_second))
    return found


def _repeated(x: Any, axis: int, size: int) -> Any:
    return np.repeat(x, size, axis) if isinstance(x, np.ndarray) else ops.repeat(x, size, axis=axis)
