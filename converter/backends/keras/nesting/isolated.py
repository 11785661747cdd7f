"""Each layer by itself: given what the source computes up to there, whatever the layers before it make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import onnx_ir as ir

from converter.backends.keras.nesting.levels import Level, one_or_all
from passes.errors import MODULE_KEY, describe

Array = np.ndarray[Any, np.dtype[Any]]


def isolated(level: Level, known: Mapping[str, Array]) -> Iterator[tuple[str, str, str, str, Array]]:
    """(value, layer, module, node, numbers) for each node of the graph whose inputs are known.

    Args:
        known: what the source computes, by value, axes as the model has them.
    """
    here = {id(tensor): known[str(value.name)] for value, tensor in level.tensors.items() if value.name in known}
    for node, layer in level.nodes:
        own = {id(level.tensors[value]): value for value in node.outputs if value in level.tensors}
        given = {id(level.tensors[value]) for value in node.inputs if value in level.tensors}
        seeds = {key: array for key, array in here.items() if key not in own or key in given}
        for value in node.outputs:
            tensor = level.tensors.get(value)
            if tensor is None or value.name not in known:
                continue
            numbers = _computed(tensor, seeds)
            if numbers is not None:
                module = node.metadata_props.get(MODULE_KEY, "")
                yield str(value.name), layer, module, describe(node), keras.ops.convert_to_numpy(numbers)
    for child in level.children:
        yield from isolated(child, known)


def part(level: Level, node: ir.Node) -> tuple[keras.Model, list[ir.Value]] | None:
    """The layer of a node as a model of its own, and the values that it takes; None where the node has no tensors."""
    for mine, _ in level.nodes:
        if mine is node:
            return _part(level, node)
    return next((found for child in level.children if (found := part(child, node)) is not None), None)


def rebound(level: Level, model: keras.Model, missing: list[ir.Value]) -> Level:
    """The level with the tensors of another model whose layers have the same names.

    Args:
        missing: the values of layers that the model has not are added here.
    """
    operations = {operation.name: operation for operation in getattr(model, "operations", ())}
    tensors: dict[ir.Value, Any] = {}
    for value, tensor in level.tensors.items():
        operation, index, place = tensor._keras_history
        found = operations.get(operation.name)
        if found is not None and index < len(found._inbound_nodes):
            outputs = found._inbound_nodes[index].output_tensors
            if place < len(outputs):
                tensors[value] = outputs[place]
                continue
        missing.append(value)
    children = [
        rebound(child, operations[child.model.name], missing)
        for child in level.children
        if child.model.name in operations
    ]
    nodes = [(node, name) for node, name in level.nodes if any(value in tensors for value in node.outputs)]
    return Level(model, tensors, [value for value in level.inputs if value in tensors], nodes, children)


def _part(level: Level, node: ir.Node) -> tuple[keras.Model, list[ir.Value]] | None:
    outputs = [level.tensors[value] for value in node.outputs if value in level.tensors]
    inputs = list(dict.fromkeys(value for value in node.inputs if value is not None and value in level.tensors))
    if not outputs:
        return None
    try:
        tensors = [level.tensors[value] for value in inputs]
        return keras.Model(one_or_all(tensors), one_or_all(outputs)), inputs
    except ValueError:  # it takes the length of something else, or makes constants of it: the model's first input
        inputs = list(dict.fromkeys([*inputs, *level.inputs]))
        return keras.Model(one_or_all([level.tensors[v] for v in inputs]), one_or_all(outputs)), inputs


def _computed(wanted: Any, seeds: dict[int, Array]) -> Any:
    """A tensor of the model from those that are known; None where it depends on one that is not."""
    found: dict[int, Any] = dict(seeds)
    pending = [wanted]
    while pending:
        tensor = pending[-1]
        if id(tensor) in found:
            pending.pop()
            continue
        operation, index, _ = tensor._keras_history
        made = operation._inbound_nodes[index]
        if made.is_input:
            return None
        missing = [source for source in made.input_tensors if id(source) not in found]
        if missing:
            pending.extend(missing)
            continue
        arguments, options = made.arguments.fill_in(found)
        results = operation(*arguments, **options)
        for output, result in zip(made.output_tensors, keras.tree.flatten(results), strict=True):
            found[id(output)] = result
    return found[id(wanted)]
