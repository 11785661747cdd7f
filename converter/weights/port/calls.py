"""The layers of a Keras model as they are called, one after another, in a pass that computes numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Run = Callable[..., Any]
"""What calls the layer."""

Handler = Callable[[keras.layers.Layer, Run, tuple[Any, ...], dict[str, Any]], Any]
"""(layer, run, positional, named arguments) → what the layer gives."""


@contextmanager
def intercepting(handler: Handler, passed: Callable[[Any], None]) -> Iterator[None]:
    """Hand the calls of layers with variables of their own to `handler`, and tell `passed` of all others.

    What a recurrent layer does with its cell is its own business.
    """
    plain, plain_operation = keras.layers.Layer.__call__, keras.Operation.__call__
    inside = False

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal inside
        run = partial(plain, layer)
        if inside:
            return run(*args, **kwargs)
        if not own_variables(layer):
            return passing(layer, run, args, kwargs) if not layer.weights else run(*args, **kwargs)
        inside = isinstance(layer, keras.layers.RNN)
        try:
            return handler(layer, run, args, kwargs)
        finally:
            inside = False

    def passing(layer: Any, run: Run, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        nonlocal inside
        if not isinstance(layer, keras.layers.InputLayer):
            passed(layer)
        inside = True
        try:
            return run(*args, **kwargs)
        finally:
            inside = False

    def operate(operation: Any, *args: Any, **kwargs: Any) -> Any:
        if not inside and not isinstance(operation, keras.layers.Layer):
            passed(operation)
        return plain_operation(operation, *args, **kwargs)

    keras.layers.Layer.__call__, keras.Operation.__call__ = call, operate
    try:
        yield
    finally:
        keras.layers.Layer.__call__, keras.Operation.__call__ = plain, plain_operation


def own_variables(layer: Any) -> dict[str, Any]:
    """The variables that a layer itself computes with, by their names: of no layer in it but the cell of a recurrent
    one."""
    variables = layer._trainable_variables + layer._non_trainable_variables
    if isinstance(layer, keras.layers.RNN):
        variables = layer.cell.variables
    found: dict[str, Any] = {}
    for variable in variables:
        if "seed_generator" not in variable.path:
            found[variable.name if variable.name not in found else f"{variable.name}_{len(found)}"] = variable
    return found


@contextmanager
def linear(layer: Any) -> Iterator[None]:
    """The layer without the activation that is written into it: in the other model it may be a layer of its own."""
    activation = _activation(layer)
    if activation is None:
        yield
        return
    layer.activation = keras.activations.linear
    try:
        yield
    finally:
        layer.activation = activation


def activated(layer: Any, y: Array) -> Any:
    """What the layer makes of this output of `linear`."""
    activation = _activation(layer)
    return y if activation is None else activation(y)


def _activation(layer: Any) -> Callable[[Any], Any] | None:
    """What is written into the layer to be done last; a recurrent layer does it at every step."""
    return None if isinstance(layer, keras.layers.RNN) else getattr(layer, "activation", None)


def first_array(values: Any) -> Array | None:
    """The first tensor among arguments or outputs, as numbers."""
    for value in keras.tree.flatten(values):
        if hasattr(value, "shape") and hasattr(value, "dtype"):
            return np.asarray(keras.ops.convert_to_numpy(value))
    return None


def feed(model: Any, arrays: Sequence[Array]) -> list[Array]:
    """What a model gives for its inputs, in its own order, in the structure in which it takes them."""
    known = getattr(model, "inputs", None) or [None] * len(arrays)
    tensors = [
        keras.ops.convert_to_tensor(array, None if each is None else each.dtype)
        for each, array in zip(known, arrays, strict=True)
    ]
    structure = getattr(model, "_inputs_struct", None)
    if structure is not None:
        given = keras.tree.pack_sequence_as(structure, tensors)
    else:
        given = tensors[0] if len(tensors) == 1 else tensors
    made = keras.tree.flatten(model(given, training=False))
    return [np.asarray(keras.ops.convert_to_numpy(y)) for y in made]
