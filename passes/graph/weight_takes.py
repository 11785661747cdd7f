"""A part of a parameter, or its rows in another order and number, is still a look at it: the whole of it is trained.

Given    p = Slice(positions [1, 512, d], 0, 8, 1);  y = Add(x, p)
Result   y = Add(x, positions_view)     whose view says [["take", [1, 0, 1, 2, 3, 4, 5, 6, 7]]]

To every pass it is a constant of the shape that it shows. Who emits the model makes the variable of the whole parameter
and takes from it when the model runs, so that training does to it what it does in the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import onnx_ir as ir

from passes.graph.view_steps import Step, WeightView, shape_after
from passes.graph.weight_views import extend

MOST_TAKEN = 2**18
"""Indices above this many are not kept: windows of 512 positions against each other have as many."""


class Take(NamedTuple):
    """What `take(see(parameter, before), indices, axis)`, reshaped to `shape`, shows of a parameter."""

    before: WeightView
    axis: int
    indices: np.ndarray
    shape: tuple[int, ...]


def takes_of(node: ir.Node, shape: Sequence[int], arguments: Sequence[np.ndarray]) -> list[Step] | None:
    """The steps that a Gather, GatherND or Slice takes on a tensor of this shape; None for what is no such look.

    One of them is a "take": (axis, *indices).
    """
    find = _TAKING.get(node.op_type)
    steps = None if find is None else find(node, tuple(shape), arguments)
    few = steps is not None and all(kind != "take" or len(numbers) <= 1 + MOST_TAKEN for kind, numbers in steps)
    return steps if few else None


def _gather(node: ir.Node, shape: tuple[int, ...], arguments: Sequence[np.ndarray]) -> list[Step] | None:
    axis, indices = node.attributes.get_int("axis", 0) % len(shape), arguments[0]
    shown = (*shape[:axis], *indices.shape, *shape[axis + 1 :])
    return _around(_take(axis, indices, shape[axis]), shown)


def _gather_nd(node: ir.Node, shape: tuple[int, ...], arguments: Sequence[np.ndarray]) -> list[Step] | None:
    """torch's `table[rows]`."""
    indices = arguments[0]
    if node.attributes.get_int("batch_dims", 0) or indices.shape[-1] != 1:
        return None
    return _around(_take(0, indices, shape[0]), (*indices.shape[:-1], *shape[1:]))


def _slice(node: ir.Node, shape: tuple[int, ...], arguments: Sequence[np.ndarray]) -> list[Step] | None:
    if len(arguments) < 2 or any(len(argument) != 1 for argument in arguments):
        return None
    start, end, axis, step = (*(int(argument[0]) for argument in arguments), *(0, 1)[len(arguments) - 2 :])
    size = shape[axis]
    return _around(_take(axis % len(shape), np.arange(size)[start:end:step], size), None) if step > 0 else None


_TAKING = {"Gather": _gather, "GatherND": _gather_nd, "Slice": _slice}


def _take(axis: int, indices: np.ndarray, size: int) -> Step | None:
    """None where an index is outside."""
    if indices.size and not -size <= indices.min() <= indices.max() < size:
        return None
    return "take", (axis, *(int(index) % size for index in indices.reshape(-1)))


def _around(take: Step | None, shown: tuple[int, ...] | None) -> list[Step] | None:
    """The take, and the shape that its result has."""
    if take is None:
        return None
    return [take] if shown is None else [take, ("reshape", shown)]


def takes(view: WeightView | str) -> bool:
    """Whether a view shows a part only, or something twice."""
    return not isinstance(view, str) and any(kind == "take" for kind, _ in view)


def taken(view: WeightView, shape: Sequence[int]) -> Take | None:
    """A view that takes once, with everything before the take but a last reshape.

    Args:
        shape: of the parameter.
    Returns:
        None where the view does not take, takes twice, or would have to transpose what it took.
    """
    places = [place for place, (kind, _) in enumerate(view) if kind == "take"]
    if len(places) != 1:
        return None
    before, (_, (axis, *numbers)), after = view[: places[0]], view[places[0]], view[places[0] + 1 :]
    for step in before:
        shape = shape_after(shape, step)
    indices = np.array(numbers, np.int64)
    shown = (*shape[:axis], *indices.shape, *shape[axis + 1 :])
    for kind, target in after:
        if kind == "transpose":
            split = _split(shape, axis, shown)
            if split is None or not _together(target, axis, len(split)):
                return None
            perm = _without(target, axis, len(split))
            before, shape = extend(before, ("transpose", perm), shape), tuple(shape[place] for place in perm)
            indices, axis = indices.reshape(split), perm.index(axis)
        shown = shape_after(shown, (kind, target))
    split = _split(shape, axis, shown)
    return Take(before, axis, indices if split is None else indices.reshape(split), shown)


def _split(shape: Sequence[int], axis: int, shown: Sequence[int]) -> tuple[int, ...] | None:
    """The axes of `shown` that the taken axis became, where the others are as they were."""
    behind = len(shape) - axis - 1
    middle = tuple(shown[axis : len(shown) - behind])
    others = (*shown[:axis], *shown[len(shown) - behind :])
    return middle if len(shown) >= len(shape) - 1 and others == (*shape[:axis], *shape[axis + 1 :]) else None


def _together(perm: Sequence[int], axis: int, count: int) -> bool:
    """Whether a permutation leaves the axes from `axis` on side by side, in their order."""
    places = [list(perm).index(axis + number) for number in range(count)]
    return count > 0 and places == list(range(places[0], places[0] + count))


def _without(perm: Sequence[int], axis: int, count: int) -> tuple[int, ...]:
    """The permutation of the axes where the `count` from `axis` on are one."""
    kept = [place for place in perm if not axis < place < axis + count]
    return tuple(place if place <= axis else place - count + 1 for place in kept)
