"""What a source draws at random, drawn by a layer at the top of the model, where a proof can put numbers of its own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from zlib import crc32

import keras
import onnx_ir as ir

from converter.backends.keras.build.weights import Variables
from converter.sources.source import DrawnNoise
from keraport.layers.noise import MOST_SEED, Noise
from passes.dims.parse import parse
from passes.errors import Unsupported
from passes.layout.walk.computed_sizes import NotCounted, as_data

Tensors = dict[ir.Value, keras.KerasTensor]


def noise_tensors(values: Sequence[ir.Value], variables: Variables, inputs: Tensors) -> Tensors:
    """The tensors of those inputs of the graph that are noise, each of a layer that draws it.

    Args:
        inputs: of the model: from these the sizes follow that are open.

    Raises:
        Unsupported: they do not.
    """
    tensors: Tensors = {}
    for value in values:
        drawn = variables.noise[str(value.name)]
        layer, taken = _layer(value, drawn, list(inputs), variables.names.kept(value))
        variables.custom.append((layer, drawn.node, drawn.module))
        given = [inputs[each] for each in taken]
        tensors[value] = layer(given if len(given) > 1 else given[0])
    return tensors


def _layer(
    value: ir.Value, drawn: DrawnNoise, inputs: Sequence[ir.Value], name: str | None
) -> tuple[keras.layers.Layer, list[ir.Value]]:
    """The layer, and the inputs that it counts; one that counts none takes the first all the same.

    A seed that the source does not give goes by the name, so that a conversion gives the same file each time.
    """
    counted: list[ir.Value] = []
    try:
        sizes = [
            size if isinstance(size, int) else as_data(parse(str(size)), partial(_counted, inputs, counted))
            for size in value.shape or ()
        ]
    except NotCounted as error:
        raise Unsupported(f"{error} random numbers are drawn, which is no size of an input.", node=drawn.node) from None
    seed = crc32(str(value.name).encode()) if drawn.seed is None else drawn.seed
    dtype = "float32" if value.dtype is None else value.dtype.numpy().name
    layer = Noise(drawn.distribution, sizes, seed & MOST_SEED, name=name, dtype=dtype)
    return layer, counted or list(inputs[:1])


def _counted(inputs: Sequence[ir.Value], counted: list[ir.Value], text: str) -> Any:
    """["size", input, axis], the input counted among those that are."""
    for value in inputs:
        for axis, size in enumerate(value.shape or ()):
            if not isinstance(size, int) and parse(str(size)) == parse(text):
                if value not in counted:
                    counted.append(value)
                return ["size", counted.index(value), axis]
    return None
