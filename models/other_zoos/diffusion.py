"""diffusers: what takes a step of a diffusion, and what makes images of its result."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn

from models.other_zoos.small import build

SMALL: dict[str, Any] = {"block_out_channels": (16, 32), "layers_per_block": 1, "norm_num_groups": 8}
CODED: dict[str, Any] = {
    **SMALL, "down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2
}  # fmt: skip
GUIDED: dict[str, Any] = {**SMALL, "in_channels": 4, "cross_attention_dim": 24, "attention_head_dim": 8}


class Tensors(nn.Module):
    """Without dicts around what comes out; its subclasses name what goes in."""

    def __init__(self, architecture: str, **arguments: Any) -> None:
        super().__init__()
        self.model = build("diffusers", architecture, **arguments)

    def call(self, *tensors: torch.Tensor) -> Any:
        found = self.model(*tensors, return_dict=False)
        return found[0] if len(found) == 1 else found


class Image(Tensors):
    def forward(self, image: torch.Tensor) -> Any:
        return self.call(image)


class Step(Tensors):
    def forward(self, sample: torch.Tensor, timestep: torch.Tensor) -> Any:
        return self.call(sample, timestep)


class LabelledStep(Tensors):
    def forward(self, sample: torch.Tensor, timestep: torch.Tensor, labels: torch.Tensor) -> Any:
        return self.call(sample, timestep, labels)


class GuidedStep(Tensors):
    """`states`: what a text says, a vector for each of its tokens."""

    def forward(self, sample: torch.Tensor, timestep: torch.Tensor, states: torch.Tensor) -> Any:
        return self.call(sample, timestep, states)


class PooledStep(Tensors):
    def forward(self, sample: torch.Tensor, states: torch.Tensor, pooled: torch.Tensor, timestep: torch.Tensor) -> Any:
        return self.call(sample, states, pooled, timestep)


class Control(Tensors):
    """What an image adds to each stage of a U-Net."""

    def forward(self, sample: torch.Tensor, timestep: torch.Tensor, states: torch.Tensor, image: torch.Tensor) -> Any:
        stages, middle = self.call(sample, timestep, states, image)
        return (*stages, middle)


autoencoder_kl = partial(Image, "AutoencoderKL", **CODED)
autoencoder_tiny = partial(
    Image, "AutoencoderTiny", encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8),
    num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1),
)  # fmt: skip
controlnet = partial(
    Control, "ControlNetModel", **GUIDED, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
    conditioning_embedding_out_channels=(8, 8),
)  # fmt: skip
dit = partial(
    LabelledStep, "DiTTransformer2DModel", num_attention_heads=4, attention_head_dim=8, in_channels=4, out_channels=4,
    num_layers=2, sample_size=16, patch_size=2, num_embeds_ada_norm=10, norm_num_groups=8,
)  # fmt: skip
sd3 = partial(
    PooledStep, "SD3Transformer2DModel", sample_size=16, patch_size=2, in_channels=4, num_layers=2,
    attention_head_dim=8, num_attention_heads=4, joint_attention_dim=24, caption_projection_dim=32,
    pooled_projection_dim=16, out_channels=4, pos_embed_max_size=16,
)  # fmt: skip
unet = partial(
    Step, "UNet2DModel", **SMALL, sample_size=16, in_channels=3, out_channels=3,
    down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
)  # fmt: skip
unet_condition = partial(
    GuidedStep, "UNet2DConditionModel", **GUIDED, sample_size=16, out_channels=4,
    down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
)  # fmt: skip
vq = partial(Image, "VQModel", **CODED, num_vq_embeddings=16)
