"""Training goes on as in torch: the same losses, and back in torch the same model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import converter
from models import digits
from scripts.children import ROOT
from tests.conftest import Keraport

Array = np.ndarray[Any, np.dtype[Any]]

TRAIN = """
import json, sys
import keras, numpy as np
model = keras.models.load_model(sys.argv[1])
data = np.load(sys.argv[2])
model.compile(keras.optimizers.SGD(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
print(json.dumps([float(model.train_on_batch(data["x"], data["y"])) for _ in range(10)]))
"""


def trained(module: nn.Module) -> nn.Module:
    """Without the checkpoint there is something to learn; dropout has a rate of 0."""
    for each in module.modules():
        if isinstance(each, nn.Dropout):
            each.p = 0.0
    return module.eval()


def batch() -> tuple[Array, Array]:
    """Few: of many activations one is within rounding of 0, and ReLU's slope is then a matter of luck."""
    images, labels = digits.training()
    return images[:16], labels[:16]


def losses_of_torch(module: nn.Module, x: Array, y: Array) -> list[float]:
    optimizer = torch.optim.SGD(module.parameters(), 0.01)
    module.train()
    found = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(module(torch.from_numpy(x)), torch.from_numpy(y))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        found.append(float(loss.detach()))
    return found


class WithDropout(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = digits.build()
        self.drop = nn.Dropout(0.5)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.drop(self.net(image))


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_ten_steps_have_the_losses_of_torch(backend: str, tmp_path: Path) -> None:
    """In training mode: BatchNorm by the batch, Dropout(0)."""
    torch.manual_seed(1)
    module, (x, y) = trained(WithDropout()), batch()
    conversion = converter.convert(module, tmp_path / "net.keras", inputs=[digits.INPUT], verify=False)
    assert conversion.report.transposes == 0
    np.savez(tmp_path / "batch.npz", x=x.transpose(0, 2, 3, 1), y=y)
    command = [sys.executable, "-c", TRAIN, str(tmp_path / "net.keras"), str(tmp_path / "batch.npz")]
    environment = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.strip().splitlines()[-1])
    wanted = losses_of_torch(module, x, y)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4)
    assert wanted[-1] < wanted[0] - 0.1


def test_trained_on_real_digits_and_back_in_torch(keraport: Keraport, tmp_path: Path) -> None:
    """The layers of a frozen part stay bit for bit; what was trained gives in torch what it gives in Keras."""
    torch.manual_seed(0)
    module = trained(digits.build())
    converted = tmp_path / "net.keras"
    converter.convert(module, converted, inputs=[digits.INPUT], verify=False)
    model = keras.models.load_model(converted)
    keras.utils.set_random_seed(0)
    images, labels = digits.training()
    model.compile(keras.optimizers.SGD(0.05), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(images[:640].transpose(0, 2, 3, 1), labels[:640], batch_size=32, epochs=1, verbose=0)
    model.save(tmp_path / "tuned.keras")
    out = tmp_path / "tuned.safetensors"
    ran = keraport("weights", "export", tmp_path / "tuned.keras", "--record", converted, "-o", out)
    assert ran.code == 0, ran.err
    back = digits.build()
    back.load_state_dict(load_file(out))
    with torch.no_grad():
        wanted = back.eval()(torch.from_numpy(images[:50])).numpy()
    found = keras.ops.convert_to_numpy(model(images[:50].transpose(0, 2, 3, 1), training=False))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6 * np.abs(wanted).max() + 1e-6)
    assert not np.allclose(wanted, module(torch.from_numpy(images[:50])).detach().numpy(), atol=0.1)
