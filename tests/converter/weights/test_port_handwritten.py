"""`keraport weights port` into the hand-written models of the repository: equal to their partners in torch."""

from __future__ import annotations

import importlib
from pathlib import Path

import keras
import numpy as np
import pytest
import safetensors.torch
import torch

from tests.conftest import Keraport


def words(*names: str) -> dict[str, str]:
    return {name: f"{name}=int64[batch,time]" for name in names}


INPUTS = {
    "vit": {"image": "image=float32[batch,3,16,16]"},
    "bert": words("ids", "mask", "segments"),
    "unet": {"image": "image=float32[batch,3,16,24]"},
    "text_classifier": words("ids"),
    "crnn": {"image": "image=float32[batch,1,16,width]"},
    "convnext": {"image": "image=float32[batch,3,32,32]"},
}
EXAMPLES = {
    "vit": [torch.rand(3, 3, 16, 16)],
    "bert": [torch.arange(14).reshape(2, 7), torch.tensor([[1] * 7, [1] * 4 + [0] * 3]), torch.ones(2, 7).long()],
    "unet": [torch.rand(3, 3, 16, 24)],
    "text_classifier": [torch.arange(30).reshape(3, 10)],
    "crnn": [torch.rand(2, 1, 16, 40)],
    "convnext": [torch.rand(2, 3, 32, 32)],
}


def written(name: str, path: Path) -> torch.nn.Module:
    """The partner, with numbers of its own in all it has, statistics and scales included."""
    torch.manual_seed(0)
    module = importlib.import_module(f"models.handwritten.partners.{name}").build().eval()
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5) if tensor.ndim == 1 else tensor.normal_(std=0.3)
    safetensors.torch.save_file(module.state_dict(), path)
    return module


def as_keras(tensor: torch.Tensor) -> np.ndarray:
    return (tensor.permute(0, 2, 3, 1) if tensor.ndim == 4 else tensor).numpy()


@pytest.mark.parametrize("name", INPUTS)
def test_is_equal(name: str, tmp_path: Path, keraport: Keraport) -> None:
    module = written(name, tmp_path / "w.safetensors")
    source = [f"models.handwritten.partners.{name}:build", "--checkpoint", tmp_path / "w.safetensors"]
    specs = [part for spec in INPUTS[name].values() for part in ("--input", spec)]
    into = ["--into", f"models.handwritten.{name}:build", "-o", tmp_path / "out.keras"]
    ran = keraport("weights", "port", *source, *specs, *into)
    assert ran.code == 0 and "Verified      yes" in ran.out, ran.out + ran.err
    assert "No partner" not in ran.out and "Not used" not in ran.out and "Note " not in ran.out
    model = keras.models.load_model(tmp_path / "out.keras")
    given = EXAMPLES[name]
    with torch.no_grad():
        expected = as_keras(module(*given))
    found = model(dict(zip(INPUTS[name], map(as_keras, given), strict=True)) if len(given) > 1 else as_keras(given[0]))
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-4, atol=1e-5 + 1e-4 * np.abs(expected).max())
