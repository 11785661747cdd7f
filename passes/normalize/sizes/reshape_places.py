"""Which sizes of a reshape's input make each size of its output, told by numbers alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import prod


@dataclass(frozen=True)
class OutputAxis:
    """One axis of the output: a number times sizes of the input.

    Attributes:
        axes: of the input, open ones.
    """

    factor: int
    axes: tuple[int, ...] = ()


def places_of(given: Sequence[int], target: Sequence[int], open_axes: Collection[int]) -> list[OutputAxis] | None:
    """What each axis of the target is made of; None where numbers do not tell.

    [1, 40, 40, 18] with axes 1 and 2 open, to [1, 4800, 6], is [1, 3·a·b, 6].

    Args:
        given: sizes of the input.
        target: sizes of the output, all known.
        open_axes: of the input.
    """
    if prod(given) != prod(target) or 0 in given:
        return None
    found: list[OutputAxis] = []
    for axes, sizes in _groups(given, target):
        opened = tuple(axis for axis in axes if axis in open_axes)
        if not opened:
            found += [OutputAxis(size) for size in sizes]
            continue
        group = _opened(axes, given, sizes, opened)
        if group is None:
            return None
        found += group
    return found


def _groups(given: Sequence[int], target: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """The shortest runs of axes on both sides that hold as much."""
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(given) or j < len(target):
        axes: list[int] = []
        sizes: list[int] = []
        a = b = 1
        while True:
            if i < len(given) and (a <= b or j >= len(target)) and not (axes and a == b):
                a *= given[i]
                axes.append(i)
                i += 1
            elif j < len(target):
                b *= target[j]
                sizes.append(target[j])
                j += 1
            if a == b and (axes or i >= len(given)) and (sizes or j >= len(target)):
                break
        groups.append((axes, sizes))
    return groups


def _opened(
    axes: Sequence[int], given: Sequence[int], sizes: Sequence[int], opened: Sequence[int]
) -> list[OutputAxis] | None:
    """The one size of the target that takes the open ones; the others are numbers that the closed axes have."""
    first, last = axes.index(opened[0]), axes.index(opened[-1])
    if any(axis not in opened for axis in axes[first : last + 1]):
        return None  # an open axis on either side of a closed one
    before, behind = (prod(given[axis] for axis in part) for part in (axes[:first], axes[last + 1 :]))
    left, right = 0, len(sizes)
    while left < right and before % sizes[left] == 0 and right - left > 1:
        before //= sizes[left]
        left += 1
    while right - left > 1 and behind % sizes[right - 1] == 0:
        behind //= sizes[right - 1]
        right -= 1
    if right - left != 1:
        return None
    return [*map(OutputAxis, sizes[:left]), OutputAxis(before * behind, tuple(opened)), *map(OutputAxis, sizes[right:])]
