"""A level that is too deep to load is cut into several."""

from __future__ import annotations

from collections.abc import Iterator

from converter.backends.keras.nesting.groups import Again, Group, Item
from passes.graph.weight_views import WEIGHT_KEY

DEEPEST = 200
"""Nodes in one model before it is cut: a flat Keras graph of some 990 operations in a row hits Python's recursion
limit."""


def cut(items: list[Item], path: str) -> list[Item]:
    """Cut a level with too many items into runs: a run of a topological order is always convex.

    Not where something on both sides of the cut is shared.
    """
    if len(items) <= DEEPEST:
        return items
    last = {thing: index for index, item in enumerate(items) for thing in _shared(item)}
    runs: list[list[Item]] = []
    start, end, reach = 0, 0, 0
    for index, item in enumerate(items):
        reach = max([reach, *(last[thing] for thing in _shared(item))])
        if reach <= index:
            end = index + 1
        if index + 1 - start >= DEEPEST and end > start:
            runs.append(items[start:end])
            start = end
    runs.append(items[start:])
    if len(runs) == 1:
        return items
    return [Group(f"{path}.part_{i}" if path else f"part_{i}", run) for i, run in enumerate(runs) if run]


def _shared(item: Item) -> Iterator[int]:
    """What must stay in one level: the calls of a nested model, and the operations on a weight."""
    if isinstance(item, Group | Again):
        yield id(item.first)
        return
    for value in item.inputs:
        if value is not None and WEIGHT_KEY in value.metadata_props:
            yield id(value)
