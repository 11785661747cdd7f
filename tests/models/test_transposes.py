"""Attention in windows, with rotary embeddings, by cosine: no axis is moved for it."""

from __future__ import annotations

import pytest

import converter
from tests.zoo import needs

needs("torchvision", "timm")

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "name",
    [
        "torchvision:maxvit_t",
        "torchvision:swin_t",
        "torchvision:swin_v2_t",
        "timm:eva02_tiny_patch14_224",
        "timm:edgenext_xx_small",
        "timm:test_coatnet",
    ],
)
def test_no_transposes(name: str) -> None:
    assert converter.convert(name, random_weights=0, verify=False).report.transposes == 0
