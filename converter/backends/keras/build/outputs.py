"""The outputs of a model have the names of the source's: `model.output_names`, and the signatures of what is exported.

Keras calls an output after the operation that gives it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import onnx_ir as ir

from converter.backends.keras.build.dtypes import layer_dtype
from converter.backends.keras.build.names import LayerNames, layer_name, module_path
from keraport.layers import Noise


def name_outputs(
    outputs: list[ir.Value], tensors: dict[ir.Value, Any], names: LayerNames
) -> Iterator[tuple[ir.Value, Any]]:
    """The tensor of each output, from an operation that has the output's name.

    An operation without weights takes the name, where it is not one of a module of the source; behind others there is
    an Identity. Outputs for which no name is kept have that of their operation.
    """
    seen: set[int] = set()
    for value in outputs:
        tensor = _of_own_width(tensors[value], value, names)
        operation = tensor._keras_history.operation
        wanted = names.kept(value) or operation.name
        if id(operation) in seen:
            tensor = _identity(tensor, names.kept(value) or names.unique(wanted))
        elif operation.name != wanted and _is_nameless(operation, value):
            operation.name = wanted
        elif operation.name != wanted:
            tensor = _identity(tensor, wanted)
        seen.add(id(tensor._keras_history.operation))
        yield value, tensor


def _of_own_width(tensor: Any, value: ir.Value, names: LayerNames) -> Any:
    """An integer as wide as in the source: Keras computes int64 as int32 on PyTorch."""
    if value.dtype is None or not value.dtype.is_integer() or keras.backend.backend() == "tensorflow":
        return tensor
    wanted = value.dtype.numpy().name
    if tensor.dtype == wanted:
        return tensor
    operation = tensor._keras_history.operation
    if operation.name == names.kept(value) and _is_nameless(operation, value):  # the cast takes its name
        operation.name = names.unique(f"{operation.name}-narrow")
    return keras.ops.cast(tensor, wanted)


def _identity(tensor: Any, name: str) -> Any:
    return keras.layers.Identity(name=name, dtype=layer_dtype(tensor))(tensor)


def _is_nameless(operation: Any, value: ir.Value) -> bool:
    """Whether nobody looks for the operation by the name that it has."""
    if isinstance(operation, keras.Model | keras.layers.InputLayer | Noise):
        return False
    if not isinstance(operation, keras.layers.Layer):
        return True
    node = value.producer()
    of_module = node is not None and layer_name(node) == module_path(node) != ""
    return not operation.weights and not of_module
