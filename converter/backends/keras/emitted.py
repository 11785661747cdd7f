"""A Keras model that was made of a graph, and what is known of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np
import onnx_ir as ir

from converter.backends.keras.nesting.isolated import isolated, part, rebound
from converter.backends.keras.nesting.levels import (
    Level,
    as_list,
    count_transposes,
    given_noise,
    one_or_all,
    operations,
    trace,
)


@dataclass
class Emission:
    """A Keras model and what is known of it: where its weights come from, and which value each layer computes.

    `sources` and `mixed` are those of `Variables`; names are in ONNX order. `custom_layers` are those of
    `keraport.layers`: layer, name, node, module and the reason for each. `noise` are the layers that draw what the last
    inputs of the graph hold.
    """

    model: keras.Model
    origins: dict[str, dict[str, Any]]
    top: Level
    input_names: list[str]
    output_names: list[str]
    mixed: list[str] = field(default_factory=list)
    sources: set[str] = field(default_factory=set)
    custom_layers: list[dict[str, str | None]] = field(default_factory=list)
    noise: list[str] = field(default_factory=list)

    @property
    def trainable_parameters(self) -> int:
        """How many numbers the trainable variables hold."""
        return sum(math.prod(variable.shape) for variable in self.model.trainable_variables)

    @property
    def operations(self) -> dict[str, keras.Operation]:
        """Every layer and operation by its name."""
        return operations(self.model)

    @property
    def transposes(self) -> int:
        """How many operations of the model move axes, nested models included."""
        return count_transposes(self.model)

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """The outputs in the graph's order; inputs in the graph's order."""
        values = dict(zip(self.top.inputs, inputs, strict=True))
        with given_noise(self.top, values) as taken:
            results = self.model(one_or_all([values[value] for value in taken]), training=False)
        named = [results[name] for name in self.output_names] if isinstance(results, dict) else as_list(results)
        return [keras.ops.convert_to_numpy(result) for result in named]

    def trace(self, inputs: list[np.ndarray]) -> Iterator[tuple[str, str, str, str, np.ndarray]]:
        """Run the model level by level: (value, layer, module, node, numbers) for each node of the graph."""
        yield from trace(self.top, dict(zip(self.top.inputs, inputs, strict=True)))

    def isolated(self, known: Mapping[str, np.ndarray]) -> Iterator[tuple[str, str, str, str, np.ndarray]]:
        """The same, each layer given what is known instead of what the layers before it make."""
        yield from isolated(self.top, known)

    def with_layers_of(self, model: keras.Model) -> tuple[Emission, list[ir.Value]]:
        """The same levels in a model that was loaded from a file, and the values that it has no layers for."""
        missing: list[ir.Value] = []
        return replace(self, model=model, top=rebound(self.top, model, missing)), missing

    def part(self, node: ir.Node) -> tuple[keras.Model, list[ir.Value]] | None:
        """The layer of a node as a model of its own, and the values that it takes."""
        return part(self.top, node)
