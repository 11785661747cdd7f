"""How far every layer is from onnxruntime as errors flow, beside what onnxruntime's own rounding does: for the page.

Both are given in units of the value's greatest magnitude, so that layers can be compared with each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from converter.proof.compare import largest
from converter.proof.guilt.diff import Values, of_one_type
from converter.proof.noise import apart, nudged
from converter.proof.oracle import Oracle
from passes.errors import BadSource, operator

if TYPE_CHECKING:
    from converter.backends.keras.emitted import Emission

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class LayerError:
    """One layer, or operation, of the model.

    Attributes:
        layer, kind: its name and class in Keras.
        module, operator: the module of the source that it comes from, and the graph's operator.
        shape: of what it computes, axes as in Keras.
        parameters: how many numbers its variables hold.
        error: the greatest difference from onnxruntime, in units of the greatest magnitude; None where the shapes or
            dtypes differ already, or where there is nothing to compare.
        noise: the same for onnxruntime with its inputs rounded otherwise.
    """

    layer: str
    kind: str
    module: str
    operator: str
    shape: Sequence[int]
    parameters: int
    error: float | None
    noise: float | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def by_layer(final: ir.Model, emission: Emission, feeds: Mapping[str, Array]) -> list[LayerError]:
    """Every layer in the order in which the model computes; up to the one where Keras or onnxruntime stops.

    Args:
        final: the graph that the model was made of.
        feeds: one set of inputs, axes as in the source.
    """
    try:
        values = Values(final, feeds)
        otherwise = Oracle(final).values(nudged(values.inputs, 0))
    except BadSource:
        return []
    operations, counted = emission.operations, set[str]()
    found: dict[int, LayerError] = {}
    with suppress(Exception):  # Keras raises what it likes; the verification tells it
        for value, layer, module, _, array in emission.trace(list(values.inputs.values())):
            if value not in values.known or value not in values.nodes:
                continue
            operation = operations.get(layer)
            found[values.order[value]] = LayerError(
                layer,
                "" if operation is None else type(operation).__name__,
                module,
                operator(values.nodes[value]),
                list(array.shape),
                0 if layer in counted else _parameters(operation),
                _relative(values.known[value], array),
                _relative(values.known[value], otherwise[value]),
            )
            counted.add(layer)
    return [layer for _, layer in sorted(found.items())]


def _parameters(operation: Any) -> int:
    return sum(math.prod(variable.shape) for variable in getattr(operation, "weights", ()))


def _relative(reference: Array, array: Array) -> float | None:
    """None for what is no float, and where shapes differ."""
    array = of_one_type(reference, array)
    if reference.dtype.kind != "f" or reference.shape != array.shape or not reference.size:
        return None
    size = largest(np.abs(np.asarray(reference, np.float64)))
    difference = apart(reference, array)
    found = difference / size if size else difference
    return found if math.isfinite(found) else None
