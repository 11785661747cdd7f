"""Gradients of a converted model against the module's."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest
import torch
from torch import nn

import converter
from converter.errors import UsageError
from converter.proof import gradients
from converter.proof.gradients import compare_gradients
from converter.sources import load
from converter.weights.record import read_record
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


def test_what_differs_in_float32_is_computed_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Tied().eval()
    conversion = converter.convert(module, inputs="ids=int64[batch,6]", verify=False)
    source = load(module, inputs=["ids=int64[batch,6]"])
    told = (conversion._record, source, conversion.inputs, conversion.outputs)
    monkeypatch.setattr(gradients, "RTOL", 1e-11)
    monkeypatch.setattr(gradients, "ATOL", 1e-11)
    found = compare_gradients(conversion.model, *told)
    assert found.passed and found.precision == "float64"
    table = conversion.model.trainable_variables[0]
    table.assign(table * 1.001)
    wrong = compare_gradients(conversion.model, *told)
    assert not wrong.passed and wrong.precision == "float64"


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


def test_an_open_size_at_which_the_module_does_not_run(tmp_path: Path, keraport: Keraport) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv1d(1, 4, 40, 20), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten()).eval()
    told = ["x=float32[batch,1,time]"]
    conversion = converter.convert(module, inputs=told, verify=False)
    assert conversion.gradients_equal(module, inputs=told)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(6, 4, 2, batch_first=True, bidirectional=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rnn(x)[0]


def test_every_tensor_of_an_lstm_that_was_loaded_is_compared(tmp_path: Path) -> None:
    """Keras calls its variables otherwise then, and each is one of two directions, its bias the sum of two."""
    torch.manual_seed(0)
    module, told = Recurrent().eval(), ["x=float32[batch,5,6]"]
    conversion = converter.convert(module, tmp_path / "m.keras", inputs=told, verify=False)
    source, record = load(module, inputs=told), read_record(tmp_path / "m.keras")
    model = keras.models.load_model(tmp_path / "m.keras")
    found = compare_gradients(model, record, source, conversion.inputs, conversion.outputs)
    assert found.passed, found.reason
    assert (len(found.compared), found.skipped) == (16, {})
