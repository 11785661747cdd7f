"""MONAI: images of two and three axes, channels first."""

from __future__ import annotations

from functools import partial
from typing import Any

from models.other_zoos.small import build

_monai = partial(build, "monai.networks.nets")

FLAT: dict[str, Any] = {"spatial_dims": 2, "in_channels": 1, "out_channels": 2}
SOLID: dict[str, Any] = {"spatial_dims": 3, "in_channels": 1, "out_channels": 2}
STEPS: dict[str, Any] = {"channels": (4, 8, 16), "strides": (2, 2)}
VOXELS: dict[str, Any] = {"in_channels": 1, "img_size": (32, 32, 32), "hidden_size": 32, "mlp_dim": 64, "num_heads": 4}

attention_unet = partial(_monai, "AttentionUnet", **FLAT, **STEPS)
autoencoder = partial(_monai, "AutoEncoder", **{**FLAT, "out_channels": 1}, channels=(4, 8), strides=(2, 2))
basic_unet = partial(_monai, "BasicUNet", **SOLID, features=(4, 4, 8, 8, 16, 4))
densenet = partial(_monai, "DenseNet121", **SOLID, init_features=8, growth_rate=4, block_config=(2, 2, 2))
dyn_unet = partial(
    _monai,
    "DynUNet",
    **FLAT,
    kernel_size=[3, 3, 3],
    strides=[1, 2, 2],
    upsample_kernel_size=[2, 2],
    filters=[8, 16, 32],
)  # fmt: skip
highresnet = partial(_monai, "HighResNet", **SOLID)
segresnet = partial(_monai, "SegResNet", **SOLID, init_filters=8)
swin_unetr = partial(_monai, "SwinUNETR", **FLAT, feature_size=12)
unet_2d = partial(_monai, "UNet", **FLAT, **STEPS, num_res_units=2)
unet_3d = partial(_monai, "UNet", **SOLID, **STEPS, num_res_units=2)
unetr = partial(_monai, "UNETR", **VOXELS, out_channels=2, feature_size=8)
vit = partial(_monai, "ViT", **VOXELS, patch_size=(16, 16, 16), num_layers=2)
vnet = partial(_monai, "VNet", **SOLID)
