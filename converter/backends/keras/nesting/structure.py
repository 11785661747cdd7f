"""The module tree: which nodes of the graph form which nested model.

A module becomes a nested `keras.Model` when it has modules of its own and its nodes form a convex group: nothing leaves
the group and comes back. Called several times on the like, it is one nested model that is called several times. A
weight used by several groups pulls its nodes up to their common ancestor, because Keras cannot load a layer that two
nested models share.
"""

from __future__ import annotations

import onnx_ir as ir

from converter.backends.keras.nesting.cutting import cut
from converter.backends.keras.nesting.groups import Again, Group, nodes_of
from converter.backends.keras.nesting.tree import nest, paths_of


def one_group(graph: ir.Graph) -> Group:
    """All nodes in one model."""
    return Group("", list(graph), list(graph.inputs), list(graph.outputs), is_top=True)


def group_by_module(graph: ir.Graph) -> Group:
    """The nest of modules that the graph's metadata tells of, cut where a level would be too deep to load."""
    top = Group("", is_top=True)
    top.items = cut(nest(list(graph), "", paths_of(graph)), "")
    _borders(top, list(graph.inputs), list(graph.outputs))
    return top


def _borders(group: Group, inputs: list[ir.Value], outputs: list[ir.Value]) -> None:
    """Fill in what each nested model takes from outside and gives to the outside, in every call."""
    group.inputs, group.outputs = inputs, outputs
    owner = {value: index for index, item in enumerate(group.items) for n in nodes_of(item) for value in n.outputs}
    given = set(outputs)
    for index, item in enumerate(group.items):
        used = [value for node in nodes_of(item) for value in node.inputs if value is not None]
        given.update(value for value in used if owner.get(value, index) != index)
    calls: dict[int, list[Group | Again]] = {}
    for item in group.items:
        if isinstance(item, Group | Again):
            calls.setdefault(id(item.first), []).append(item)
    for models in calls.values():
        _call_borders(models, given)
        first = models[0]
        assert isinstance(first, Group)
        _borders(first, first.inputs, first.outputs)


def _call_borders(calls: list[Group | Again], given: set[ir.Value]) -> None:
    """The nth input of each call is the nth of every other, and so are the outputs: all that some call gives."""
    made = {value for call in calls[:1] for node in call.nodes() for value in node.outputs}
    taken: dict[tuple[ir.Value, ...], None] = {}
    results: list[tuple[ir.Value, ...]] = []
    for nodes in zip(*(call.nodes() for call in calls), strict=True):
        for values in zip(*(node.inputs for node in nodes), strict=True):
            if values[0] is not None and values[0].const_value is None and values[0] not in made:
                taken[values] = None
        results += (values for values in zip(*(n.outputs for n in nodes), strict=True) if not given.isdisjoint(values))
    for index, call in enumerate(calls):
        call.inputs = [values[index] for values in taken]
        call.outputs = [values[index] for values in results]
