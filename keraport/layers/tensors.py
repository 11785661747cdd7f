"""Layers whose inputs are one tensor or several, and models that such layers hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


def as_list(tensors: Any) -> list[Any]:
    """What Keras hands over or gives back: a list where there are several."""
    return list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]


def called(model: keras.Model, tensors: Sequence[Any]) -> list[Any]:
    """The outputs of a model of one input or several."""
    return as_list(model(tensors if len(tensors) > 1 else tensors[0]))


def read_model(config: Any) -> Any:
    """The model of which a configuration holds the data; whatever is no data stays, to be refused."""
    return keras.saving.deserialize_keras_object(config) if isinstance(config, dict) else config
