"""Windows of images of any size, padded, shifted and put back: the whole of a Swin block."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

import converter

WINDOW, WIDTH = 4, 16


class Shifted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches, self.qkv, self.out = (
            nn.Conv2d(3, WIDTH, 2, 2),
            nn.Linear(WIDTH, 3 * WIDTH),
            nn.Linear(WIDTH, WIDTH),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.before(self.patches(image).permute(0, 2, 3, 1))
        batch, height, width, _ = x.shape
        x = F.pad(x, (0, 0, 0, (WINDOW - width % WINDOW) % WINDOW, 0, (WINDOW - height % WINDOW) % WINDOW))
        rows, columns = x.shape[1] // WINDOW, x.shape[2] // WINDOW
        x = torch.roll(x, (-2, -2), (1, 2))
        x = x.view(batch, rows, WINDOW, columns, WINDOW, WIDTH).transpose(2, 3).reshape(-1, WINDOW**2, WIDTH)
        q, k, v = self.qkv(x).view(-1, WINDOW**2, 3, 2, WIDTH // 2).permute(2, 0, 3, 1, 4)
        x = self.out(
            F.scaled_dot_product_attention(q, k, v, self.mask(batch, rows, columns))
            .transpose(1, 2)
            .reshape(-1, WINDOW**2, WIDTH)
        )
        x = x.view(batch, rows, columns, WINDOW, WINDOW, WIDTH).transpose(2, 3)
        x = torch.roll(x.reshape(batch, rows * WINDOW, columns * WINDOW, WIDTH), (2, 2), (1, 2))
        return x[:, :height, :width].permute(0, 3, 1, 2)

    def before(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def mask(self, batch: int, rows: int, columns: int) -> torch.Tensor | None:
        return None


class Masked(Shifted):
    """As torchvision has it in its second stage: sizes are made even first, and shifted parts do not see each other."""

    def before(self, x: torch.Tensor) -> torch.Tensor:
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        return x[:, 0::2, 0::2] + x[:, 1::2, 1::2]

    def mask(self, batch: int, rows: int, columns: int) -> torch.Tensor | None:
        part = torch.zeros(rows * WINDOW, columns * WINDOW)
        cuts = ((0, -WINDOW), (-WINDOW, -2), (-2, None))
        for i, (top, bottom) in enumerate(cuts):
            for j, (left, right) in enumerate(cuts):
                part[top:bottom, left:right] = 3 * i + j
        part = part.view(rows, WINDOW, columns, WINDOW).permute(0, 2, 1, 3).reshape(rows * columns, WINDOW**2)
        apart = part.unsqueeze(1) != part.unsqueeze(2)
        return (
            torch.zeros_like(apart, dtype=torch.float32).masked_fill(apart, -100.0).unsqueeze(1).repeat(batch, 1, 1, 1)
        )


def test_shifted_windows_of_open_images() -> None:
    conversion = converter.convert(Shifted().eval(), inputs=["image=float32[batch,3,h,w]"])
    assert conversion.verified
    names = [type(layer).__name__ for layer in conversion.model.operations]
    assert names.count("Roll") == 2
    assert conversion.report.custom_layers == []


def test_masks_of_shifted_windows_of_open_images() -> None:
    conversion = converter.convert(Masked().eval(), inputs=["image=float32[batch,3,h,w]"])
    assert conversion.verified
    assert conversion.report.custom_layers == []
