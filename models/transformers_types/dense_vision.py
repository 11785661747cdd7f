"""Images in; boxes, depths, masks, points or larger images out."""

from __future__ import annotations

from functools import partial

from models.transformers_types.small import VISION, Image, build

RESNET = {
    "model_type": "resnet", "embedding_size": 16, "hidden_sizes": [32, 48, 64, 96], "depths": [1, 1, 1, 1],
    "out_features": ["stage4"],
}  # fmt: skip
SWIN = {
    "model_type": "swin", "image_size": 64, "embed_dim": 16, "depths": [1, 1, 1, 1], "num_heads": [2, 2, 4, 4],
    "window_size": 4, "out_features": ["stage1", "stage2", "stage3", "stage4"],
}  # fmt: skip
DETR = {
    "d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "num_queries": 10,
}  # fmt: skip
"""A detector's transformer, on a backbone like that."""

segformer = partial(
    build,
    Image,
    "SegformerForSemanticSegmentation",
    hidden_sizes=[16, 32, 40, 64],
    depths=[1, 1, 1, 1],
    decoder_hidden_size=32,
)
yolos = partial(build, Image, "YolosForObjectDetection", **{**VISION, "image_size": [64, 96]}, num_detection_tokens=10)
dab_detr = partial(
    build,
    Image,
    "DabDetrForObjectDetection",
    backbone_config=RESNET,
    use_timm_backbone=False,
    hidden_size=32,
    encoder_layers=1,
    decoder_layers=1,
    encoder_attention_heads=4,
    decoder_attention_heads=4,
    encoder_ffn_dim=64,
    decoder_ffn_dim=64,
    num_queries=10,
)
depth_anything = partial(
    build,
    Image,
    "DepthAnythingForDepthEstimation",
    backbone_config={
        "model_type": "dinov2",
        "hidden_size": 32,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": 56,
        "patch_size": 14,
        "out_indices": [1, 2, 3, 4],
        "apply_layernorm": True,
        "reshape_hidden_states": False,
    },
    reassemble_hidden_size=32,
    neck_hidden_sizes=[16, 16, 32, 32],
    fusion_hidden_size=16,
    head_hidden_size=16,
    patch_size=14,
)
glpn = partial(
    build, Image, "GLPNForDepthEstimation", hidden_sizes=[16, 32, 40, 64], depths=[1, 1, 1, 1], decoder_hidden_size=16
)
swin2sr = partial(
    build,
    Image,
    "Swin2SRForImageSuperResolution",
    image_size=32,
    embed_dim=16,
    depths=[2, 2],
    num_heads=[2, 2],
    window_size=4,
    num_channels=3,
)
vitmatte = partial(
    build,
    Image,
    "VitMatteForImageMatting",
    backbone_config={
        "model_type": "vitdet",
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 64,
        "num_channels": 4,
        "out_features": ["stage2"],
    },
    hidden_size=32,
    convstream_hidden_sizes=[8, 8, 16],
    fusion_hidden_sizes=[32, 16, 16, 8],
)
vitpose = partial(
    build,
    Image,
    "VitPoseForPoseEstimation",
    backbone_config={
        "model_type": "vitpose_backbone",
        "image_size": [64, 48],
        "patch_size": [16, 16],
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "out_features": ["stage2"],
    },
)
upernet = partial(
    build,
    Image,
    "UperNetForSemanticSegmentation",
    backbone_config={
        "model_type": "convnext",
        "hidden_sizes": [16, 32, 48, 64],
        "depths": [1, 1, 1, 1],
        "out_features": ["stage1", "stage2", "stage3", "stage4"],
    },
    hidden_size=32,
    use_auxiliary_head=False,
    auxiliary_in_channels=48,
)
maskformer = partial(
    build,
    Image,
    "MaskFormerForInstanceSegmentation",
    backbone_config=SWIN,
    decoder_config={"model_type": "detr", **DETR},
    fpn_feature_size=32,
    mask_feature_size=32,
)
mask2former = partial(
    build,
    Image,
    "Mask2FormerForUniversalSegmentation",
    backbone_config=SWIN,
    feature_size=32,
    mask_feature_size=32,
    hidden_dim=32,
    encoder_feedforward_dim=64,
    encoder_layers=1,
    decoder_layers=2,
    num_attention_heads=4,
    dim_feedforward=64,
    num_queries=10,
)
sam_vision = partial(
    build,
    Image,
    "SamVisionModel",
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    image_size=64,
    patch_size=16,
    output_channels=16,
    window_size=2,
    global_attn_indexes=[1],
)
detr = partial(build, Image, "DetrForObjectDetection", backbone_config=RESNET, use_timm_backbone=False, **DETR)
conditional_detr = partial(
    build, Image, "ConditionalDetrForObjectDetection", backbone_config=RESNET, use_timm_backbone=False, **DETR
)
table_transformer = partial(
    build, Image, "TableTransformerForObjectDetection", backbone_config=RESNET, use_timm_backbone=False, **DETR
)
