"""The inputs and outputs of a conversion: how a tensor of the source relates to the one that Keras sees."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir

from passes.layout import PERMUTATION_KEY

Array = np.ndarray[Any, np.dtype[Any]]


WIDER: Mapping[str, str] = {
    **dict.fromkeys(("int2", "int4"), "int8"),
    **dict.fromkeys(("uint2", "uint4"), "uint8"),
    **dict.fromkeys(("float4_e2m1fn", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"), "float32"),
}
"""Numbers that Keras has not, by numpy's name, and those that hold all of them exactly, which a model takes."""


@dataclass(frozen=True)
class Port:
    """One input or output, in ONNX order.

    Attributes:
        name: as in ONNX.
        shape: in the source's order of axes; a name stands for a dynamic dimension.
        dtype: numpy's name for it, such as "float32" or "bfloat16".
        permutation: the axes p with keras_tensor = transpose(source_tensor, p); None where the order is the source's.
        keras_name: what the Keras model calls it; None before there is one. Characters that Keras forbids are `_`.
    """

    name: str
    shape: tuple[int | str, ...]
    dtype: str
    permutation: tuple[int, ...] | None = None
    keras_name: str | None = None

    @property
    def called(self) -> str:
        """The name by which a model is called with it: its own, the source's before there is one."""
        return self.keras_name or self.name

    def to_keras(self, array: Array) -> Array:
        array = array.astype(WIDER[self.dtype]) if self.dtype in WIDER else array
        return array if self.permutation is None else np.transpose(array, self.permutation)

    def to_source(self, array: Array) -> Array:
        if self.permutation is None or array.ndim != len(self.permutation):
            return array
        return np.transpose(array, np.argsort(self.permutation))

    def to_dict(self) -> dict[str, Any]:
        values = asdict(self)
        values["shape"] = list(self.shape)
        values["permutation"] = None if self.permutation is None else list(self.permutation)
        return values


def ports_of(values: Sequence[ir.Value]) -> list[Port]:
    """The inputs or outputs of a graph at any stage: the layout pass writes its permutations into their metadata."""
    return [_port(value) for value in values]


def _port(value: ir.Value) -> Port:
    shape = [size if isinstance(size, int) else str(size.value) for size in value.shape or ()]
    dtype = value.dtype.numpy().name if value.dtype is not None else "unknown"
    if PERMUTATION_KEY not in value.metadata_props:
        return Port(value.name or "", tuple(shape), dtype)
    permutation = tuple(json.loads(value.metadata_props[PERMUTATION_KEY]))
    return Port(value.name or "", tuple(shape[p] for p in np.argsort(permutation)), dtype, permutation)


def named(ports: Sequence[Port], names: Sequence[str], nameless: Collection[str] = ()) -> list[Port]:
    """The ports with the names that the model has for them, which are those of what is nameless in the source."""
    return [
        replace(port, name=name if port.name in nameless else port.name, keras_name=name)
        for port, name in zip(ports, names, strict=True)
    ]


def to_keras(ports: Sequence[Port], arrays: Sequence[Array]) -> list[Array]:
    """Arrays in the source's order of axes → what the Keras model takes."""
    return [port.to_keras(array) for port, array in zip(ports, arrays, strict=True)]


def to_source(ports: Sequence[Port], arrays: Sequence[Array]) -> list[Array]:
    """What the Keras model gives → arrays in the source's order of axes."""
    return [port.to_source(array) for port, array in zip(ports, arrays, strict=True)]
