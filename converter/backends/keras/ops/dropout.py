"""What is left out while training; in inference it does nothing."""

from __future__ import annotations

from typing import Any
from zlib import crc32

from keras import layers

from converter.backends.keras.build.registry import op

MOST_SEED = 0x7FFF_FFFF
"""On torch Keras (3.15) keeps the state of a seed as int32."""

SPATIAL = {3: layers.SpatialDropout1D, 4: layers.SpatialDropout2D, 5: layers.SpatialDropout3D}


@op("keraport::Dropout")
def dropout(x: Any, *, rate: float, noise: tuple[int, ...] | None = None, name: str) -> Any:
    """Numbers with the probability `rate`, the others over (1 - rate); along axes that are not in `noise` all alike.

    The seed goes by the name, so that a conversion gives the same file each time.
    """
    seed, rank = crc32(name.encode()) & MOST_SEED, len(x.shape)
    if noise is not None and tuple(noise) == (0, rank - 1) and rank in SPATIAL:
        return SPATIAL[rank](round(rate, 7), seed=seed, name=name, dtype=x.dtype)(x)
    shape = None if noise is None else [x.shape[axis] if axis in noise else 1 for axis in range(rank)]
    return layers.Dropout(round(rate, 7), noise_shape=shape, seed=seed, name=name, dtype=x.dtype)(x)
