"""A reader of lines of text (CRNN), written for Keras by hand: convolutions, two LSTMs both ways, scores a column."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

EPSILON = 1e-5


def build(height: int = 16, width: int = 8, units: int = 12, letters: int = 11) -> Any:
    """The network. Input: N×height×W×1. Output: N×(W/4)×`letters`, scores of each letter and of none."""
    image = keras.Input((height, None, 1), name="image")
    x = image
    for number, filters in enumerate((width, 2 * width)):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"conv_{number}")(x)
        x = layers.MaxPooling2D(2, name=f"pool_{number}")(x)
    x = layers.Conv2D(2 * width, 3, padding="same", use_bias=False, name="conv_2")(x)
    x = layers.ReLU(name="relu_2")(layers.BatchNormalization(epsilon=EPSILON, name="norm_2")(x))
    x = layers.MaxPooling2D((2, 1), name="pool_2")(x)
    x = layers.Permute((2, 1, 3), name="columns")(x)
    x = layers.Reshape((-1, height // 8 * 2 * width), name="flat")(x)
    for number in range(2):
        x = layers.Bidirectional(layers.LSTM(units, return_sequences=True), name=f"lstm_{number}")(x)
    return keras.Model(image, layers.Dense(letters, name="letters")(x), name="crnn")
