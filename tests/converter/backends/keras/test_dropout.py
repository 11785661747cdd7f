"""Dropout and stochastic depth of a module: the layers, their rates and places, and what they leave out in training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn

import converter
from converter.processes.replay import Replay
from tests.zoo import needs


class DropPath(nn.Module):
    """As timm has it."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        keep = torch.bernoulli(torch.full((len(x), *[1] * (x.ndim - 1)), 1 - self.drop_prob))
        return x * keep / (1 - self.drop_prob)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.channels = nn.Dropout2d(0.25)
        self.depth = DropPath(0.5)
        self.never = nn.Dropout(0.0)
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.4), nn.Linear(8 * 36, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.channels(self.conv(x))
        y = nn.functional.dropout(self.never(y + self.depth(y.relu())), 0.1, self.training)
        return self.head(y)


SPEC = "x=float32[batch,3,6,6]"


def dropouts(model: Any) -> dict[str, Any]:
    return {layer.name: layer for layer in model._flatten_layers() if "Dropout" in type(layer).__name__}


def test_rates_and_places(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Net()
    hooks = len(module.depth._forward_hooks)
    conversion = converter.convert(module.eval(), tmp_path / "net.keras", inputs=[SPEC])
    assert conversion.verified and conversion.report.transposes == 0
    assert len(module.depth._forward_hooks) == hooks
    found = dropouts(keras.models.load_model(tmp_path / "net.keras"))
    assert {name: (type(layer).__name__, layer.rate) for name, layer in found.items()} == {
        "channels": ("SpatialDropout2D", 0.25),
        "depth": ("Dropout", 0.5),
        "dropout": ("Dropout", 0.1),
        "head-1": ("Dropout", 0.4),
    }
    assert tuple(found["depth"].noise_shape) == (None, 1, 1, 1)
    assert conversion.report.parameters == sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_file_loads_on_every_backend(backend: str, tmp_path: Path) -> None:
    """Names whose checksums are above and below 2³¹."""
    module = nn.Sequential(*(nn.Dropout(0.1) for _ in range(8)), nn.Linear(4, 2)).eval()
    conversion = converter.convert(module, tmp_path / "net.keras", inputs=["x=float32[batch,4]"])
    x = np.random.default_rng(0).random((2, 4), "float32")
    ((found,),) = Replay.warm(backend).run(tmp_path / "net.keras", [[x]])
    np.testing.assert_allclose(found, np.asarray(conversion.model(x)), rtol=1e-5, atol=1e-6)


def test_what_is_left_out_in_training() -> None:
    model = converter.convert(Net().eval(), inputs=[SPEC], verify=False).model
    found = dropouts(model)
    x = np.ones((64, 6, 6, 8), "float32")
    channels = np.asarray(found["channels"](x, training=True))
    assert np.ptp(channels, axis=(1, 2)).max() == 0 and set(np.unique(channels.round(4))) == {0.0, np.float32(1.3333)}
    depth = np.asarray(found["depth"](x, training=True))
    assert np.ptp(depth, axis=(1, 2, 3)).max() == 0 and set(np.unique(depth)) == {0.0, 2.0}
    single = np.asarray(found["dropout"](x, training=True))
    assert abs((single == 0).mean() - 0.1) < 0.02


def test_without() -> None:
    conversion = converter.convert(Net().eval(), inputs=[SPEC], dropout=False)
    assert conversion.verified and not dropouts(conversion.model)


def test_a_conversion_gives_the_same_seeds_each_time() -> None:
    first, second = (dropouts(converter.convert(Net().eval(), inputs=[SPEC], verify=False).model) for _ in range(2))
    assert [layer.get_config() for layer in first.values()] == [layer.get_config() for layer in second.values()]


def test_one_that_is_on_in_evaluation_stays_on() -> None:
    class Always(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.dropout(nn.functional.dropout(x, 0.3, self.training), 0.5, training=True)

    model = converter.convert(Always().eval(), inputs=["x=float32[batch,4]"], verify=False).model
    found = np.asarray(model(np.ones((500, 4), "float32")))
    assert set(np.unique(found)) == {0.0, 2.0} and 0.4 < (found > 0).mean() < 0.6


@pytest.mark.slow
def test_a_network_of_torchvision() -> None:
    needs("torchvision")
    conversion = converter.convert("torchvision:efficientnet_b0", random_weights=0, verify=False)
    found = dropouts(conversion.model)
    depths = [layer for name, layer in found.items() if name.endswith("stochastic_depth")]
    assert len(depths) == 9 and all(tuple(layer.noise_shape) == (None, 1, 1, 1) for layer in depths)
    assert found["classifier-0"].rate == 0.2 and conversion.report.transposes == 0
