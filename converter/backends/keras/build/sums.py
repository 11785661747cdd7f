"""Sums that broadcast, in spite of a fault in Keras.

On TensorFlow, `keras.ops.add(a, b)` (3.15) takes b for the bias of a layer when all but one of its axes have size 1 and
that one is as long as the first or the last axis after the batch of a. Wherever it lies, it is then added along that
axis: [2, 2] + [[0], [1]] comes out as [2, 2] + [0, 1]. Since sizes are looked at when the model runs, a [B, 1, 1] of a
batch of 4 is added along the channels of a [B, 4, 5].
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops


def add(a: Any, b: Any) -> Any:
    """a + b, both tensors, arrays or numbers, in whatever way they broadcast."""
    if is_safe(a, b):
        return ops.add(a, b)
    if is_safe(b, a):
        return ops.add(b, a)
    return ops.subtract(a, -b if isinstance(b, np.ndarray) else ops.negative(b))


def is_safe(a: Any, b: Any) -> bool:
    """Whether Keras adds b where it belongs, whatever the sizes that are still open turn out to be."""
    to, added = _shape(a), _shape(b)
    if to == added or sum(size not in (None, 1) for size in added) > 1 or all(size == 1 for size in added):
        return True
    if len(to) < 2:
        return True
    if len(added) <= len(to) and added[-1] not in (None, 1) and added[-1] == to[-1]:
        return True  # it is a bias, or has two axes longer than 1
    looked_at = (to[1], to[-1])
    return None not in added and None not in looked_at and not any(n != 1 and n in looked_at for n in added)


def _shape(x: Any) -> tuple[int | None, ...]:
    return tuple(getattr(x, "shape", ()))
