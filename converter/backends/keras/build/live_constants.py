"""Constants that have to be tensors: outputs, and what an operation takes that Keras saves with tensors only."""

from __future__ import annotations

import numpy as np
from keras import KerasTensor, ops

from converter.backends.keras.build.operands import MOST_IN_CONFIG, first_elements, parameter
from converter.backends.keras.build.weights import ConstantInput


def live_constant(weight: ConstantInput, like: KerasTensor, *, name: str) -> KerasTensor:
    """A constant as a tensor of the model: a weight as a parameter, other numbers chosen whatever `like` is."""
    if weight.origin is not None or weight.size > MOST_IN_CONFIG:
        return parameter(weight, like, name=name)
    return live_numbers(weight.numpy(), like)


def live_numbers(array: np.ndarray, like: KerasTensor) -> KerasTensor:
    """A few numbers as a tensor of the model."""
    true = ops.ones_like(first_elements(like), dtype="bool")
    numbers = array.reshape(-1)
    return ops.reshape(ops.where(true, numbers, numbers), array.shape)
