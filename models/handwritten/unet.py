"""A U-Net, written for Keras by hand: two convolutions a level, transposed convolutions back up, skips concatenated."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

EPSILON = 1e-5


def build(width: int = 8, depth: int = 2, classes: int = 3) -> Any:
    """The network. Input: N×H×W×3, sizes that 2^`depth` divides. Output: N×H×W×`classes` scores."""
    image = keras.Input((None, None, 3), name="image")
    x, skips = image, []
    for level in range(depth):
        x = _twice(x, width << level, f"down_{level}")
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"pool_{level}")(x)
    x = _twice(x, width << depth, "bottom")
    for level in reversed(range(depth)):
        x = layers.Conv2DTranspose(width << level, 2, strides=2, name=f"up_{level}")(x)
        x = layers.Concatenate(name=f"skip_{level}")([skips[level], x])
        x = _twice(x, width << level, f"decode_{level}")
    return keras.Model(image, layers.Conv2D(classes, 1, name="scores")(x), name="unet")


def _twice(x: Any, filters: int, name: str) -> Any:
    for part in ("a", "b"):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_conv_{part}")(x)
        x = layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_norm_{part}")(x)
        x = layers.ReLU(name=f"{name}_relu_{part}")(x)
    return x
