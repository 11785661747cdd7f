"""segmentation_models_pytorch: a backbone, and a decoder that gives a class to every pixel."""

from __future__ import annotations

from functools import partial

from models.other_zoos.small import build

_smp = partial(build, "segmentation_models_pytorch", encoder_weights=None)

unet = partial(_smp, "Unet", encoder_name="resnet18")
unet_efficientnet = partial(_smp, "Unet", encoder_name="efficientnet-b0")
unet_mobilenet = partial(_smp, "Unet", encoder_name="mobilenet_v2")
unet_mix_transformer = partial(_smp, "Unet", encoder_name="mit_b0")
# Channels and places are weighted after each step of the decoder.
unet_scse = partial(_smp, "Unet", encoder_name="resnet18", decoder_attention_type="scse")
unet_plus_plus = partial(_smp, "UnetPlusPlus", encoder_name="resnet18")
manet = partial(_smp, "MAnet", encoder_name="resnet18")
linknet = partial(_smp, "Linknet", encoder_name="resnet18")
fpn = partial(_smp, "FPN", encoder_name="resnet18")
pspnet = partial(_smp, "PSPNet", encoder_name="resnet18")
pan = partial(_smp, "PAN", encoder_name="resnet18")
deeplab_v3 = partial(_smp, "DeepLabV3", encoder_name="resnet18")
deeplab_v3_plus = partial(_smp, "DeepLabV3Plus", encoder_name="resnet18")
upernet = partial(_smp, "UPerNet", encoder_name="resnet18")
segformer = partial(_smp, "Segformer", encoder_name="resnet18")
