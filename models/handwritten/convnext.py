"""A ConvNeXt, written for Keras by hand: 7×7 a channel, Dense layers on pixels, a learned scale for every block."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

EPSILON = 1e-6


@keras.saving.register_keras_serializable("handwritten")
class LayerScale(layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Multiplies every channel by a number of its own."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.gamma = self.add_weight(shape=(shape[-1],), initializer=keras.initializers.Constant(1e-6), name="gamma")

    def call(self, x: Any) -> Any:
        return x * self.gamma


def build(widths: tuple[int, ...] = (8, 16), depths: tuple[int, ...] = (2, 1), classes: int = 5) -> Any:
    """The network. Input: N×H×W×3. Output: N×`classes` scores."""
    image = keras.Input((None, None, 3), name="image")
    x = layers.Conv2D(widths[0], 4, strides=4, name="stem")(image)
    x = layers.LayerNormalization(epsilon=EPSILON, name="stem_norm")(x)
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        if stage:
            x = layers.LayerNormalization(epsilon=EPSILON, name=f"downsample_{stage}_norm")(x)
            x = layers.Conv2D(width, 2, strides=2, name=f"downsample_{stage}")(x)
        for number in range(depth):
            x = _block(x, f"stage_{stage}_block_{number}")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.LayerNormalization(epsilon=EPSILON, name="norm")(x)
    return keras.Model(image, layers.Dense(classes, name="head")(x), name="convnext")


def _block(x: Any, name: str) -> Any:
    width = x.shape[-1]
    y = layers.DepthwiseConv2D(7, padding="same", name=f"{name}_depthwise")(x)
    y = layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_norm")(y)
    y = layers.Dense(4 * width, activation="gelu", name=f"{name}_wide")(y)
    y = layers.Dense(width, name=f"{name}_narrow")(y)
    return x + LayerScale(name=f"{name}_scale")(y)
