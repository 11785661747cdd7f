"""What a module tree is made of: models to be, and further calls of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import onnx_ir as ir


@dataclass
class Group:
    """A model to be: its nodes and nested groups in topological order, and the values that cross its border."""

    path: str
    items: list[Item] = field(default_factory=list)
    inputs: list[ir.Value] = field(default_factory=list)
    outputs: list[ir.Value] = field(default_factory=list)
    is_top: bool = False

    @property
    def first(self) -> Group:
        """The first call of this model: it itself."""
        return self

    def nodes(self) -> Iterator[ir.Node]:
        for item in self.items:
            yield from nodes_of(item)


@dataclass
class Again:
    """A further call of a nested model: for each node of the first call one that does the same on other values."""

    first: Group
    counterpart: dict[ir.Node, ir.Node]
    inputs: list[ir.Value] = field(default_factory=list)
    outputs: list[ir.Value] = field(default_factory=list)

    def nodes(self) -> Iterator[ir.Node]:
        """In the order of the first call's."""
        return (self.counterpart[node] for node in self.first.nodes())


Item = ir.Node | Group | Again


def nodes_of(item: Item) -> Iterator[ir.Node]:
    """The nodes of an item of a level, those of nested models included."""
    return iter([item]) if isinstance(item, ir.Node) else item.nodes()
