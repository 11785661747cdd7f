"""A `.keras` file written without a second copy of its weights in memory."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from unittest.mock import patch

import keras
import numpy as np
from keras.src.saving import saving_lib

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
