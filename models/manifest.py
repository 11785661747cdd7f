"""What the project is verified on: architectures by name, and trained checkpoints with their builders and inputs.

scripts/verify_models.py converts them and writes docs/verified.json, which the README's table is made of.
"""

from __future__ import annotations

from dataclasses import dataclass

SEED = 0
"""Of the random weights of architectures. BatchNorm statistics are drawn as well."""

ARCHITECTURES = (
    "torchvision:resnet18",
    "torchvision:resnet50",
    "torchvision:mobilenet_v2",
    "torchvision:mobilenet_v3_small",
    "torchvision:efficientnet_b0",
    "torchvision:densenet121",
    "torchvision:shufflenet_v2_x1_0",
    "torchvision:squeezenet1_1",
    "torchvision:googlenet",
    "torchvision:inception_v3",
    "torchvision:mnasnet1_0",
    "torchvision:vgg11_bn",
    "torchvision:alexnet",
    "torchvision:regnet_y_400mf",
    "torchvision:convnext_tiny",
    "torchvision:vit_b_16",
    "torchvision:swin_t",
    "torchvision:deeplabv3_mobilenet_v3_large",
    "torchvision:fcn_resnet50",
    "torchvision:lraspp_mobilenet_v3_large",
    "timm:tf_efficientnet_b0",
    "timm:tf_mixnet_s",
    "timm:mobilenetv3_small_100",
    "timm:repvgg_a0",
    "timm:ghostnet_100",
    "timm:hrnet_w18_small",
    "timm:resnest14d",
    "timm:nfnet_l0",
    "timm:vit_tiny_patch16_224",
)


@dataclass(frozen=True)
class Trained:
    """A trained model from a public repository.

    Attributes:
        name: what the tables call it.
        file: its checkpoint or .onnx file.
        factory: what builds the model that the checkpoint belongs to; none for an .onnx file.
        inputs: as `--input` takes them.
    """

    name: str
    file: str
    factory: str = ""
    inputs: tuple[str, ...] = ()


DIGITS = "models/digits.safetensors"
CIFAR = ("x=float32[batch,3,32,32]",)

TRAINED = (
    Trained("digits (ships with keraport)", DIGITS, "models.digits:build", ("image=float32[batch,1,8,8]",)),
    Trained("CIFAR-10 ResNet-20", "resnet20-12fca82f.th", "models.cifar_resnet:resnet20", CIFAR),
    Trained("CIFAR-10 ResNet-56", "resnet56-4bfd9763.th", "models.cifar_resnet:resnet56", CIFAR),
    Trained("MTCNN P-Net, any image size", "pnet.pt", "models.mtcnn:pnet", ("x=float32[batch,3,height,width]",)),
    Trained("MTCNN R-Net", "rnet.pt", "models.mtcnn:rnet", ("x=float32[batch,3,24,24]",)),
    Trained("Ultra-Light-Fast RFB-320, opset 9", "version-RFB-320.onnx"),
    Trained("YuNet, opset 11", "yunet_n_320_320.onnx"),
)  # fmt: skip
