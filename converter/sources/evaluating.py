"""Evaluation mode, in which modules may keep what they once computed from their weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def evaluating(module: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode inside; afterwards every submodule is in the mode it was in."""
    modes = [(child, child.training) for child in module.modules()]
    evaluate_anew(module)
    try:
        yield
    finally:
        for child, mode in modes:
            child.training = mode


def evaluate_anew(module: torch.nn.Module) -> None:
    """Evaluation mode by way of training mode: there LeViT's attention and its kin drop the tables they gathered.

    To be called after weights were changed in place: the tables would still be those of the weights before.
    """
    module.train()
    module.eval()
