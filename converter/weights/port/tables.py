"""Parameters that are no layer's in the source: tables there, and in the model variables of a layer of somebody's own.

A token before the patches, vectors of places, a scale for each channel. What the layer makes of them nobody knows: the
shapes say which, then the names, then the order, and the next layer tells whether it was right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from converter.weights.port.calls import own_variables
from converter.weights.port.partners import likeness
from converter.weights.port.readings import FilledVariable, HeldTensor, Reading, views
from converter.weights.port.sources import SourceLayer


def table_of(layer: Any, possible: Sequence[Reading]) -> Reading | None:
    """The table that is all of the layer."""
    looked_up = isinstance(layer, keras.layers.Embedding)
    if _is_known(layer) and not looked_up:
        return None
    tables = [
        reading
        for reading in possible
        if reading.source.is_table and _is_whole(reading) and (reading.source.is_parameter or not looked_up)
    ]
    return min(tables, key=lambda each: (-likeness(layer, each), each.source.number), default=None)


def tables_of(layer: Any, free: Sequence[SourceLayer], told: Mapping[str, str]) -> Reading | None:
    """A parameter for each of the layer's variables, where it has several.

    Args:
        free: layers of the source that are not used yet.
        told: by the path of a variable the tensor that it holds, where that is known.
    """
    variables = own_variables(layer)
    if _is_known(layer) or len(variables) < 2:
        return None
    found: dict[str, HeldTensor | FilledVariable] = {}
    taken: list[SourceLayer] = []
    for name, variable in variables.items():
        fitting = [
            Reading(source, {name: HeldTensor(tensor, view)})
            for source in free
            if source.is_parameter and source not in taken
            for tensor in source.tensors.values()
            if told.get(variable.path, tensor.source) == tensor.source
            for view in views(tensor.array.shape, tuple(variable.shape))
        ]
        if not fitting:
            return None
        best = min(fitting, key=lambda each: (-likeness(variable, each), each.source.number))
        found |= best.variables
        taken.append(best.source)
    return Reading(taken[0], found, beside=tuple(taken[1:]))


def _is_known(layer: Any) -> bool:
    """Whether Keras says what it computes: then a table is not what it holds."""
    return type(layer).__module__.startswith("keras.src.layers.")


def _is_whole(reading: Reading) -> bool:
    """All that the layer has is in the table, and nothing was made up."""
    return reading.part is None and all(isinstance(told, HeldTensor) for told in reading.variables.values())
