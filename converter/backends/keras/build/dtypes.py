"""Which element types Keras' layers and operations keep."""

from __future__ import annotations

from collections.abc import Iterable

import keras
import onnx_ir as ir

from converter.ports import WIDER
from passes.errors import Unsupported, describe

QUANTISATION = ("int8", "int4", "float8", "gptq", "awq")
"""Keras (3.15) reads these names, given as the dtype of a layer, as ways to quantise it."""


def has_policy(tensor: keras.KerasTensor) -> bool:
    """Whether a layer can be told that it computes with numbers of this type. Keras computes uint64 as uint32."""
    return not tensor.dtype.startswith(QUANTISATION) and tensor.dtype != "uint64"


def layer_dtype(tensor: keras.KerasTensor) -> str | None:
    """The dtype of a layer that keeps what it is given; None where a layer that says it could not be loaded again."""
    return tensor.dtype if has_policy(tensor) else None


def input_dtype(value: ir.Value) -> str:
    """The dtype of an input of the model: a wider one for numbers that Keras does not know.

    Raises:
        Unsupported: text, or a type that no wider one holds.
    """
    name = "float32" if value.dtype is None else value.dtype.numpy().name
    try:
        return str(keras.backend.standardize_dtype(WIDER.get(name, name)))
    except ValueError as error:
        told = "" if value.dtype is None else value.dtype.name.lower()
        raise Unsupported(
            f"The input {value.name!r} is of type {told}, which Keras has not.",
            hint="Keras models compute with numbers.",
        ) from error


def check_integers(node: ir.Node, results: Iterable[keras.KerasTensor]) -> None:
    """Refuse a node whose integers Keras computes with fewer bits than the source.

    On JAX and PyTorch it computes all int64 as int32 (3.15), positions and lengths among them: there the proof decides.

    Raises:
        Unsupported: naming the node.
    """
    for value, result in zip(node.outputs, results, strict=False):
        if value.dtype is None or not value.dtype.is_integer():
            continue
        wanted, bits = value.dtype.numpy(), str(result.dtype).partition("int")[2]
        if value.dtype == ir.DataType.INT64 and bits == "32" and keras.backend.backend() != "tensorflow":
            continue
        if bits and value.dtype.bitwidth > int(bits):
            raise Unsupported(f"Keras computes numbers of type {wanted} as {result.dtype} here.", node=describe(node))
