"""Images with text."""

from __future__ import annotations

from torch import nn

from models.transformers_types.small import TEXT, VISION, ImageAndText, build

TWO = {
    "text_config": {**TEXT, "projection_dim": 32, "eos_token_id": 1},
    "vision_config": {**VISION, "projection_dim": 32},
}
"""A model for each, side by side."""


def blip() -> nn.Module:
    return build(ImageAndText, "BlipForImageTextRetrieval", **TWO, image_text_hidden_size=32)


def clip() -> nn.Module:
    return build(ImageAndText, "CLIPModel", **TWO, projection_dim=32)


def siglip() -> nn.Module:
    return build(ImageAndText, "SiglipModel", **TWO)


def vilt() -> nn.Module:
    return build(ImageAndText, "ViltModel", **TEXT, image_size=64, patch_size=16)
