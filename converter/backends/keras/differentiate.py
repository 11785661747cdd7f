"""Gradients of a model by its weights, on the backend that Keras runs on: Keras itself has no word for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops, tree

Array = np.ndarray[Any, np.dtype[Any]]


def gradients_of(model: keras.Model, inputs: Sequence[Array], factors: Sequence[Array]) -> dict[str, Array]:
    """The gradient of every trainable variable, by its path.

    Args:
        inputs: of the model, in order.
        factors: for each output, what its entries are multiplied by.
    """
    variables = list(model.trainable_variables)
    differentiate = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.backend.backend()]
    gradients = differentiate(model, variables, inputs if len(inputs) > 1 else inputs[0], factors)
    return {
        variable.path: np.zeros(variable.shape) if gradient is None else np.asarray(gradient)
        for variable, gradient in zip(variables, gradients, strict=True)
    }


def _number(results: Any, factors: Sequence[Array]) -> Any:
    """The sum of all floating-point outputs, each times its factors."""
    parts = [
        ops.sum(ops.multiply(ops.cast(result, "float32"), factor))
        for result, factor in zip(tree.flatten(results), factors, strict=True)
        if "float" in str(result.dtype)
    ]
    return sum(parts[1:], parts[0])


def _tensorflow(model: Any, variables: list[Any], inputs: Any, factors: Sequence[Array]) -> list[Any]:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        number = _number(model(inputs, training=False), factors)
    gradients = tape.gradient(number, [variable.value for variable in variables])
    return [None if gradient is None else tf.convert_to_tensor(gradient).numpy() for gradient in gradients]


def _jax(model: Any, variables: list[Any], inputs: Any, factors: Sequence[Array]) -> list[Any]:
    import jax

    others = [variable.value for variable in model.non_trainable_variables]

    def number(trainable: Any) -> Any:
        return _number(model.stateless_call(trainable, others, inputs, training=False)[0], factors)

    return list(jax.grad(number)([variable.value for variable in variables]))


def _torch(model: Any, variables: list[Any], inputs: Any, factors: Sequence[Array]) -> list[Any]:
    import torch

    number = _number(model(inputs, training=False), factors)
    gradients = torch.autograd.grad(number, [variable.value for variable in variables], allow_unused=True)
    return [None if gradient is None else gradient.detach().cpu().numpy() for gradient in gradients]
