"""torchvision's ResNet-50 (v1.5: the stride is in the 3×3 convolution), written for Keras by hand."""

from __future__ import annotations

import keras
from keras import layers

BLOCKS = (3, 4, 6, 3)
WIDTHS = (64, 128, 256, 512)
EXPANSION = 4
EPSILON = 1e-5
MOMENTUM = 0.9


def build(classes: int = 1000) -> keras.Model:
    """The network. Input: N×H×W×3, channels last. Output: N×`classes` scores. Layers have torchvision's names."""
    image = keras.Input((None, None, 3), name="x")
    x = layers.ZeroPadding2D(3, name="pad1")(image)
    x = layers.Conv2D(64, 7, strides=2, use_bias=False, name="conv1")(x)
    x = _normalise(x, "bn1")
    x = layers.ReLU(name="relu")(x)
    x = layers.ZeroPadding2D(1, name="pad2")(x)  # what comes out of a ReLU is never below the zeros
    x = layers.MaxPooling2D(3, strides=2, name="maxpool")(x)
    for stage, (count, width) in enumerate(zip(BLOCKS, WIDTHS, strict=True), start=1):
        for block in range(count):
            x = _bottleneck(x, width, stride=2 if stage > 1 and block == 0 else 1, name=f"layer{stage}.{block}")
    x = layers.GlobalAveragePooling2D(name="avgpool")(x)
    return keras.Model(image, layers.Dense(classes, name="fc")(x), name="resnet50")


def _bottleneck(x: keras.KerasTensor, width: int, stride: int, name: str) -> keras.KerasTensor:
    y = layers.Conv2D(width, 1, use_bias=False, name=f"{name}.conv1")(x)
    y = layers.ReLU(name=f"{name}.relu1")(_normalise(y, f"{name}.bn1"))
    y = _convolve(y, width, stride, f"{name}.conv2")
    y = layers.ReLU(name=f"{name}.relu2")(_normalise(y, f"{name}.bn2"))
    y = layers.Conv2D(width * EXPANSION, 1, use_bias=False, name=f"{name}.conv3")(y)
    y = _normalise(y, f"{name}.bn3")
    if stride != 1 or x.shape[-1] != width * EXPANSION:
        x = layers.Conv2D(width * EXPANSION, 1, strides=stride, use_bias=False, name=f"{name}.downsample.0")(x)
        x = _normalise(x, f"{name}.downsample.1")
    return layers.ReLU(name=f"{name}.relu3")(layers.Add(name=f"{name}.add")([y, x]))


def _convolve(x: keras.KerasTensor, filters: int, stride: int, name: str) -> keras.KerasTensor:
    """3×3 with padding 1. With a stride that is not Keras `same`, which pads even sizes at the end only."""
    if stride == 1:
        return layers.Conv2D(filters, 3, padding="same", use_bias=False, name=name)(x)
    x = layers.ZeroPadding2D(1, name=f"{name}.pad")(x)
    return layers.Conv2D(filters, 3, strides=stride, use_bias=False, name=name)(x)


def _normalise(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, name=name)(x)
