"""Two models on the same held-out digits: the source in PyTorch, and the saved file in plain Keras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from converter.ports import Port


@dataclass(frozen=True)
class Score:
    """Digits shown, how many got the same prediction from both models, and the accuracy of each."""

    count: int
    equal: int
    source: float
    converted: float


def score(file: Path, inputs: Sequence[Port]) -> Score:
    """Load the .keras file as any program would, and compare its predictions with those of the trained PyTorch model.

    Args:
        file: what the conversion wrote.
        inputs: the conversion's: they say where the axes of an image went.
    """
    import keras
    import safetensors.torch
    import torch

    from models import digits

    images, labels = digits.held_out()
    source = digits.build().eval()
    source.load_state_dict(safetensors.torch.load_file(digits.CHECKPOINT), strict=False)  # it holds no step counters
    with torch.inference_mode():
        expected = source(torch.from_numpy(images)).numpy()
    model = keras.models.load_model(file)
    found = model.predict(inputs[0].to_keras(images), verbose=0)
    return Score(
        count=len(labels),
        equal=int(np.sum(np.argmax(expected, axis=1) == np.argmax(found, axis=1))),
        source=digits.accuracy(expected, labels),
        converted=digits.accuracy(found, labels),
    )
