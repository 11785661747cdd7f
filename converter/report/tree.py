"""The modules of the source as a tree, each with what it became in Keras."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Module:
    """One module of the source.

    Attributes:
        path: dotted; "" is the whole model.
        kind: its class in PyTorch, "" where that is not known.
        children: modules and layers, in the order of the graph.
    """

    path: str
    kind: str = ""
    children: list[Module | dict[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def modules(self) -> list[Module]:
        return [child for child in self.children if isinstance(child, Module)]

    @property
    def layers(self) -> Iterator[dict[str, Any]]:
        """Those of the modules inside of it as well."""
        for child in self.children:
            if isinstance(child, Module):
                yield from child.layers
            else:
                yield child

    @property
    def parameters(self) -> int:
        return sum(layer["parameters"] for layer in self.layers)

    @property
    def error(self) -> float | None:
        """The greatest of its layers."""
        return max((layer["error"] for layer in self.layers if layer["error"] is not None), default=None)

    @property
    def shape(self) -> list[int]:
        """What its last layer computes."""
        return next((layer["shape"] for layer in reversed(list(self.layers))), [])

    @property
    def only(self) -> dict[str, Any] | None:
        """The layer that the module became, where it is one."""
        layer = self.children[0] if len(self.children) == 1 else None
        return layer if isinstance(layer, dict) else None


def module_tree(layers: Iterable[Mapping[str, Any]], kinds: Mapping[str, str]) -> Module:
    """Layers under their modules.

    Args:
        layers: `LayerError.to_dict()` of each.
        kinds: the classes of the modules by path.
    """
    known: dict[str, Module] = {}

    def module(path: str) -> Module:
        if path not in known:
            known[path] = Module(path, kinds.get(path, ""))
            if path:
                module(path.rpartition(".")[0]).children.append(known[path])
        return known[path]

    top = module("")
    for layer in layers:
        module(layer["module"]).children.append(dict(layer))
    return top
