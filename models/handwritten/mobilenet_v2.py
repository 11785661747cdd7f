"""torchvision's MobileNetV2, written for Keras by hand."""

from __future__ import annotations

import keras
from keras import layers

INVERTED_RESIDUALS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Rows of table 2 in Sandler et al., 2018: expansion, channels, blocks, stride of the first block."""

EPSILON = 1e-5
MOMENTUM = 0.9


def build(classes: int = 1000) -> keras.Model:
    """The network. Input: N×H×W×3, channels last. Output: N×`classes` scores. Layers have torchvision's names."""
    image = keras.Input((None, None, 3), name="x")
    x = layers.ZeroPadding2D(1, name="features.0.pad")(image)
    x = layers.Conv2D(32, 3, strides=2, use_bias=False, name="features.0.0")(x)
    x = _activate(_normalise(x, "features.0.1"), "features.0.2")
    index = 1
    for expansion, channels, blocks, stride in INVERTED_RESIDUALS:
        for block in range(blocks):
            x = _inverted_residual(x, expansion, channels, stride if block == 0 else 1, f"features.{index}")
            index += 1
    x = layers.Conv2D(1280, 1, use_bias=False, name=f"features.{index}.0")(x)
    x = _activate(_normalise(x, f"features.{index}.1"), f"features.{index}.2")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(classes, name="classifier.1")(x), name="mobilenet_v2")


def _inverted_residual(
    x: keras.KerasTensor, expansion: int, channels: int, stride: int, name: str
) -> keras.KerasTensor:
    """1×1 that widens, 3×3 per channel, 1×1 that narrows; the parts are numbered as in torchvision."""
    y, part = x, 0
    if expansion != 1:
        y = layers.Conv2D(x.shape[-1] * expansion, 1, use_bias=False, name=f"{name}.conv.0.0")(y)
        y = _activate(_normalise(y, f"{name}.conv.0.1"), f"{name}.conv.0.2")
        part = 1
    y = _depthwise(y, stride, f"{name}.conv.{part}.0")
    y = _activate(_normalise(y, f"{name}.conv.{part}.1"), f"{name}.conv.{part}.2")
    y = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}.conv.{part + 1}")(y)
    y = _normalise(y, f"{name}.conv.{part + 2}")
    return layers.Add(name=f"{name}.add")([x, y]) if stride == 1 and x.shape[-1] == channels else y


def _depthwise(x: keras.KerasTensor, stride: int, name: str) -> keras.KerasTensor:
    """3×3 with padding 1. With a stride that is not Keras `same`, which pads even sizes at the end only."""
    if stride == 1:
        return layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=name)(x)
    x = layers.ZeroPadding2D(1, name=f"{name}.pad")(x)
    return layers.DepthwiseConv2D(3, strides=stride, use_bias=False, name=name)(x)


def _normalise(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, name=name)(x)


def _activate(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.ReLU(max_value=6.0, name=name)(x)
