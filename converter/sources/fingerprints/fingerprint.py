"""The fingerprint of a state_dict: its names; and its shapes, but for the sizes that whoever built it has chosen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from converter.sources.checkpoints.fit import without_counters

DIGITS = 16
"""Of a digest: 64 bits, for some thousand architectures. What is recognised by chance does not load in the end."""

SKETCHED = 64
"""Names in a sketch: enough to tell a half from two thirds."""


@dataclass(frozen=True)
class Free:
    """A size that follows from a chosen number: size = times · number + plus.

    Attributes:
        name: of the tensor, as its place among all names, sorted.
        axis: of the tensor.
    """

    name: int
    axis: int
    times: int
    plus: int


def fingerprinted(state: Mapping[str, Any]) -> dict[str, Any]:
    """What counts in a state_dict: sorted, without counters, which only newer versions of PyTorch write."""
    return dict(sorted(without_counters(state).items()))


def names_digest(state: Mapping[str, Any]) -> str:
    return _digest(state)


def shapes_digest(state: Mapping[str, Any], free: Iterable[Free]) -> str:
    """Of all shapes, with a mark in the place of each free size; a weight is not taken for an index."""
    places = {(place.name, place.axis) for place in free}
    return _digest(
        f"{'f' if tensor.is_floating_point() else 'i'}"
        + ",".join("?" if (index, axis) in places else str(size) for axis, size in enumerate(tensor.shape))
        for index, tensor in enumerate(state.values())
    )


def chosen_number(state: Mapping[str, Any], free: Sequence[Free]) -> int | None:
    """The number that all the free sizes follow from; None where they do not agree, or are not there."""
    shapes = [tuple(tensor.shape) for tensor in state.values()]
    found = set()
    for place in free:
        shape = shapes[place.name] if place.name < len(shapes) else ()
        size = shape[place.axis] if place.axis < len(shape) else 0
        found.add(divmod(size - place.plus, place.times))
    if len(found) != 1:
        return None
    ((number, rest),) = found
    return number if number > 0 and rest == 0 else None


def sketch(names: Iterable[str]) -> list[int]:
    """The smallest hashes of the names, by which the share of names that two have in common is estimated."""
    return sorted(int(_digest([name])[:8], 16) for name in names)[:SKETCHED]


def likeness(mine: Sequence[int], theirs: Sequence[int]) -> float:
    """How many of all names of two both have, estimated from their sketches: 0 to 1."""
    smallest = sorted({*mine, *theirs})[:SKETCHED]
    return len({*mine} & {*theirs} & {*smallest}) / max(1, len(smallest))


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:DIGITS]
