"""An encoder of text like BERT, written for Keras by hand: three tables, norms behind the blocks, a mask, a pooler."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

EPSILON = 1e-12


@keras.saving.register_keras_serializable("handwritten")
class Positions(layers.Layer):  # type: ignore[misc]  # Keras has no types
    """A learned vector for each place. N×L×C → 1×L×C, to be added."""

    def __init__(self, length: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.length = length

    def build(self, shape: tuple[int | None, int | None, int]) -> None:
        self.table = self.add_weight(shape=(self.length, shape[-1]), initializer="random_normal", name="positions")

    def call(self, x: Any) -> Any:
        return self.table[None, : ops.shape(x)[1]]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "length": self.length}


def build(words: int = 60, length: int = 24, width: int = 32, depth: int = 2, heads: int = 4, classes: int = 3) -> Any:
    """The network. Inputs: ids, 1 for words and 0 for padding, segments, each N×L. Output: N×`classes` scores."""
    ids, mask, segments = (keras.Input((None,), dtype="int32", name=name) for name in ("ids", "mask", "segments"))
    x = layers.Embedding(words, width, name="word_embeddings")(ids)
    x = x + Positions(length, name="position_embeddings")(x)
    x = x + layers.Embedding(2, width, name="segment_embeddings")(segments)
    x = layers.LayerNormalization(epsilon=EPSILON, name="embeddings_norm")(x)
    seen = ops.cast(ops.expand_dims(mask, 1), "bool")
    for number in range(depth):
        x = _block(x, seen, heads, f"layer_{number}")
    pooled = layers.Dense(width, activation="tanh", name="pooler")(x[:, 0])
    return keras.Model([ids, mask, segments], layers.Dense(classes, name="classifier")(pooled), name="bert")


def _block(x: Any, seen: Any, heads: int, name: str) -> Any:
    width = x.shape[-1]
    y = layers.MultiHeadAttention(heads, width // heads, name=f"{name}_attention")(x, x, attention_mask=seen)
    x = layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_attention_norm")(x + y)
    y = layers.Dense(4 * width, activation="gelu", name=f"{name}_intermediate")(x)
    y = layers.Dense(width, name=f"{name}_output")(y)
    return layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_output_norm")(x + y)
