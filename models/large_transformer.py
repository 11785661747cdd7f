"""A transformer of any size, to see what large models take: blocks of attention and a feed-forward net, and a head."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

HEADS = 16


class Block(nn.Module):
    """Attention and a feed-forward net, each behind a LayerNorm and beside a residual."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normed = self.norm1(x)
        parts = [part(normed).unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)]
        mixed = functional.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2)
        x = x + self.out(mixed)
        return x + self.down(functional.gelu(self.up(self.norm2(x))))


class Transformer(nn.Module):
    """`layers` blocks of `width`, and 10 numbers for each position."""

    def __init__(self, layers: int, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Block(width) for _ in range(layers))
        self.head = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


def build(layers: int = 48, width: int = 1504) -> Transformer:
    """48 layers of 1504 are 1.3 billion parameters, 5.2 GB in float32."""
    return Transformer(layers, width)
