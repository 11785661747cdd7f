"""open_clip: images and texts, brought together."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn

from models.other_zoos.small import build

TEXT: dict[str, Any] = {"context_length": 16, "vocab_size": 256, "width": 32, "heads": 4, "layers": 2}


class ImageAndText(nn.Module):
    def __init__(self, **vision: Any) -> None:
        super().__init__()
        vision = {"image_size": 64, "head_width": 16, **vision}
        self.model = build("open_clip", "CLIP", embed_dim=32, vision_cfg=vision, text_cfg=TEXT)

    def forward(self, image: torch.Tensor, text: torch.Tensor) -> Any:
        return self.model(image, text)


resnet = partial(ImageAndText, layers=[1, 1, 1, 1], width=16)
vit = partial(ImageAndText, layers=2, width=64, patch_size=16)
