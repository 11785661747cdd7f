"""The levels of an emitted model, and what runs in each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import onnx_ir as ir

from converter.backends.keras.nesting.groups import Again
from keraport.layers import If, Loop, Noise
from passes.errors import MODULE_KEY, describe


@dataclass
class Level:
    """One Functional model of the nest, in one of its calls: the graph values that its tensors are."""

    model: keras.Model
    tensors: dict[ir.Value, keras.KerasTensor]
    inputs: list[ir.Value]
    nodes: list[tuple[ir.Node, str]]
    children: list[Level]

    def again(self, call: Again) -> Level:
        """The same model in a further call: the same tensors, which are that call's values."""
        values = dict(zip(call.first.inputs, call.inputs, strict=True))
        for mine, theirs in call.counterpart.items():
            values.update(zip(mine.outputs, theirs.outputs, strict=False))
        return self._mapped(values, call.counterpart)

    def _mapped(self, values: dict[ir.Value, ir.Value], nodes: dict[ir.Node, ir.Node]) -> Level:
        return Level(
            self.model,
            {values[value]: tensor for value, tensor in self.tensors.items()},
            [values[value] for value in self.inputs],
            [(nodes[node], name) for node, name in self.nodes],
            [child._mapped(values, nodes) for child in self.children],
        )


@contextmanager
def given_noise(level: Level, values: Mapping[ir.Value, np.ndarray]) -> Iterator[list[ir.Value]]:
    """Let the layers that draw an input of the level hand on what it is known to be; the inputs that are left.

    A model that begins at these layers would say the same, but Keras (3.15) does not save what such a one was made of.
    """
    drawn = {value: level.tensors[value]._keras_history.operation for value in level.inputs}
    drawn = {value: layer for value, layer in drawn.items() if isinstance(layer, Noise)}
    for value, layer in drawn.items():
        layer.give(values[value])
    try:
        yield [value for value in level.inputs if value not in drawn]
    finally:
        for layer in drawn.values():
            layer.give(None)


def trace(level: Level, values: dict[ir.Value, np.ndarray]) -> Iterator[tuple[str, str, str, str, np.ndarray]]:
    """Run the model level by level: (value, layer, module, node, numbers) for each node of the graph.

    Args:
        values: the numbers of the level's inputs.
    """
    inside = [value for value in level.tensors if value not in level.inputs]
    with given_noise(level, values) as taken:
        inputs = [level.tensors[value] for value in taken]
        probe = keras.Model(one_or_all(inputs), [level.tensors[value] for value in inside])
        results = as_list(probe(one_or_all([values[value] for value in taken])))
    known = {**values, **{v: keras.ops.convert_to_numpy(r) for v, r in zip(inside, results, strict=True)}}
    for child in level.children:
        yield from trace(child, {value: known[value] for value in child.inputs})
    for node, name in level.nodes:
        for value in node.outputs:
            if value in known:
                yield str(value.name), name, node.metadata_props.get(MODULE_KEY, ""), describe(node), known[value]


def count_transposes(model: keras.Model) -> int:
    """Permute layers and transposing operations, in every nested model once per call."""
    count = 0
    for call in (node for nodes in model._nodes_by_depth.values() for node in nodes):
        if inner := inner_models(call.operation):
            count += sum(map(count_transposes, inner))
        elif type(call.operation).__name__ in ("Permute", "Transpose", "Swapaxes", "Moveaxis"):
            count += 1
    return count


def operations(model: keras.Model) -> dict[str, keras.Operation]:
    """Every layer and operation by its name, nested models' included."""
    found: dict[str, keras.Operation] = {}
    for operation in model.operations:
        found[operation.name] = operation
        for inner in inner_models(operation):
            found |= operations(inner)
    return found


def inner_models(operation: Any) -> list[keras.Model]:
    """The model that it is, or whose turns it takes, or those of which it takes one."""
    if isinstance(operation, Loop):
        return [operation.body]
    if isinstance(operation, If):
        return [operation.then_branch, operation.else_branch]
    return [operation] if isinstance(operation, keras.Model) else []


def one_or_all(tensors: list[Any]) -> Any:
    """A model of one input takes a tensor, one of several a list; likewise for outputs."""
    return tensors[0] if len(tensors) == 1 else tensors


def as_list(results: Any) -> list[Any]:
    return list(results) if isinstance(results, list | tuple) else [results]
