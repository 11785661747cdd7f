"""torchvision's detectors without their choice of boxes: both stages of the smallest, verified, in plain Keras."""

from __future__ import annotations

import functools

import pytest
import torch

import converter
from converter.zoo.manifests.manifest import read
from scripts.children import ROOT
from tests.zoo import needs

needs("torchvision")


def test_each_is_in_the_manifest() -> None:
    from models import torchvision_detectors

    made = {name for name, value in vars(torchvision_detectors).items() if isinstance(value, functools.partial)}
    assert len(made) == 8
    entries = read([ROOT / "models" / "torchvision.toml"], check_files=False)
    sources = {entry.source for entry in entries if entry.name.endswith(", networks")}
    assert sources == {f"models.torchvision_detectors:{name}" for name in made}


@pytest.mark.slow
def test_both_stages_are_verified() -> None:
    from models.torchvision_detectors import fasterrcnn_mobilenet_v3_large_320_fpn

    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = fasterrcnn_mobilenet_v3_large_320_fpn().eval()
    conversion = converter.convert(module, inputs=["image=float32[1,3,96,96]", "regions=float32[3,4]"])
    assert conversion.verified
    assert conversion.report.custom_layers == []
    assert conversion.report.operators["nhwc::RoiAlign"] == 2
