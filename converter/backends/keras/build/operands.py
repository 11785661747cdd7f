"""Constants as operands: small ones are written into the model, weights become variables of a native layer."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from keras import KerasTensor, layers, ops
from keras.src.layers.convolutional.base_conv import BaseConv

from converter.backends.keras.build.broadcasting import within_reach
from converter.backends.keras.build.weights import ConstantInput, unique_name, with_weights
from passes.facts.keras import MOST_SLICED_AXES
from passes.graph.weight_takes import Take

MOST_IN_CONFIG = 4096
"""Constants above this many elements do not go into config.json, where a number takes about 20 bytes."""


def operand(x: Any, like: KerasTensor, *, name: str) -> Any:
    """A tensor or a plain constant that Keras operations accept.

    Args:
        x: a tensor, or a `ConstantInput`.
        like: a live tensor, from which a variable takes the zero that it is looked up with.
        name: the name of the node that uses it.
    """
    if not isinstance(x, ConstantInput):
        return x
    if x.origin is not None or x.size > MOST_IN_CONFIG:
        return parameter(x, like, name=name)
    numbers = constant(x)
    return numbers.reshape(()) if not like.shape and x.shape == () and isinstance(numbers, np.ndarray) else numbers


def operands(*values: Any, name: str) -> list[Any]:
    """The operands with constants resolved, for an operation on at least one live tensor; two can be broadcast."""
    live = next(v for v in values if isinstance(v, KerasTensor))
    found = [operand(value, live, name=name) for value in values]
    return list(within_reach(*found)) if len(found) == 2 else found


def index_operand(x: Any, like: KerasTensor, *, name: str) -> Any:
    """Indices as a tensor, or as an array to compute with where they are few and constant."""
    return x.numpy() if isinstance(x, ConstantInput) and x.size <= MOST_IN_CONFIG else operand(x, like, name=name)


def constant(weight: ConstantInput) -> Any:
    """The numbers themselves; a scalar as a Python number would lose its dtype, so only the usual ones become one."""
    array = weight.numpy()
    if array.ndim == 0 and weight.dtype in ("float32", "int64", "bool"):
        return array.item()
    return np.ascontiguousarray(array)


def parameter(weight: ConstantInput, like: KerasTensor, *, name: str) -> KerasTensor:
    """A weight without a natural layer: an Embedding with one row, looked up at a zero made from a live tensor."""
    zero = ops.zeros_like(first_elements(_before_convolution(like)), dtype="int32")
    if weight.take is not None:
        return _taken(weight.whole, weight.take, zero, name=name)
    return ops.reshape(lookup(weight, zero, name=name), weight.shape)


def _before_convolution(like: KerasTensor) -> KerasTensor:
    """What a convolution was given, in place of what it gives.

    TensorFlow adds a row to a convolution's result within the convolution; a row whose index is made from that result
    makes it wait for itself, and SavedModels stop: "5 nodes in a cycle".
    """
    operation = like._keras_history.operation
    return operation.input if isinstance(operation, BaseConv) and len(operation._inbound_nodes) == 1 else like


def _taken(whole: ConstantInput, take: Take, zero: KerasTensor, *, name: str) -> KerasTensor:
    """Rows of an Embedding, where it is rows that are taken; for other axes, of all of it at every call."""
    indices, places = take.indices.astype("int32"), f"{whole.name}.indices"
    if prod(whole.shape[: take.axis]) == 1:
        flat = _places(indices.reshape(-1), zero, name=places)
        return ops.reshape(lookup(whole, ops.add(zero, flat), rows=whole.shape[take.axis], name=name), take.shape)
    table = ops.reshape(lookup(whole, zero, name=name), whole.shape)
    return ops.reshape(ops.take(table, _places(indices, zero, name=places), axis=take.axis), take.shape)


def _places(indices: np.ndarray, zero: KerasTensor, *, name: str) -> Any:
    """Where to look: the numbers themselves while they are few; else an Embedding that is not trained holds them."""
    if indices.size <= MOST_IN_CONFIG:
        return indices
    kind = _exact_float(indices)
    layer = layers.Embedding(1, indices.size, "zeros", name=unique_name(name), dtype=kind, trainable=False)
    found = with_weights(layer, zero, embeddings=indices.reshape(1, -1).astype(kind))
    return ops.cast(ops.reshape(found, indices.shape), "int32")


def lookup(weight: ConstantInput, indices: KerasTensor, *, rows: int = 1, name: str) -> KerasTensor:
    """[n] indices → [n, size / rows]: rows of the weight; the whole of it, flat, once per zero."""
    layer_name = weight.name if weight.origin else f"{name}.constant"
    shape = (rows, weight.size // max(rows, 1))
    return embed(weight, indices, shape, is_weight=False, name=unique_name(layer_name))


def embed(
    weight: ConstantInput, indices: Any, shape: tuple[int, int], *, is_weight: bool = True, name: str
) -> KerasTensor:
    """An Embedding of `shape` with the numbers of the weight, looked up at the indices.

    Integers and booleans lie in it as floats, which hold them exactly: an Embedding asks for a gradient when it is
    built, trained or not, and PyTorch gives one to floats alone.
    """
    whole = (weight, (("reshape", shape),)) if weight.shape != shape else weight
    if weight.is_float:
        layer = layers.Embedding(*shape, "zeros", name=name, dtype=weight.dtype)
        return with_weights(layer, indices, is_weight=is_weight, embeddings=whole)
    layer = layers.Embedding(*shape, "zeros", name=name, dtype=_exact_float(weight.numpy()))
    return ops.cast(with_weights(layer, indices, is_weight=False, embeddings=whole), weight.dtype)


def _exact_float(array: np.ndarray) -> str:
    """A type of floats that holds these whole numbers exactly."""
    return "float32" if np.abs(array.astype("float64")).max(initial=0) <= 2**24 else "float64"


def first_elements(x: KerasTensor) -> KerasTensor:
    """[n, …] → [1]: the first element along every axis but one."""
    if not x.shape:
        return ops.reshape(x, (1,))
    if len(x.shape) <= MOST_SLICED_AXES:  # in one operation
        return x[(slice(0, 1), *(0,) * (len(x.shape) - 1))]
    return first_along(x, 0)[:1,]


def first_along(x: KerasTensor, axis: int) -> KerasTensor:
    """[…, n, …] → [n]: the first element along every other axis."""
    if len(x.shape) == 1:
        return x
    if len(x.shape) <= MOST_SLICED_AXES:
        return x[tuple(slice(None) if a == axis else 0 for a in range(len(x.shape)))]
    for other in reversed([a for a in range(len(x.shape)) if a != axis]):
        x = ops.take(x, 0, axis=other)
    return x
