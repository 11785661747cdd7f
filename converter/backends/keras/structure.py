"""The module tree: which nodes of the graph form which nested model.

A module becomes a nested `keras.Model` when it has modules of its own and its nodes form a convex group: nothing leaves
the group and comes back. A weight used by several groups pulls its nodes up to their common ancestor, because a
layer that two nested models share would be loaded as two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import onnx_ir as ir

from converter.backends.keras.names import module_path
from passes.weight_views import recorded_view

DEEPEST = 200
"""Nodes in one model before it is cut: a flat Keras graph of some 990 operations in a row hits Python's recursion
limit."""


Needs = dict[ir.Node | str, dict[ir.Node | str, None]]
"""What each unit waits for, in the graph's order: a set would dissolve another group in every run."""


@dataclass
class Group:
    """A model to be: its nodes and nested groups in topological order, and the values that cross its border."""

    path: str
    items: list[ir.Node | Group] = field(default_factory=list)
    inputs: list[ir.Value] = field(default_factory=list)
    outputs: list[ir.Value] = field(default_factory=list)
    is_top: bool = False

    def nodes(self) -> Iterator[ir.Node]:
        for item in self.items:
            if isinstance(item, Group):
                yield from item.nodes()
            else:
                yield item


def one_group(graph: ir.Graph) -> Group:
    """All nodes in one model."""
    return Group("", list(graph), list(graph.inputs), list(graph.outputs), is_top=True)


def group_by_module(graph: ir.Graph) -> Group:
    """The nest of modules that the graph's metadata tells of, cut where a level would be too deep to load."""
    paths = _paths(graph)
    top = Group("", is_top=True)
    top.items = _cut(_nest(list(graph), "", paths), "")
    _borders(top, list(graph.inputs), list(graph.outputs))
    return top


def _paths(graph: ir.Graph) -> dict[ir.Node, tuple[str, ...]]:
    """For each node the modules around it that have modules of their own, outermost first."""
    own = {node: module_path(node) for node in graph}
    parents = {prefix for path in set(own.values()) for prefix in _prefixes(path)[:-1]}
    result = {node: tuple(p for p in _prefixes(path) if p in parents) for node, path in own.items()}
    by_weight: dict[str, list[ir.Node]] = {}
    for node in graph:
        for value in node.inputs:
            source = recorded_view(value) if value is not None and value.const_value is not None else None
            if source:
                by_weight.setdefault(source[0], []).append(node)
    for nodes in by_weight.values():
        common = _common([result[node] for node in nodes])
        for node in nodes:
            result[node] = common
    return result


def _prefixes(path: str) -> list[str]:
    parts = path.split(".") if path else []
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


def _common(paths: list[tuple[str, ...]]) -> tuple[str, ...]:
    first, last = min(paths), max(paths)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:length]


def _nest(nodes: list[ir.Node], path: str, paths: dict[ir.Node, tuple[str, ...]]) -> list[ir.Node | Group]:
    """The items of one level in topological order. A group that would make a cycle is dissolved into its own items."""
    dissolved: set[str] = set()
    while True:
        owner = {node: _child(paths[node], path, dissolved) for node in nodes}
        order, stuck = _sorted(nodes, owner)
        if stuck is None:
            break
        dissolved.add(stuck)
    members: dict[str, list[ir.Node]] = {}
    for node in nodes:
        key = owner[node]
        if key is not None:
            members.setdefault(key, []).append(node)
    items: list[ir.Node | Group] = []
    for unit in order:
        if isinstance(unit, str):
            inner = _nest(members[unit], unit, paths)
            alone = len(inner) == 1 and isinstance(inner[0], ir.Node)
            items.append(inner[0] if alone else Group(unit, _cut(inner, unit)))
        else:
            items.append(unit)
    return items


def _child(path: tuple[str, ...], parent: str, dissolved: set[str]) -> str | None:
    """The outermost module below `parent` on this path that is still a group; None for a loose node."""
    start = path.index(parent) + 1 if parent else 0
    return next((p for p in path[start:] if p not in dissolved), None)


def _sorted(nodes: list[ir.Node], owner: dict[ir.Node, str | None]) -> tuple[list[ir.Node | str], str | None]:
    """Kahn's algorithm on groups and loose nodes; on a cycle the name of a group in it."""
    unit_of: dict[ir.Node, ir.Node | str] = {node: owner[node] or node for node in nodes}
    waits: Needs = {unit: {} for unit in unit_of.values()}
    feeds: dict[ir.Node | str, list[ir.Node | str]] = {unit: [] for unit in waits}
    for node in nodes:
        for value in node.inputs:
            producer = value.producer() if value is not None else None
            source = unit_of.get(producer) if producer is not None else None
            unit = unit_of[node]
            if source is not None and source != unit and source not in waits[unit]:
                waits[unit][source] = None
                feeds[source].append(unit)
    ready = [unit for unit, before in waits.items() if not before]
    order: list[ir.Node | str] = []
    left = {unit: len(before) for unit, before in waits.items()}
    for unit in ready:
        order.append(unit)
        for after in feeds[unit]:
            left[after] -= 1
            if not left[after]:
                ready.append(after)
    if len(order) == len(waits):
        return order, None
    blocked = [unit for unit in waits if left[unit] and isinstance(unit, str)]
    return order, _on_cycle(blocked, waits, left)


def _on_cycle(blocked: list[str], waits: Needs, left: dict[ir.Node | str, int]) -> str:
    """Walk back along unmet needs until a unit repeats: that unit's cycle holds a group."""
    unit: ir.Node | str = blocked[0]
    seen: list[ir.Node | str] = []
    while unit not in seen:
        seen.append(unit)
        unit = next(before for before in waits[unit] if left[before])
    cycle = seen[seen.index(unit) :]
    return next(member for member in cycle if isinstance(member, str))


def _cut(items: list[ir.Node | Group], path: str) -> list[ir.Node | Group]:
    """Cut a level with too many items into runs: a run of a topological order is always convex."""
    if len(items) <= DEEPEST:
        return items
    runs = [items[start : start + DEEPEST] for start in range(0, len(items), DEEPEST)]
    return [Group(f"{path}.part_{i}" if path else f"part_{i}", run) for i, run in enumerate(runs)]


def _borders(group: Group, inputs: list[ir.Value], outputs: list[ir.Value]) -> None:
    """Fill in what each nested group takes from outside and gives to the outside."""
    group.inputs, group.outputs = inputs, outputs
    wanted = set(outputs)
    owner: dict[ir.Value, int] = {}
    needs: list[dict[ir.Value, None]] = []
    for index, item in enumerate(group.items):
        made: set[ir.Value] = set()
        used: dict[ir.Value, None] = {}
        for node in item.nodes() if isinstance(item, Group) else [item]:
            used.update((v, None) for v in node.inputs if v is not None and v.const_value is None and v not in made)
            made.update(node.outputs)
        needs.append(used)
        owner.update((value, index) for value in made)
    across = {value for index, used in enumerate(needs) for value in used if owner.get(value) != index}
    for index, item in enumerate(group.items):
        if isinstance(item, Group):
            given = [v for node in item.nodes() for v in node.outputs if v in across or v in wanted]
            _borders(item, list(needs[index]), given)
