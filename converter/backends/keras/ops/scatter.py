"""Scatters: updates written, or added, at indices."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from converter.backends.keras.build.live_sizes import positions_on
from converter.backends.keras.build.operands import index_operand, operand
from converter.backends.keras.build.registry import op
from converter.backends.keras.build.sums import add
from converter.backends.keras.build.weights import ConstantInput
from converter.backends.keras.ops.axes import known_product, one_open
from converter.backends.keras.ops.indexing import from_front
from passes.errors import Unsupported

REDUCTIONS = {"none": None, "add": "add", "mul": "mul", "max": "max", "min": "min"}


@op("ScatterND")
def scatter_nd(data: Any, indices: Any, updates: Any, *, reduction: str = "none", name: str) -> Any:
    """A copy of data in which data[i₀, i₁, …] is updates[…], for each of the last axis of the indices."""
    data, updates, where = _operands(data, indices, updates, name)
    depth = where.shape[-1]
    places = [from_front(where[..., position], data, position) for position in range(depth)]
    rows = one_open([known_product(where.shape[:-1]), *data.shape[depth:]])
    return _write(data, places, ops.reshape(updates, rows), reduction)


@op("ScatterElements")
def scatter_elements(
    data: Any, indices: Any, updates: Any, *, axis: int = 0, reduction: str = "none", name: str
) -> Any:
    """A copy of data in which data[…, indices[…, i, …], …] is updates[…, i, …]."""
    data, updates, where = _operands(data, indices, updates, name)
    rank = len(data.shape)
    zeros = ops.zeros_like(updates, dtype="int32")
    picked = ops.cast(from_front(where, data, axis), "int32")
    places = [add(zeros, picked if a == axis % rank else positions_on(updates, a, rank)) for a in range(rank)]
    return _write(data, places, ops.reshape(updates, (-1,)), reduction)


def _operands(data: Any, indices: Any, updates: Any, name: str) -> tuple[Any, Any, Any]:
    """Data and updates as tensors, the indices as a tensor or an array."""
    live = next(value for value in (data, updates, indices) if not isinstance(value, ConstantInput))
    if not data.shape or not indices.shape:
        raise Unsupported("A scatter into a single number is not converted.")
    data, updates = (operand(value, live, name=name) for value in (data, updates))
    return data, updates, index_operand(indices, live, name=name)


def _write(data: Any, places: list[Any], updates: Any, reduction: str) -> Any:
    """Rows of updates at the places, of which there is one list for each axis."""
    if reduction not in REDUCTIONS:
        raise Unsupported(f"A scatter with reduction={reduction!r} is not converted.")
    if all(isinstance(place, np.ndarray) for place in places):
        where: Any = np.stack(places, axis=-1).reshape(-1, len(places))
        where = ops.convert_to_tensor(where) if reduction == "mul" else where  # TensorFlow slices it in a loop
    else:
        where = ops.reshape(ops.stack(places, axis=-1), (-1, len(places)))
    return ops.scatter_update(data, where, updates, reduction=REDUCTIONS[reduction])
