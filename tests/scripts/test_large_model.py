"""Both files of the large model are whole, and fit what they are for."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch

from converter.sources import load
from models.large_transformer import build
from scripts.large_model import main


@pytest.mark.parametrize("kind", ["onnx", "checkpoint"])
def test_it_is_written(kind: str, tmp_path: Path) -> None:
    assert main([str(tmp_path / "new"), "--from", kind, "--layers", "1", "--width", "32"]) == 0
    if kind == "onnx":
        assert len(load(tmp_path / "new" / "model.onnx").model.graph) > 20
        return
    module = build(1, 32)
    module.load_state_dict(safetensors.torch.load_file(tmp_path / "new" / "weights.safetensors"))
    assert abs(float(module.layers[0].norm1.weight.detach().std()) - 1) < 0.5
    assert 0 < float(module.layers[0].up.weight.detach().std()) < 0.03
