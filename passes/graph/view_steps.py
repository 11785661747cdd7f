"""The steps of a view on an array: transposes, reshapes, and what is taken. Nothing but numpy is needed for them."""

from __future__ import annotations

from collections.abc import Sequence

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
