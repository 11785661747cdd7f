"""Weights of a PyTorch model, by name, into a Keras model whose layers have the names of the modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras
import numpy as np
from keras import layers

Array = np.ndarray
Suffixes = Mapping[str, tuple[str, Callable[[Array], Array]]]


def _same(array: Array) -> Array:
    return array


BIAS = ("bias", _same)
SUFFIXES: Mapping[type[layers.Layer], Suffixes] = {
    layers.Conv2D: {"kernel": ("weight", lambda a: a.transpose(2, 3, 1, 0)), "bias": BIAS},
    # [C·m, 1, h, w] → [h, w, C, m]; only m = 1 occurs here
    layers.DepthwiseConv2D: {"kernel": ("weight", lambda a: a.transpose(2, 3, 0, 1)), "bias": BIAS},
    layers.Dense: {"kernel": ("weight", np.transpose), "bias": BIAS},
    layers.BatchNormalization: {
        "gamma": ("weight", _same),
        "beta": BIAS,
        "moving_mean": ("running_mean", _same),
        "moving_variance": ("running_var", _same),
    },
}


def set_weights(model: keras.Model, state: Mapping[str, Array]) -> None:
    """Give every variable of the model its number from a state_dict.

    Args:
        model: its layers have the names of the PyTorch modules.
        state: arrays by the names of a state_dict; more than are needed is no mistake.
    Raises:
        KeyError: a weight is not there.
        ValueError: a weight has another shape.
    """
    for layer in model.layers:
        for variable in layer.variables:
            suffix, change = SUFFIXES[type(layer)][variable.name]
            variable.assign(change(state[f"{layer.name}.{suffix}"]))
