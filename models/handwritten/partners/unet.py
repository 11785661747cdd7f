"""A U-Net in PyTorch."""

from __future__ import annotations

import torch
from torch import nn


class DoubleConv(nn.Sequential):
    def __init__(self, before: int, after: int) -> None:
        super().__init__(
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        )


class UNet(nn.Module):
    def __init__(self, width: int, depth: int, classes: int) -> None:
        super().__init__()
        widths = [width << level for level in range(depth + 1)]
        self.downs = nn.ModuleList(DoubleConv(a, b) for a, b in zip([3, *widths], widths, strict=False))
        self.ups = nn.ModuleList(nn.ConvTranspose2d(2 * each, each, 2, 2) for each in widths[:-1])
        self.decoders = nn.ModuleList(DoubleConv(2 * each, each) for each in widths[:-1])
        self.pool = nn.MaxPool2d(2)
        self.scores = nn.Conv2d(width, classes, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x, skips = self.downs[0](image), []
        for down in list(self.downs)[1:]:
            skips.append(x)
            x = down(self.pool(x))
        for up, decoder, skip in reversed(list(zip(self.ups, self.decoders, skips, strict=True))):
            x = decoder(torch.cat([skip, up(x)], dim=1))
        return self.scores(x)


def build(width: int = 8, depth: int = 2, classes: int = 3) -> nn.Module:
    return UNet(width, depth, classes)
