"""Sizes that keep their proportion, as Resize's keep_aspect_ratio_policy has it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def in_proportion(policy: str, before: Sequence[int], wanted: Sequence[int]) -> tuple[list[int], np.float32]:
    """All axes by the least ("not_larger"), or the greatest, scale that a wanted size asks for.

    Returns:
        the sizes, rounded half up, and the scale; in float32, as onnxruntime computes both.
    """
    scales = [np.float32(b) / np.float32(a) for a, b in zip(before, wanted, strict=True)]
    scale = min(scales) if policy == "not_larger" else max(scales)
    return [int(np.floor(np.float32(size) * scale + np.float32(0.5))) for size in before], scale
