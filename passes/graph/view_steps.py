"""The steps of a view on an array: transposes, reshapes, and what is taken. Nothing but numpy is needed for them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from math import prod

import numpy as np

Step = tuple[str, tuple[int, ...]]
WeightView = tuple[Step, ...]


def shape_after(shape: Sequence[int], step: Step) -> tuple[int, ...]:
    """The shape that a tensor has after a step."""
    kind, numbers = step
    if kind == "take":
        return (*shape[: numbers[0]], len(numbers) - 1, *shape[numbers[0] + 1 :])
    return tuple(shape[axis] for axis in numbers) if kind == "transpose" else numbers


def apply_view(array: np.ndarray, view: WeightView) -> np.ndarray:
    """Look at an array as a view says. numpy copies nothing but for a reshape after a transpose."""
    for kind, numbers in view:
        if kind == "take":
            array = np.take(array, numbers[1:], axis=numbers[0])
        else:
            array = array.transpose(numbers) if kind == "transpose" else array.reshape(numbers)
    return array


MOST_ORDERED = 2**22
"""Elements, at most, whose order is looked at."""


@lru_cache(maxsize=1024)  # layers that are alike have views that are
def simplest(view: WeightView, shape: tuple[int, ...]) -> WeightView:
    """The view with each run of reshapes and transposes as at most one transpose, of as few axes as it takes.

    Given    reshape [1, 2·3, 4], transpose [0, 2, 1], reshape [1, 4, 2, 3], transpose [0, 2, 3, 1]
    Result   reshape [1, 2, 3, 4]

    Given    reshape [1, 2, 3, 4], transpose [0, 3, 1, 2], of a table [6, 4]
    Result   transpose [1, 0], reshape [1, 4, 2, 3]
    """
    result: list[Step] = []
    for takes, steps in groupby(view, key=lambda step: step[0] == "take"):
        run, before = tuple(steps), shape
        for step in run:
            shape = tuple(shape_after(shape, step))
        result += run if takes or len(run) == 1 else _at_most_one_transpose(run, before)
    return tuple(result)


def _at_most_one_transpose(steps: WeightView, shape: Sequence[int]) -> WeightView:
    """What takes the elements to the same places, seen by where they come from; as it is where they are very many."""
    if prod(shape) > MOST_ORDERED or not prod(shape):
        return steps
    order = apply_view(np.arange(prod(shape)).reshape(shape), steps)
    groups: list[tuple[int, int]] = []  # of axes that lie side by side before and after: the stride, and the size
    for axis, size in enumerate(order.shape):
        if size > 1:
            stride = int(order.take(1, axis=axis).flat[0])
            if groups and groups[-1][0] == stride * size:
                groups[-1] = (stride, groups[-1][1] * size)
            else:
                groups.append((stride, size))
    before = sorted(groups, reverse=True)
    perm = tuple(before.index(group) for group in groups)
    found: list[Step] = []
    now = tuple(shape)
    for step in (
        ("reshape", tuple(size for _, size in before)), ("transpose", perm), ("reshape", order.shape)
    ):  # fmt: skip
        does_nothing = step[1] == (now if step[0] == "reshape" else tuple(range(len(now))))
        if not does_nothing:
            found.append(step)
        now = shape_after(now, step)
    if len(found) > 1 and all(kind == "reshape" for kind, _ in found):
        found = found[-1:] if now != tuple(shape) else []
    return tuple(found)
