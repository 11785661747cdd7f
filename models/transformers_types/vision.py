"""Images in; classes, boxes or a mask out."""

from __future__ import annotations

from torch import nn

from models.transformers_types.small import VISION, Image, build

STAGES = {"image_size": 64, "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 4], "window_size": 4}
"""Of transformers that halve the image from stage to stage."""


def beit() -> nn.Module:
    return build(Image, "BeitForImageClassification", **VISION, use_relative_position_bias=True)


def convnext() -> nn.Module:
    return build(Image, "ConvNextForImageClassification", hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 2, 1])


def deit() -> nn.Module:
    return build(Image, "DeiTForImageClassification", **VISION)


def dinov2() -> nn.Module:
    return build(Image, "Dinov2ForImageClassification", **{**VISION, "patch_size": 8}, mlp_ratio=2)


def levit() -> nn.Module:
    return build(
        Image, "LevitForImageClassification", image_size=64, hidden_sizes=[32, 48, 64], num_attention_heads=[2, 3, 4],
        depths=[1, 1, 1], key_dim=[8, 8, 8],
    )  # fmt: skip


def mobilenet_v2() -> nn.Module:
    return build(Image, "MobileNetV2ForImageClassification", image_size=64, depth_multiplier=0.35)


def mobilevit() -> nn.Module:
    return build(
        Image, "MobileViTForImageClassification", image_size=64, hidden_sizes=[32, 40, 48],
        neck_hidden_sizes=[8, 16, 24, 32, 40, 48, 64],
    )  # fmt: skip


def regnet() -> nn.Module:
    return build(
        Image, "RegNetForImageClassification", embedding_size=16, hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 2, 1],
        groups_width=16,
    )  # fmt: skip


def resnet() -> nn.Module:
    return build(
        Image, "ResNetForImageClassification", embedding_size=16, hidden_sizes=[32, 48, 64, 96], depths=[1, 1, 2, 1]
    )


def segformer() -> nn.Module:
    return build(
        Image, "SegformerForSemanticSegmentation", hidden_sizes=[16, 32, 40, 64], depths=[1, 1, 1, 1],
        decoder_hidden_size=32,
    )  # fmt: skip


def swin() -> nn.Module:
    return build(Image, "SwinForImageClassification", **STAGES)


def swinv2() -> nn.Module:
    return build(Image, "Swinv2ForImageClassification", **STAGES)


def vit() -> nn.Module:
    return build(Image, "ViTForImageClassification", **VISION)


def yolos() -> nn.Module:
    return build(Image, "YolosForObjectDetection", **{**VISION, "image_size": [64, 96]}, num_detection_tokens=10)
