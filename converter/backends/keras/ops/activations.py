"""Activations: the native layer where Keras has it, with every parameter that differs passed."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers, ops

from converter.backends.keras.build.live_sizes import positions_on
from converter.backends.keras.build.operands import constant, operand
from converter.backends.keras.build.registry import op
from converter.backends.keras.build.weights import ConstantInput, with_weights
from converter.backends.keras.ops.normalization import decimal


@op("Relu")
def relu(x: Any, *, name: str) -> Any:
    return layers.ReLU(name=name, dtype=x.dtype)(x)


@op("Clip")
def clip(x: Any, low: Any = None, high: Any = None, *, name: str) -> Any:
    """min(max(x, low), high): with low > high ONNX gives high."""
    low, high = (constant(bound) if isinstance(bound, ConstantInput) else bound for bound in (low, high))
    if isinstance(low, float) and low == 0 and isinstance(high, float) and high > 0:
        return layers.ReLU(max_value=high, name=name, dtype=x.dtype)(x)
    if low is not None:
        x = ops.maximum(x, low)
    return x if high is None else ops.minimum(x, high)


@op("LeakyRelu")
def leaky_relu(x: Any, *, alpha: float = 0.01, name: str) -> Any:
    """The layer refuses a negative slope."""
    if alpha < 0:
        return ops.leaky_relu(x, negative_slope=decimal(alpha))
    return layers.LeakyReLU(negative_slope=decimal(alpha), name=name, dtype=x.dtype)(x)


@op("PRelu")
def prelu(x: Any, slope: Any, *, name: str) -> Any:
    """One slope per channel, per element or for all: axes along which the slope is 1 long are shared."""
    if not isinstance(slope, ConstantInput):
        return ops.add(ops.relu(x), ops.multiply(slope, ops.minimum(x, 0)))
    shape = (1,) * (len(x.shape) - len(slope.shape)) + slope.shape
    if shape[0] != 1 or (shape[-1] == 1 and x.shape[-1] != 1):
        return ops.add(ops.relu(x), ops.multiply(operand(slope, x, name=name), ops.minimum(x, 0)))
    shared = [axis for axis in range(1, len(shape)) if shape[axis] == 1]
    layer = layers.PReLU(shared_axes=shared or None, name=name, dtype=x.dtype)
    return with_weights(layer, x, alpha=(slope, (("reshape", shape[1:]),)))


@op("Elu")
def elu(x: Any, *, alpha: float = 1.0, name: str) -> Any:
    return layers.ELU(alpha=decimal(alpha), name=name, dtype=x.dtype)(x)


@op("Celu")
def celu(x: Any, *, alpha: float = 1.0, name: str) -> Any:
    return ops.celu(x, alpha=decimal(alpha))


@op("Gelu")
def gelu(x: Any, *, approximate: str = "none", name: str) -> Any:
    """The default of `ops.gelu` is the tanh form, that of ONNX the error function: always said."""
    if approximate == "none":
        return layers.Activation("gelu", name=name, dtype=x.dtype)(x)
    return ops.gelu(x, approximate=True)


@op("HardSigmoid")
def hard_sigmoid(x: Any, *, alpha: float = 0.2, beta: float = 0.5, name: str) -> Any:
    """clip(αx + β, 0, 1); Keras has α = 1/6, β = 1/2 only."""
    if np.float32(alpha) == np.float32(1 / 6) and beta == 0.5:
        return layers.Activation("hard_sigmoid", name=name, dtype=x.dtype)(x)
    return ops.clip(ops.add(ops.multiply(x, decimal(alpha)), decimal(beta)), 0.0, 1.0)


@op("Softmax")
def softmax(x: Any, *, axis: int = -1, name: str) -> Any:
    return layers.Softmax(axis=_last_as_minus_one(axis, x), name=name, dtype=x.dtype)(x)


@op("LogSoftmax")
def log_softmax(x: Any, *, axis: int = -1, name: str) -> Any:
    return ops.log_softmax(x, axis=axis)


@op("Hardmax")
def hardmax(x: Any, *, axis: int = -1, name: str) -> Any:
    """1 at the first maximum along the axis, 0 elsewhere."""
    place = positions_on(x, axis, len(x.shape))
    return ops.cast(ops.equal(ops.argmax(x, axis=axis, keepdims=True), place), x.dtype)


@op("ThresholdedRelu")
def thresholded_relu(x: Any, *, alpha: float = 1.0, name: str) -> Any:
    return ops.threshold(x, decimal(alpha), 0.0)


@op("Shrink")
def shrink(x: Any, *, bias: float = 0.0, lambd: float = 0.5, name: str) -> Any:
    below = ops.where(ops.less(x, -decimal(lambd)), ops.add(x, decimal(bias)), ops.zeros_like(x))
    return ops.where(ops.greater(x, decimal(lambd)), ops.subtract(x, decimal(bias)), below)


SELU = (1.6732632423543772, 1.0507009873554805)
"""α and γ of Klambauer et al. (2017), which Keras has built in."""


@op("Selu")
def selu(x: Any, *, alpha: float = SELU[0], gamma: float = SELU[1], name: str) -> Any:
    """γ·x above 0, γ·α·(eˣ − 1) below."""
    if (np.float32(alpha), np.float32(gamma)) == tuple(np.float32(number) for number in SELU):
        return layers.Activation("selu", name=name, dtype=x.dtype)(x)
    return ops.multiply(ops.elu(x, alpha=decimal(alpha)), decimal(gamma))


def _last_as_minus_one(axis: int, x: Any) -> int:
    return -1 if axis in (-1, len(x.shape) - 1) else axis


def _layer(function: str) -> Any:
    def activation(x: Any, *, name: str) -> Any:
        return layers.Activation(function, name=name, dtype=x.dtype)(x)

    return activation


for _operator, _function in {
    "HardSwish": "hard_silu", "Mish": "mish", "Sigmoid": "sigmoid", "Softplus": "softplus",
    "Softsign": "softsign", "Tanh": "tanh", "keraport::Silu": "silu",
}.items():  # fmt: skip
    op(_operator)(_layer(_function))
