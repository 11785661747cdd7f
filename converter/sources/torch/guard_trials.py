"""Whether a graph is wrong at sizes at which an assumption of its trace fails: tried, before it is said.

torch asserts what it needs to tell one shape from another, not only what the outcome depends on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from torch.utils import _pytree

from converter.sources.torch.call.examples import Call, resized
from converter.sources.torch.capture import Guard
from passes.errors import BadSource

CLOSE = 1e-4
"""The export is proven later; here another way through forward() is told from rounding."""


def is_needed(guard: Guard, module: torch.nn.Module, call: Call, model: ir.Model) -> bool:
    """Whether the module fails, or the graph computes something else, at any size that breaks the guard.

    Args:
        call: with which the module was exported.
        model: the exported graph.
    """
    from converter.proof.oracle import Oracle

    if not guard.breaking:
        return not guard.is_bound
    oracle: Oracle | None = None
    names = [value.name or "" for value in model.graph.inputs]
    for sizes in guard.breaking:
        other = resized(call, sizes)
        try:
            with torch.no_grad():
                outputs = module(*other.args, **other.kwargs)
        except Exception:  # noqa: BLE001 - whatever the user's forward raises
            if guard.is_bound:
                continue
            return True
        try:
            tensors = [value for value in other.values if isinstance(value, torch.Tensor)]
            feeds = {name: tensor.cpu().numpy() for name, tensor in zip(names, tensors, strict=True)}
            oracle = oracle or Oracle(model)
            found = oracle.run(feeds)
        except BadSource:
            return True
        if not are_close(outputs, found):
            return True
    return False


def are_close(outputs: Any, found: Sequence[np.ndarray]) -> bool:
    """Whether onnxruntime gives what a module gives, tensor by tensor, but for rounding."""
    expected = [leaf for leaf in _pytree.tree_leaves(outputs) if isinstance(leaf, torch.Tensor)]
    return len(expected) == len(found) and all(map(_is_close, expected, found))


def _is_close(truth: torch.Tensor, array: np.ndarray) -> bool:
    result = torch.from_numpy(array)
    return truth.shape == result.shape and _close(truth.cpu(), result)


def _close(a: torch.Tensor, b: torch.Tensor) -> bool:
    if not a.is_floating_point():
        return torch.equal(a, b.to(a.dtype))
    scale = float(a.abs().max()) if a.numel() else 0.0
    return torch.allclose(a.double(), b.double(), rtol=CLOSE, atol=CLOSE * max(scale, 1e-3), equal_nan=True)
