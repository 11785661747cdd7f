"""affine_grid for an image of open size, as spatial transformers and rectifiers of text make it."""

from __future__ import annotations

from typing import Any

import torch


def affine_grid(theta: torch.Tensor, size: Any, align_corners: bool | None = None) -> Any:
    """Where each pixel of an image [n, c, h, w] looks, [n, h, w, 2]: theta [n, 2, 3] by (x, y, 1) from -1 to 1.

    The outermost pixels' centres are at -1 and 1 with align_corners; without, their outer edges.
    """
    if len(size) != 4 or not any(isinstance(edge, torch.SymInt) for edge in size):
        return NotImplemented
    height, width = size[2], size[3]
    x = _centres(width, bool(align_corners), theta)[None, :].expand(height, width)
    y = _centres(height, bool(align_corners), theta)[:, None].expand(height, width)
    places = torch.stack([x, y, torch.ones_like(x)], -1).reshape(1, height * width, 3)
    return torch.matmul(places, theta.transpose(1, 2)).reshape(-1, height, width, 2)


def _centres(count: Any, align_corners: bool, like: torch.Tensor) -> torch.Tensor:
    """(2i - (n - 1)) / (n - 1 or n): the one of one pixel is at 0."""
    whole = torch.sym_max(count - 1, 1) if align_corners else count
    centres: torch.Tensor = (2 * torch.arange(count, device=like.device) - (count - 1)).to(like.dtype) / whole
    return centres
