"""A classifier of text, written for Keras by hand: an embedding, a GRU both ways, an LSTM, the mean over time."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers


def build(words: int = 80, width: int = 16, units: int = 12, classes: int = 4) -> Any:
    """The network. Input: ids, N×L. Output: N×`classes` scores."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = layers.Embedding(words, width, name="embedding")(ids)
    x = layers.Bidirectional(layers.GRU(units, return_sequences=True), name="both_ways")(x)
    x = layers.LSTM(units, return_sequences=True, name="forwards")(x)
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    x = layers.Dense(units, activation="relu", name="hidden")(x)
    return keras.Model(ids, layers.Dense(classes, name="scores")(x), name="text_classifier")
