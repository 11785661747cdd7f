"""Models by name, without a download."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import torch

from converter.sources import load
from converter.sources.by_name.libraries import find
from converter.sources.torchvision_import import import_torchvision
from passes.errors import BadSource, UsageError


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_torchvision() -> None:
    source = load("torchvision:squeezenet1_1", random_weights=0)
    assert source.kind == "torchvision"
    assert source.description == "torchvision:squeezenet1_1, random weights (seed 0)"
    assert [str(spec) for spec in source.inputs] == ["x=float32[batch,3,224,224]"]


def test_timm() -> None:
    source = load("timm:mobilenetv3_small_050", random_weights=0)
    assert source.kind == "timm" and [str(spec) for spec in source.inputs] == ["x=float32[batch,3,224,224]"]


def test_a_dict_of_outputs() -> None:
    source = load("torchvision:lraspp_mobilenet_v3_large", random_weights=0, inputs=["input=float32[batch,3,64,64]"])
    assert [value.name for value in source.model.graph.outputs] == ["out"]


def test_a_checkpoint(tmp_path: Path) -> None:
    recipe = find("torchvision", "squeezenet1_1")
    assert recipe is not None
    module = recipe.build()
    torch.save({"state_dict": {f"module.{k}": v for k, v in module.state_dict().items()}}, tmp_path / "w.pth")
    source = load("torchvision:squeezenet1_1", checkpoint=tmp_path / "w.pth")
    weight = source.model.graph.initializers["features.0.weight"].const_value
    assert weight is not None
    assert torch.equal(torch.from_numpy(weight.numpy()), module.state_dict()["features.0.weight"])
    assert source.description == "torchvision:squeezenet1_1, weights from w.pth"


@pytest.mark.parametrize("name", ["torchvision:resnet18", "timm:resnet18"])
def test_weights_must_be_chosen(name: str) -> None:
    with pytest.raises(UsageError, match="needs weights; none are downloaded") as error:
        load(name)
    assert "--checkpoint" in str(error.value.hint) and "--random-weights" in str(error.value.hint)


@pytest.mark.parametrize("name", ["torchvision:resnet19", "timm:resnet19"])
def test_unknown_names_get_suggestions(name: str) -> None:
    with pytest.raises(UsageError, match="has no model 'resnet19'") as error:
        load(name, random_weights=0)
    assert "Did you mean resnet" in str(error.value.hint)


@pytest.mark.parametrize(("name", "size"), [("inception_v3", 299), ("vit_b_16", 224)])
def test_image_sizes_of_torchvision(name: str, size: int) -> None:
    recipe = find("torchvision", name)
    assert recipe is not None
    assert recipe.inputs(torch.nn.Identity())[0].shape == ("batch", 3, size, size)


def test_image_sizes_of_timm() -> None:
    recipe = find("timm", "tf_efficientnet_b4")
    assert recipe is not None
    assert recipe.inputs(torch.nn.Identity())[0].shape == ("batch", 3, 380, 380)


def test_torchvision_can_be_imported_again() -> None:
    import_torchvision()
    import_torchvision()
    import torchvision

    assert torchvision.models.list_models()


def test_transformers(tmp_path: Path) -> None:
    try:
        import transformers  # noqa: F401
    except ModuleNotFoundError:
        with pytest.raises(UsageError, match="needs transformers, which is not installed"):
            load(f"transformers:{tmp_path}")
        return
    with pytest.raises(UsageError, match="There is no folder"):
        load(f"transformers:{tmp_path / 'gone'}")
    with pytest.raises(BadSource, match="no configuration"):
        load(f"transformers:{tmp_path}")
