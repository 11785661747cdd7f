"""Gradients of a converted model against the module's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import converter
from converter.errors import UsageError
from converter.proof.gradients import Gradient, compare_gradients
from converter.sources import load
from tests.conftest import Keraport
from tests.harness import graph

SPEC = "x=float32[batch,3,12,12]"


def net() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5)]
    return nn.Sequential(*layers, nn.Linear(8, 5)).eval()


class Tied(nn.Module):
    """One parameter in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 8)
        self.head = nn.Linear(8, 20)
        self.head.weight = self.table.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.table(ids)))


def test_they_are_equal() -> None:
    conversion = converter.convert(net(), inputs=[SPEC], verify=False)
    found = compare_gradients(
        conversion.model, conversion._record, load(net(), inputs=[SPEC]), conversion.inputs, conversion.outputs
    )
    assert found.passed and not found.skipped
    assert {gradient.source for gradient in found.compared} == {name for name, _ in net().named_parameters()}


def test_a_tied_weight_has_the_sum() -> None:
    module = Tied().eval()
    conversion = converter.convert(module, inputs=["ids=int64[batch,6]"], verify=False)
    assert conversion.gradients_equal(module, inputs=["ids=int64[batch,6]"])


class Kinked(nn.Module):
    """A part of it counts where the sum is above 0, and float32 rounds it to 0."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(12, 64)
        self.last = nn.Linear(64, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        row = self.first(x)
        rounded = (row.square().sum(-1, keepdim=True) * 1e-12 + 1.0) - 1.0
        return self.last(row) + torch.relu(rounded) * 1e12


def test_the_uncertainty_is_measured_where_something_differs() -> None:
    torch.manual_seed(0)
    module = Kinked().eval()
    conversion = converter.convert(module, inputs="x=float32[batch,12]", verify=False)
    source = load(module, inputs=["x=float32[batch,12]"])
    told = (conversion._record, source, conversion.inputs, conversion.outputs)
    assert compare_gradients(conversion.model, *told).passed
    kernel = conversion.model.trainable_variables[0]
    kernel.assign(kernel * 1.5)
    found = {each.source: each for each in compare_gradients(conversion.model, *told).compared}
    assert found["first.weight"].uncertainty > found["first.weight"].allowed  # all of it hangs on the rounding
    assert found["last.weight"].uncertainty < found["last.weight"].allowed and not found["last.weight"].passed


def test_what_is_within_the_uncertainty_is_no_difference() -> None:
    assert Gradient("w", norm=10.0, apart=0.5, allowed=0.01, uncertainty=0.2).passed
    assert not Gradient("w", norm=10.0, apart=0.5, allowed=0.01, uncertainty=0.1).passed


def test_what_differs_is_named() -> None:
    conversion = converter.convert(net(), inputs=[SPEC], verify=False)
    kernel = conversion.model.trainable_variables[0]
    kernel.assign(kernel * 1.1)
    assert not conversion.gradients_equal(net(), inputs=[SPEC])


def test_a_file_has_none(tmp_path: Path) -> None:
    conversion = converter.convert(graph("g (float[batch, 4] x) => (float[batch, 4] y) { y = Relu(x) }"), verify=False)
    with pytest.raises(UsageError, match="a PyTorch module's"):
        conversion.gradients_equal(graph("g (float[batch, 4] x) => (float[batch, 4] y) { y = Relu(x) }"))


@pytest.mark.slow
def test_from_the_command_line(tmp_path: Path, keraport: Keraport) -> None:
    told = [
        "models.digits:build",
        "--checkpoint",
        "models/digits.safetensors",
        "--input",
        "image=float32[batch,1,8,8]",
    ]
    path = tmp_path / "digits.keras"
    assert keraport("convert", *told, "-o", path, "--verify", "quick").code == 0
    report = tmp_path / "r.json"
    ran = keraport("verify", path, *told, "--gradients", "--report", report)
    assert ran.code == 0, ran.err
    assert '"gradients": {' in report.read_text()
