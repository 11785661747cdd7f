"""What a report says of the layers that plain Keras has not, and why each is needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keraport.layers

REASONS: Mapping[str, str] = {
    "ComputedExpand": "a size that no tensor of the model has, and that joining and cutting does not make",
    "ComputedReshape": "more than one size follows from arithmetic, and Keras' Reshape leaves one open",
    "If": "Keras has no layer that computes one of two models, of other sizes, as a number says",
    "Loop": "Keras has no layer that takes as many turns as numbers, or open sizes, say",
    "Noise": "random numbers, which Keras' own layers draw in training only",
    "NonMaxSuppression": "Keras has no operation that keeps the best of overlapping boxes",
}
"""By the name of the class in `keraport.layers`."""


def is_custom(operation: Any) -> bool:
    """Whether it is a layer of `keraport.layers`."""
    return type(operation).__module__.startswith(keraport.layers.__name__)


def custom_layer(layer: Any, node: str | None, module: str | None) -> dict[str, str | None]:
    """An entry of `custom_layers` in a report: the layer is for that node, of that module."""
    kind = type(layer).__name__
    return {"layer": kind, "name": layer.name, "node": node, "module": module, "reason": REASONS[kind]}
