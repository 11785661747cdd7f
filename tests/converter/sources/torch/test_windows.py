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
        x = self.patches(image).permute(0, 2, 3, 1)
        batch, height, width, _ = x.shape
        x = F.pad(x, (0, 0, 0, (WINDOW - width % WINDOW) % WINDOW, 0, (WINDOW - height % WINDOW) % WINDOW))
        rows, columns = x.shape[1] // WINDOW, x.shape[2] // WINDOW
        x = torch.roll(x, (-2, -2), (1, 2))
        x = x.view(batch, rows, WINDOW, columns, WINDOW, WIDTH).transpose(2, 3).reshape(-1, WINDOW**2, WIDTH)
        q, k, v = self.qkv(x).view(-1, WINDOW**2, 3, 2, WIDTH // 2).permute(2, 0, 3, 1, 4)
        x = self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, WINDOW**2, WIDTH))
        x = x.view(batch, rows, columns, WINDOW, WINDOW, WIDTH).transpose(2, 3)
        x = torch.roll(x.reshape(batch, rows * WINDOW, columns * WINDOW, WIDTH), (2, 2), (1, 2))
        return x[:, :height, :width].permute(0, 3, 1, 2)


def test_shifted_windows_of_open_images() -> None:
    conversion = converter.convert(Shifted().eval(), inputs=["image=float32[batch,3,h,w]"])
    assert conversion.verified
    names = [type(layer).__name__ for layer in conversion.model.operations]
    assert names.count("Roll") == 2
    assert {entry["layer"] for entry in conversion.report.custom_layers} == {"ComputedReshape"}
