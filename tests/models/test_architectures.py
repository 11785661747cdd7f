"""Whole architectures with random weights: exported by us, converted, reloaded in plain Keras, equal to onnxruntime.

BatchNorm statistics are drawn too. The number of transposes in the emitted graph is pinned: none, not even for
attention.
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

TRANSPOSES = {
    "torchvision:resnet18": 0,
    "torchvision:resnet50": 0,
    "torchvision:mobilenet_v2": 0,
    "torchvision:mobilenet_v3_small": 0,
    "torchvision:efficientnet_b0": 0,
    "torchvision:densenet121": 0,
    "torchvision:shufflenet_v2_x1_0": 0,
    "torchvision:squeezenet1_1": 0,
    "torchvision:googlenet": 0,
    "torchvision:inception_v3": 0,
    "torchvision:mnasnet1_0": 0,
    "torchvision:vgg11_bn": 0,
    "torchvision:alexnet": 0,
    "torchvision:regnet_y_400mf": 0,
    "torchvision:convnext_tiny": 0,
    "torchvision:vit_b_16": 0,
    "torchvision:swin_t": 0,
    "torchvision:deeplabv3_mobilenet_v3_large": 0,
    "torchvision:fcn_resnet50": 0,
    "torchvision:lraspp_mobilenet_v3_large": 0,
    "timm:tf_efficientnet_b0": 0,
    "timm:tf_mixnet_s": 0,
    "timm:mobilenetv3_small_100": 0,
    "timm:repvgg_a0": 0,
    "timm:ghostnet_100": 0,
    "timm:hrnet_w18_small": 0,
    "timm:resnest14d": 0,
    "timm:nfnet_l0": 0,
    "timm:vit_tiny_patch16_224": 0,
}


@pytest.mark.parametrize("name", TRANSPOSES)
def test_architecture(name: str, tmp_path: Path) -> None:
    output = tmp_path / "model.keras"
    conversion = converter.convert(name, output, random_weights=0)
    report = conversion.report
    assert conversion.verified
    assert {shape[0] for case in _cases(report) for shape in case["shape"].values()} == {1, 2, 3}
    assert report.transposes == TRANSPOSES[name]
    assert _config_bytes(output) < MEGABYTE


def _cases(report: Any) -> list[dict[str, Any]]:
    return report.to_dict()["verification"]["cases"]


def _config_bytes(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        json.loads(archive.read("config.json"))
        return archive.getinfo("config.json").file_size
