"""Images in; classes, boxes or a mask out."""

from __future__ import annotations

from functools import partial

from models.transformers_types.small import VISION, Image, build

STAGES = {"image_size": 64, "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 4], "window_size": 4}
"""Of transformers that halve the image from stage to stage."""
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
segformer = partial(
    build,
    Image,
    "SegformerForSemanticSegmentation",
    hidden_sizes=[16, 32, 40, 64],
    depths=[1, 1, 1, 1],
    decoder_hidden_size=32,
)
swin = partial(build, Image, "SwinForImageClassification", **STAGES)
swinv2 = partial(build, Image, "Swinv2ForImageClassification", **STAGES)
vit = partial(build, Image, "ViTForImageClassification", **VISION)
yolos = partial(build, Image, "YolosForObjectDetection", **{**VISION, "image_size": [64, 96]}, num_detection_tokens=10)
