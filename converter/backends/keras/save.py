"""A `.keras` file, written without a second copy of its weights in memory, and read without running code."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from unittest.mock import patch

import keras
import numpy as np
from keras.src.saving import saving_lib

from passes.errors import NotEquivalent, first_line

LARGE = 512 << 20
"""Bytes of weights from which on a copy of them matters."""

_ENOUGH = "is_memory_sufficient"
"""By which Keras (3.15) puts the file of the weights together in memory, or beside the archive where that is short."""


def save(model: keras.Model, path: Path) -> None:
    """Write the model, the weights of a large one variable by variable to the disk first."""
    with _beside() if _nbytes(model) > LARGE else nullcontext():
        model.save(path)


def _beside() -> AbstractContextManager[object]:
    """Keras' other way, where it has one: the file is the same."""
    return patch.object(saving_lib, _ENOUGH, lambda model: False) if hasattr(saving_lib, _ENOUGH) else nullcontext()


def _nbytes(model: keras.Model) -> int:
    return sum(math.prod(each.shape) * np.dtype(each.dtype).itemsize for each in model.variables)


def load_saved(path: Path) -> keras.Model:
    """A saved model, without anything that could run code.

    Raises:
        NotEquivalent: Keras does not load it.
    """
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises what it likes
        raise NotEquivalent(f"Keras does not load {str(path)!r}: {first_line(error)}") from error


def same_weights(model: keras.Model, file: Path) -> bool:
    """Whether a copy of the model that reads a `.weights.h5` file holds the same numbers, bit by bit."""
    copy = keras.models.model_from_json(model.to_json())
    copy.load_weights(file)
    return all(np.array_equal(a, b) for a, b in zip(model.get_weights(), copy.get_weights(), strict=True))
