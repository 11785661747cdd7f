"""A vision transformer, written for Keras by hand: `MultiHeadAttention`, and a layer for tokens and places."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

EPSILON = 1e-6


@keras.saving.register_keras_serializable("handwritten")
class ClassAndPosition(layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Puts a learned token before the patches, and adds a learned vector to each place. N×L×C → N×(L+1)×C."""

    def build(self, shape: tuple[int | None, int, int]) -> None:
        _, length, width = shape
        self.token = self.add_weight(shape=(1, 1, width), initializer="zeros", name="class_token")
        self.places = self.add_weight(shape=(1, length + 1, width), initializer="random_normal", name="positions")

    def call(self, patches: Any) -> Any:
        token = ops.broadcast_to(self.token, (ops.shape(patches)[0], 1, patches.shape[-1]))
        return ops.concatenate([token, patches], axis=1) + self.places


def build(size: int = 16, patch: int = 4, width: int = 32, depth: int = 2, heads: int = 4, classes: int = 5) -> Any:
    """The network. Input: N×size×size×3. Output: N×`classes` scores."""
    image = keras.Input((size, size, 3), name="image")
    x = layers.Conv2D(width, patch, strides=patch, name="patches")(image)
    x = layers.Reshape(((size // patch) ** 2, width))(x)
    x = ClassAndPosition(name="tokens")(x)
    for number in range(depth):
        x = _block(x, heads, f"block_{number}")
    x = layers.LayerNormalization(epsilon=EPSILON, name="norm")(x)
    return keras.Model(image, layers.Dense(classes, name="head")(x[:, 0]), name="vit")


def _block(x: Any, heads: int, name: str) -> Any:
    width = x.shape[-1]
    y = layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_norm_1")(x)
    x = x + layers.MultiHeadAttention(heads, width // heads, name=f"{name}_attention")(y, y)
    y = layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_norm_2")(x)
    y = layers.Dense(4 * width, activation="gelu", name=f"{name}_mlp_1")(y)
    return x + layers.Dense(width, name=f"{name}_mlp_2")(y)
