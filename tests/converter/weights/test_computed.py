"""Weights that a conversion has computed: a sum is parted again, and what has become stale is never written."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import onnx_ir as ir
import pytest
import torch
from safetensors.torch import load_file, save_file

import converter
from converter.weights.archive import read_variables, write_variables
from converter.weights.record import read_record
from tests.conftest import Keraport
from tests.harness import graph

SPEC = "x=float32[batch,5,6]"


class Recurrent(torch.nn.Module):
    def __init__(self, kind: type[torch.nn.RNNBase]) -> None:
        super().__init__()
        self.rnn = kind(6, 4, 2, batch_first=True, bidirectional=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rnn(x)[0]


def converted(module: torch.nn.Module, path: Path) -> Path:
    converter.convert(module.eval(), path, inputs=[SPEC], verify=False)
    return path


def shifted(model: Path, target: Path) -> Path:
    """Fine-tuned, as it were: every variable that is told of is another."""
    record = read_record(model)
    values = read_variables(model, record.told, record.order)
    write_variables(model, {path: array + np.float32(0.5) for path, array in values.items()}, target, {}, record.order)
    return target


@pytest.mark.parametrize("zero", [False, True])
def test_an_lstm_goes_there_and_back(tmp_path: Path, keraport: Keraport, zero: bool) -> None:
    torch.manual_seed(0)
    first, second = Recurrent(torch.nn.LSTM), Recurrent(torch.nn.LSTM)
    if zero:  # as a checkpoint is that comes from a framework with one bias
        for name, tensor in first.state_dict().items():
            tensor.mul_("bias_hh" not in name)
    model = converted(first, tmp_path / "m.keras")
    save_file(second.state_dict(), tmp_path / "second.safetensors")
    ran = keraport(
        "weights", "load", model, "--checkpoint", tmp_path / "second.safetensors", "-o", tmp_path / "n.keras"
    )
    assert ran.code == 0, ran.err
    x = torch.randn(3, 5, 6)
    given = keras.models.load_model(tmp_path / "n.keras").predict(x.numpy(), verbose=0)
    np.testing.assert_allclose(given, second(x).detach().numpy(), atol=1e-5)
    ran = keraport("weights", "export", tmp_path / "n.keras", "-o", tmp_path / "back.safetensors")
    assert ran.code == 0 and "cannot be told" not in ran.out, ran.out + ran.err
    back = load_file(tmp_path / "back.safetensors")
    assert back.keys() == second.state_dict().keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in second.state_dict().items())


def test_an_lstm_that_was_trained_computes_the_same_in_torch(tmp_path: Path, keraport: Keraport) -> None:
    torch.manual_seed(1)
    module = Recurrent(torch.nn.LSTM)
    model = converted(module, tmp_path / "m.keras")
    tuned = shifted(model, tmp_path / "t.keras")
    assert keraport("weights", "export", tuned, "--record", model, "-o", tmp_path / "t.safetensors").code == 0
    module.load_state_dict(load_file(tmp_path / "t.safetensors"))
    x = torch.randn(3, 5, 6)
    given = keras.models.load_model(tuned).predict(x.numpy(), verbose=0)
    np.testing.assert_allclose(given, module(x).detach().numpy(), atol=1e-5)


def test_what_is_stale_is_told_and_not_written(tmp_path: Path, keraport: Keraport) -> None:
    """Of a GRU the gates lie otherwise: what the file keeps of torch's tensors holds until they are trained."""
    torch.manual_seed(2)
    module = Recurrent(torch.nn.GRU)
    model = converted(module, tmp_path / "m.keras")
    assert keraport("weights", "export", model, "-o", tmp_path / "same.safetensors").code == 0
    same = load_file(tmp_path / "same.safetensors")
    assert all(torch.equal(same[name], tensor) for name, tensor in module.state_dict().items())
    tuned = shifted(model, tmp_path / "t.keras")
    ran = keraport("weights", "export", tuned, "--record", model, "-o", tmp_path / "t.safetensors")
    assert ran.code == 1 and "nothing can be written back" in ran.err
    assert not (tmp_path / "t.safetensors").exists()


NORM = """g (float[batch,4] x) => (float[batch,4] y) <float[4] bias = {5, 6, 7, 8}> {
    one = Constant <value = float[4] {1, 2, 3, 4}> ()
    y = LayerNormalization (x, one, bias)
}"""


@pytest.mark.parametrize("saved", ["m.keras", "again.keras"])
def test_a_variable_after_one_without_a_name(tmp_path: Path, keraport: Keraport, saved: str) -> None:
    """The scale comes before the offset in the layer, and the source has a name for the offset alone."""
    ir.save(graph(NORM), tmp_path / "norm.onnx")
    converter.convert(str(tmp_path / "norm.onnx"), tmp_path / "m.keras", verify=False)
    keras.models.load_model(tmp_path / "m.keras").save(tmp_path / "again.keras")
    record = ("--record", tmp_path / "m.keras")
    ran = keraport("weights", "export", tmp_path / saved, *record, "-o", tmp_path / "w.safetensors")
    assert ran.code == 0, ran.err
    assert "1 variables without a tensor in the source are left out" in ran.out
    assert load_file(tmp_path / "w.safetensors")["bias"].tolist() == [5, 6, 7, 8]
    save_file({"bias": torch.tensor([9.0, 9, 9, 9])}, tmp_path / "new.safetensors")
    new = ("--checkpoint", tmp_path / "new.safetensors", "-o", tmp_path / "new.keras")
    assert keraport("weights", "load", tmp_path / saved, *record, *new).code == 0
    weights = keras.models.load_model(tmp_path / "new.keras").get_weights()
    assert sorted(array.tolist() for array in weights) == [[1, 2, 3, 4], [9, 9, 9, 9]]
