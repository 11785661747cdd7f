"""Weights alone as the source."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from converter.conversion import convert
from converter.sources import load
from converter.sources.by_name.libraries import find
from passes.errors import UsageError


def build(source: str, **given: Any) -> torch.nn.Module:
    zoo, _, name = source.partition(":")
    recipe = find(zoo, name, arguments=given)
    assert recipe is not None
    torch.manual_seed(0)
    return recipe.build()


def test_as_the_named_architecture_with_the_checkpoint(tmp_path: Path) -> None:
    module = build("torchvision:mobilenet_v3_small", num_classes=10)
    path = tmp_path / "w.pth"
    torch.save({"state_dict": {f"module.{key}": value for key, value in module.state_dict().items()}}, path)
    source = load(path, inputs=["x=float32[batch,3,64,64]"])
    assert source.description == "torchvision:mobilenet_v3_small, weights from w.pth" and source.kind == "torchvision"
    assert source.notes[0].startswith("Recognised as torchvision:mobilenet_v3_small by all of its 210 names and shapes")
    assert [str(spec) for spec in source.inputs] == ["x=float32[batch,3,64,64]"]
    assert source.torch_module is not None
    key = "classifier.3.weight"
    assert torch.equal(source.torch_module.state_dict()[key], module.state_dict()[key])


def test_the_name_of_a_published_file_decides_where_its_hash_is_true(tmp_path: Path) -> None:
    """torch.hub's names: timm's resnetblur18 has the same weights otherwise."""
    path = tmp_path / "w.pth"
    torch.save(build("torchvision:resnet18", num_classes=10).state_dict(), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    for name in ("w", f"resnet19-{digest}", "resnet18-01234567", "resnet18"):
        path = path.rename(tmp_path / f"{name}.pth")
        with pytest.raises(UsageError, match=r"names and shapes of torchvision:resnet18, .*timm:resnetblur18"):
            load(path)
    path = path.rename(tmp_path / f"resnet18-{digest}.pth")
    source = load(path, inputs=["x=float32[batch,3,64,64]"])
    assert source.description == f"torchvision:resnet18, weights from {path.name}"
    assert source.notes[0].endswith("timm:resnetblur18 would fit too; the file's name and hash decided.")


def test_as_many_channels_as_the_stem_has(tmp_path: Path) -> None:
    module = build("timm:test_byobnet", num_classes=3, in_chans=1)
    safetensors.torch.save_file(dict(module.state_dict()), tmp_path / "w.safetensors")
    result = convert(tmp_path / "w.safetensors", tmp_path / "out.keras", verify="quick")
    assert result.verified
    assert result.model.input_shape[-1] == 1 and result.model.output_shape == (None, 3)
    assert any("num_classes=3 from head.fc.weight; in_chans=1 from" in note for note in result.report.notes)


def test_what_is_told_goes_before_what_is_seen(tmp_path: Path) -> None:
    torch.save(build("timm:test_byobnet", num_classes=3).state_dict(), tmp_path / "w.pt")
    with pytest.raises(UsageError, match="cannot be built with num_classes=3, nonsense=1"):
        load(tmp_path / "w.pt", model_args={"nonsense": 1})


def test_what_the_hub_says_decides(tmp_path: Path) -> None:
    """Of two that differ in pads alone."""
    torch.save(build("timm:tf_efficientnet_b0", num_classes=2).state_dict(), tmp_path / "w.bin")
    with pytest.raises(UsageError, match="names and shapes"):
        load(tmp_path / "w.bin")
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "tf_efficientnet_b0"}))
    source = load(tmp_path / "w.bin", inputs=["x=float32[batch,3,64,64]"])
    assert source.description.startswith("timm:tf_efficientnet_b0, ")


@pytest.mark.parametrize("config", ["", "[]", "[" * 100_000, '{"architectures": 3, "architecture": []}'])
def test_a_config_of_something_else(tmp_path: Path, config: str) -> None:
    (tmp_path / "config.json").write_text(config)
    safetensors.torch.save_file({"weight": torch.ones(2)}, tmp_path / "model.safetensors")
    with pytest.raises(UsageError, match=r"model\.safetensors holds weights only") as error:
        load(tmp_path / "model.safetensors")
    assert "They are weight [2]." in error.value.message


def test_a_model_that_transformers_saved(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    transformers.BertModel(config).save_pretrained(tmp_path)
    source = load(tmp_path / "model.safetensors")
    assert source.kind == "transformers"
    (tmp_path / "model.safetensors").rename(tmp_path / "other.safetensors")
    with pytest.raises(UsageError, match="beside it says BertModel: transformers:FOLDER takes"):
        load(tmp_path / "other.safetensors")
    assert source.notes[0].startswith(
        "config.json beside model.safetensors says BertModel: it was read as transformers:"
    )
