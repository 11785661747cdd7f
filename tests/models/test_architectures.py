"""Whole architectures with random weights: exported by us, converted, reloaded in plain Keras, equal to onnxruntime.

BatchNorm statistics are drawn too. There is no transpose in the emitted graph, not even for attention.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

import converter
from tests.zoo import needs

needs("torchvision", "timm")

MEGABYTE = 1 << 20

ALWAYS = (
    "torchvision:resnet18",
    "torchvision:squeezenet1_1",
    "timm:vit_tiny_patch16_224",
)
"""The small ones."""

MORE = (
    "torchvision:mobilenet_v3_small",
    "torchvision:swin_t",
    "torchvision:shufflenet_v2_x1_0",
    "torchvision:googlenet",
    "torchvision:regnet_y_400mf",
    "torchvision:convnext_tiny",
    "torchvision:resnet50",
    "torchvision:mobilenet_v2",
    "torchvision:densenet121",
    "torchvision:inception_v3",
    "torchvision:vgg11_bn",
    "torchvision:alexnet",
    "torchvision:vit_b_16",
    "torchvision:fcn_resnet50",
    "torchvision:lraspp_mobilenet_v3_large",
    "torchvision:deeplabv3_mobilenet_v3_large",
    "timm:tf_efficientnet_b0",
    "timm:repvgg_a0",
    "timm:hrnet_w18_small",
    "timm:nfnet_l0",
    "torchvision:mnasnet1_0",
    "timm:tf_mixnet_s",
    "timm:mobilenetv3_small_100",
    "timm:ghostnet_100",
    "torchvision:efficientnet_b0",
    "timm:resnest14d",
)
"""`make test-all`."""


@pytest.mark.parametrize("name", [*ALWAYS, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)])
def test_architecture(name: str, tmp_path: Path) -> None:
    output = tmp_path / "model.keras"
    conversion = converter.convert(name, output, random_weights=0)
    report = conversion.report
    assert conversion.verified
    assert {shape[0] for case in _cases(report) for shape in case["shape"].values()} == {1, 2, 3}
    assert report.transposes == 0
    assert _config_bytes(output) < MEGABYTE


def _cases(report: Any) -> list[dict[str, Any]]:
    return report.to_dict()["verification"]["cases"]


def _config_bytes(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        json.loads(archive.read("config.json"))
        return archive.getinfo("config.json").file_size
