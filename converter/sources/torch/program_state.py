"""Which buffers an exported program writes to: what it computes then depends on the calls before."""

from __future__ import annotations

from typing import Any

import torch


def written_buffers(program: torch.export.ExportedProgram) -> list[str]:
    """Buffers, parameters and constants that an operation of the program writes to, by name.

    A program that was decomposed lists them in its signature. One as torch.export leaves it has the writes themselves
    in its graph, often to a view of the buffer.
    """
    signature = program.graph_signature
    held = {
        **signature.inputs_to_buffers,
        **signature.inputs_to_parameters,
        **signature.inputs_to_lifted_tensor_constants,
    }
    written = dict.fromkeys(signature.buffers_to_mutate.values())
    for node in program.graph.nodes:
        for argument in _written_arguments(node):
            base = _base(argument)
            if base.op == "placeholder" and base.name in held:
                written[held[base.name]] = None
    return list(written)


def _arguments(node: torch.fx.Node) -> list[tuple[Any, Any]]:
    """The arguments of an operation with their places in its schema."""
    schema = getattr(node.target, "_schema", None)
    if node.op != "call_function" or schema is None:
        return []
    places = schema.arguments
    return [
        (place, node.args[index] if index < len(node.args) else node.kwargs.get(place.name))
        for index, place in enumerate(places)
    ]


def _written_arguments(node: torch.fx.Node) -> list[torch.fx.Node]:
    written = [value for place, value in _arguments(node) if place.alias_info is not None and place.alias_info.is_write]
    flat = [item for value in written for item in (value if isinstance(value, (list, tuple)) else [value])]
    return [item for item in flat if isinstance(item, torch.fx.Node)]


def _base(node: torch.fx.Node) -> torch.fx.Node:
    """The tensor that a chain of views and writes in place is a part of."""
    while True:
        aliased = [
            value
            for place, value in _arguments(node)
            if place.alias_info is not None and isinstance(value, torch.fx.Node)
        ]
        if not aliased:
            return node
        node = aliased[0]
