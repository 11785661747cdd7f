"""Which nodes of a level form which nested model, and in which order they stand."""

from __future__ import annotations

from typing import NamedTuple

import onnx_ir as ir

from converter.backends.keras.build.names import module_path
from converter.backends.keras.nesting.calls import calls_of, feeds_itself
from converter.backends.keras.nesting.cutting import cut
from converter.backends.keras.nesting.groups import Again, Group, Item
from passes.graph.unmoved import unmoved_nodes
from passes.graph.weight_views import recorded_view

Paths = dict[ir.Node, tuple[str, ...]]
"""For each node the modules around it that have modules of their own, outermost first."""


class ModuleCall(NamedTuple):
    """One call of the module at a path, counted from 0."""

    module: str
    number: int


Unit = ir.Node | ModuleCall

Needs = dict[Unit, dict[Unit, None]]
"""What each unit waits for, in the graph's order: a set would dissolve another group in every run."""


def paths_of(graph: ir.Graph) -> Paths:
    """The path of each node.

    A weight that several modules use pulls its nodes up to what these have in common. So does what is computed from
    weights alone with its users: a model of such nodes would have no inputs.
    """
    own = {node: module_path(node) for node in graph}
    parents = {prefix for path in set(own.values()) for prefix in _prefixes(path)[:-1]}
    result = {node: tuple(p for p in _prefixes(path) if p in parents) for node, path in own.items()}
    by_weight: dict[str, list[ir.Node]] = {}
    for node in graph:
        for value in node.inputs:
            source = recorded_view(value) if value is not None and value.const_value is not None else None
            if source:
                by_weight.setdefault(source[0], []).append(node)
    alone = _from_weights_alone(graph)
    while True:
        for nodes in by_weight.values():
            common = _common([result[node] for node in nodes])
            result.update(dict.fromkeys(nodes, common))
        pulled = {node: _common([result[node], *map(result.__getitem__, users)]) for node, users in alone.items()}
        if all(result[node] == path for node, path in pulled.items()):
            return result
        result |= pulled


def _from_weights_alone(graph: ir.Graph) -> dict[ir.Node, list[ir.Node]]:
    """The nodes of whose results no input is a part, and the users of each; last ones first."""
    found = reversed(unmoved_nodes(graph))
    return {node: [use.node for y in node.outputs for use in y.uses() if use.node.graph is graph] for node in found}


def _prefixes(path: str) -> list[str]:
    parts = path.split(".") if path else []
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


def _common(paths: list[tuple[str, ...]]) -> tuple[str, ...]:
    first, last = min(paths), max(paths)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:length]


def nest(nodes: list[ir.Node], path: str, paths: Paths) -> list[Item]:
    """The items of one level in topological order.

    Where the calls of a module would make a cycle they are one group; a group that would make one is dissolved into its
    own items.
    """
    dissolved: set[str] = set()
    calls: dict[str, list[list[ir.Node]]] = {}
    while True:
        members: dict[str, list[ir.Node]] = {}
        for node in nodes:
            module = _child(paths[node], path, dissolved)
            if module is not None:
                members.setdefault(module, []).append(node)
        for module in members.keys() - calls.keys():
            calls[module] = _calls(members[module], module)
        units = {node: ModuleCall(m, index) for m in members for index, call in enumerate(calls[m]) for node in call}
        order, stuck = _sorted(nodes, units)
        if stuck is None:
            break
        if len(calls[stuck]) > 1:
            calls[stuck] = [members[stuck]]
        else:
            dissolved.add(stuck)
    items: list[Item] = []
    made: dict[str, tuple[list[ir.Node], Group | None]] = {}
    for unit in order:
        if isinstance(unit, ir.Node):
            items.append(unit)
            continue
        call = calls[unit.module][unit.number]
        if unit.module not in made:
            inner = nest(call, unit.module, paths)
            alone = len(inner) == 1 and isinstance(inner[0], ir.Node)
            made[unit.module] = call, None if alone else Group(unit.module, cut(inner, unit.module))
            items.append(made[unit.module][1] or inner[0])
        else:
            model, group = made[unit.module]
            items.append(Again(group, dict(zip(model, call, strict=True))) if group else call[0])
    return items


def _calls(nodes: list[ir.Node], module: str) -> list[list[ir.Node]]:
    """The calls of a module; one where it is but the loop around a module of its own."""
    calls = calls_of(nodes)
    depth = module.count(".") + 2
    parts = {tuple(module_path(node).split(".")[:depth]) for node in nodes}
    return [nodes] if len(parts) == 1 and feeds_itself(calls) else calls


def _child(path: tuple[str, ...], parent: str, dissolved: set[str]) -> str | None:
    """The outermost module below `parent` on this path that is still a group; None for a loose node."""
    start = path.index(parent) + 1 if parent else 0
    return next((p for p in path[start:] if p not in dissolved), None)


def _sorted(nodes: list[ir.Node], calls: dict[ir.Node, ModuleCall]) -> tuple[list[Unit], str | None]:
    """Kahn's algorithm on groups and loose nodes; on a cycle the name of a group in it."""
    unit_of: dict[ir.Node, Unit] = {node: calls.get(node, node) for node in nodes}
    waits: Needs = {unit: {} for unit in unit_of.values()}
    feeds: dict[Unit, list[Unit]] = {unit: [] for unit in waits}
    for node in nodes:
        for value in node.inputs:
            producer = value.producer() if value is not None else None
            source = unit_of.get(producer) if producer is not None else None
            unit = unit_of[node]
            if source is not None and source != unit and source not in waits[unit]:
                waits[unit][source] = None
                feeds[source].append(unit)
    ready = [unit for unit, before in waits.items() if not before]
    order: list[Unit] = []
    left = {unit: len(before) for unit, before in waits.items()}
    for unit in ready:
        order.append(unit)
        for after in feeds[unit]:
            left[after] -= 1
            if not left[after]:
                ready.append(after)
    if len(order) == len(waits):
        return order, None
    blocked = [unit for unit in waits if left[unit] and isinstance(unit, ModuleCall)]
    return order, _on_cycle(blocked, waits, left)


def _on_cycle(blocked: list[ModuleCall], waits: Needs, left: dict[Unit, int]) -> str:
    """Walk back along unmet needs until a unit repeats: that unit's cycle holds a group."""
    unit: Unit = blocked[0]
    seen: list[Unit] = []
    while unit not in seen:
        seen.append(unit)
        unit = next(before for before in waits[unit] if left[before])
    cycle = seen[seen.index(unit) :]
    return next(member.module for member in cycle if isinstance(member, ModuleCall))
