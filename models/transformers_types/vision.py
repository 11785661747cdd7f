"""Images and videos in, classes or vectors out."""

from __future__ import annotations

from functools import partial

from models.transformers_types.small import VISION, Image, build

STAGES = {"image_size": 64, "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 4], "window_size": 4}
"""Of transformers that halve the image from stage to stage."""
VIDEO = {
    "image_size": 32, "num_frames": 4, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 64,
}  # fmt: skip
"""Of those that see a few pictures at once."""
beit = partial(build, Image, "BeitForImageClassification", **VISION, use_relative_position_bias=True)
convnext = partial(build, Image, "ConvNextForImageClassification", hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 2, 1])
deit = partial(build, Image, "DeiTForImageClassification", **VISION)
dinov2 = partial(build, Image, "Dinov2ForImageClassification", **{**VISION, "patch_size": 8}, mlp_ratio=2)
levit = partial(
    build,
    Image,
    "LevitForImageClassification",
    image_size=64,
    hidden_sizes=[32, 48, 64],
    num_attention_heads=[2, 3, 4],
    depths=[1, 1, 1],
    key_dim=[8, 8, 8],
)
mobilenet_v2 = partial(build, Image, "MobileNetV2ForImageClassification", image_size=64, depth_multiplier=0.35)
mobilevit = partial(
    build,
    Image,
    "MobileViTForImageClassification",
    image_size=64,
    hidden_sizes=[32, 40, 48],
    neck_hidden_sizes=[8, 16, 24, 32, 40, 48, 64],
)
regnet = partial(
    build,
    Image,
    "RegNetForImageClassification",
    embedding_size=16,
    hidden_sizes=[16, 32, 48, 64],
    depths=[1, 1, 2, 1],
    groups_width=16,
)
resnet = partial(
    build, Image, "ResNetForImageClassification", embedding_size=16, hidden_sizes=[32, 48, 64, 96], depths=[1, 1, 2, 1]
)
swin = partial(build, Image, "SwinForImageClassification", **STAGES)
swinv2 = partial(build, Image, "Swinv2ForImageClassification", **STAGES)
vit = partial(build, Image, "ViTForImageClassification", **VISION)
bit = partial(
    build,
    Image,
    "BitForImageClassification",
    embedding_size=16,
    hidden_sizes=[32, 48, 64, 96],
    depths=[1, 1, 2, 1],
    num_groups=8,
)
convnextv2 = partial(
    build, Image, "ConvNextV2ForImageClassification", hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 2, 1]
)
data2vec_vision = partial(
    build, Image, "Data2VecVisionForImageClassification", **VISION, use_relative_position_bias=True
)
dinov2_with_registers = partial(
    build, Image, "Dinov2WithRegistersForImageClassification", **{**VISION, "patch_size": 8}, mlp_ratio=2
)
dinov3_vit = partial(build, Image, "DINOv3ViTModel", **VISION)
dinov3_convnext = partial(build, Image, "DINOv3ConvNextModel", hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 2, 1])
efficientnet = partial(
    build,
    Image,
    "EfficientNetForImageClassification",
    image_size=64,
    width_coefficient=0.25,
    depth_coefficient=0.2,
    hidden_dim=320,
)
focalnet = partial(
    build,
    Image,
    "FocalNetForImageClassification",
    image_size=64,
    embed_dim=16,
    depths=[1, 1, 2, 1],
    hidden_sizes=[16, 32, 64, 128],
)
ijepa = partial(build, Image, "IJepaModel", **VISION)
mobilenet_v1 = partial(build, Image, "MobileNetV1ForImageClassification", image_size=64, depth_multiplier=0.25)
poolformer = partial(
    build, Image, "PoolFormerForImageClassification", hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1]
)
pvt = partial(
    build,
    Image,
    "PvtForImageClassification",
    image_size=64,
    hidden_sizes=[16, 32, 48, 64],
    depths=[1, 1, 1, 1],
    num_attention_heads=[1, 2, 3, 4],
)
pvt_v2 = partial(
    build, Image, "PvtV2ForImageClassification", image_size=64, hidden_sizes=[16, 32, 40, 64], depths=[1, 1, 1, 1]
)
swiftformer = partial(
    build, Image, "SwiftFormerForImageClassification", image_size=64, embed_dims=[16, 24, 32, 48], depths=[1, 1, 2, 1]
)
vit_msn = partial(build, Image, "ViTMSNForImageClassification", **VISION)
vitdet = partial(build, Image, "VitDetModel", **VISION)
vivit = partial(build, Image, "VivitForVideoClassification", **VIDEO, tubelet_size=[2, 16, 16])
videomae = partial(build, Image, "VideoMAEForVideoClassification", **VIDEO)
timesformer = partial(build, Image, "TimesformerForVideoClassification", **VIDEO)
mlcd = partial(build, Image, "MLCDVisionModel", **VISION)
siglip_vision = partial(build, Image, "SiglipVisionModel", **VISION)
clip_vision = partial(build, Image, "CLIPVisionModelWithProjection", **VISION, projection_dim=16)
donut_swin = partial(
    build, Image, "DonutSwinModel", image_size=64, embed_dim=16, depths=[1, 1], num_heads=[2, 4], window_size=4
)
