"""Images with text."""

from __future__ import annotations

from functools import partial

from models.transformers_types.small import TEXT, VISION, ImageAndText, build

TWO = {
    "text_config": {**TEXT, "projection_dim": 32, "eos_token_id": 1},
    "vision_config": {**VISION, "projection_dim": 32},
}
"""A model for each, side by side."""
blip = partial(build, ImageAndText, "BlipForImageTextRetrieval", **TWO, image_text_hidden_size=32)
clip = partial(build, ImageAndText, "CLIPModel", **TWO, projection_dim=32)
siglip = partial(build, ImageAndText, "SiglipModel", **TWO)
vilt = partial(build, ImageAndText, "ViltModel", **TEXT, image_size=64, patch_size=16)
altclip = partial(
    build,
    ImageAndText,
    "AltCLIPModel",
    text_config={**TEXT, "project_dim": 32},
    vision_config=TWO["vision_config"],
    projection_dim=32,
)
