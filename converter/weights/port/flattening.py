"""Axes that the two models join in another order: the same numbers, elsewhere in what a product is given.

    source  [N, channels · rows]          kernel [channels · rows, units]
    model   [N, rows · channels]          kernel [rows · channels, units]

The kernel's rows go along: split, turned and joined again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from converter.weights.port.calls import Array
from converter.weights.port.partners import same
from converter.weights.port.readings import HeldTensor, Reading

KERNEL = "kernel"


def flattened_otherwise(given: Array, possible: Sequence[Reading], tolerance: float) -> Iterator[Reading]:
    """The readings that are given these numbers once axes are joined in another order, with their kernels turned."""
    for reading in possible:
        held, theirs = reading.variables.get(KERNEL), reading.source.given
        if (
            not isinstance(held, HeldTensor)
            or reading.part is not None
            or theirs.shape != given.shape
            or not given.ndim
        ):
            continue
        size = given.shape[-1]
        if held.tensor.array.shape[:1] != (size,):
            continue
        for first in (number for number in range(2, size // 2 + 1) if size % number == 0):
            if same(given, _turned(theirs, first), tolerance):
                yield replace(reading, variables={**reading.variables, KERNEL: _with_rows_turned(held, first)})
                break


def _turned(array: Array, first: int) -> Array:
    """The last axis, seen as `first` by the rest, joined the other way."""
    shape = array.shape
    return array.reshape(*shape[:-1], first, -1).swapaxes(-1, -2).reshape(shape)


def _with_rows_turned(held: HeldTensor, first: int) -> HeldTensor:
    size, *rest = held.tensor.array.shape
    split, order = (first, size // first, *rest), (1, 0, *range(2, len(rest) + 2))
    return HeldTensor(held.tensor, (("reshape", split), ("transpose", order), ("reshape", (size, *rest)), *held.steps))
