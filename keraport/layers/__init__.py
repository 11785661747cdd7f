"""Layers for what plain Keras cannot say: registered, serialisable, in `keras.ops` alone, for every backend.

A model that needs one is opened after `import keraport.layers`, which imports Keras and nothing else: no torch, no
ONNX, nothing of the rest of keraport. Configurations hold numbers and names from a list, never code, and are checked
when a model is loaded; safe mode stays on.
"""

from __future__ import annotations

from keraport.layers.branches import If
from keraport.layers.computed_sizes import ComputedExpand, ComputedReshape
from keraport.layers.loop import Loop
from keraport.layers.noise import Noise
from keraport.layers.non_max_suppression import NonMaxSuppression

__all__ = ["ComputedExpand", "ComputedReshape", "If", "Loop", "Noise", "NonMaxSuppression"]
