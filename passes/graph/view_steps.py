"""The steps of a view on an array: transposes, reshapes, and what is taken. Nothing but numpy is needed for them."""

from __future__ import annotations

from collections.abc import Sequence
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


def simplest(view: WeightView, shape: Sequence[int]) -> WeightView:
    """The view with each run of steps that leaves the elements in their order as one reshape, or none.

    Given    reshape [1, 2·3, 4], transpose [0, 2, 1], reshape [1, 4, 2, 3], transpose [0, 2, 3, 1]
    Result   reshape [1, 2, 3, 4]
    """
    if sum(kind == "transpose" for kind, _ in view) < 2 and len(view) < 3:
        return view
    result: list[Step] = []
    for takes, steps in groupby(view, key=lambda step: step[0] == "take"):
        run, before = tuple(steps), tuple(shape)
        for step in run:
            shape = shape_after(shape, step)
        if takes or not _keeps_order(run, before):
            result += run
        elif tuple(shape) != before:
            result.append(("reshape", tuple(shape)))
    return tuple(result)


def _keeps_order(steps: WeightView, shape: Sequence[int]) -> bool:
    if all(kind == "reshape" for kind, _ in steps):
        return True
    count = prod(shape)
    if count > MOST_ORDERED:
        return False
    order = apply_view(np.arange(count).reshape(shape), steps).reshape(-1)
    return bool((np.diff(order) == 1).all())
