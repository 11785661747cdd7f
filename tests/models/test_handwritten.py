"""The models that the bench measures against are torchvision's: equal outputs with the same weights."""

from __future__ import annotations

import importlib
import importlib.util

import numpy as np
import pytest
import torch

from converter.sources.torchvision_import import import_torchvision
from models.handwritten.weights import set_weights

pytestmark = pytest.mark.skipif(not importlib.util.find_spec("torchvision"), reason="torchvision is an optional extra")


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2"])
@pytest.mark.parametrize("size", [64, 75])
def test_equals_torchvision(name: str, size: int) -> None:
    torch.manual_seed(0)
    reference = getattr(import_torchvision().models, name)(weights=None).eval()
    for module in reference.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.2, 0.4)
            module.bias.data.normal_(std=0.2)
            module.running_mean.normal_(std=0.2)
            module.running_var.uniform_(0.5, 1.5)
    model = importlib.import_module(f"models.handwritten.{name}").build()
    set_weights(model, {key: value.numpy() for key, value in reference.state_dict().items()})
    images = torch.randn(2, 3, size, size)
    with torch.no_grad():
        expected = reference(images).numpy()
    found = np.asarray(model(images.permute(0, 2, 3, 1).numpy(), training=False))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 + 1e-4 * np.abs(expected).max())


def test_a_missing_weight_is_named() -> None:
    model = importlib.import_module("models.handwritten.mobilenet_v2").build(classes=2)
    with pytest.raises(KeyError, match=r"features\.0\.0\.weight"):
        set_weights(model, {})
