"""Checkpoints and models whose numbers have other bits than those that numpy and HDF5 know."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import converter
from tests.conftest import Keraport

Layers = dict[str, torch.Tensor]


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Linear(6, 5), torch.nn.Linear(5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x).relu())


@pytest.fixture(scope="module")
def state() -> Layers:
    torch.manual_seed(3)
    return dict(Net().state_dict())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("bits")
    converter.convert(Net(), place / "net.keras", inputs=["x=float32[batch,6]"], verify=False)
    converter.convert(
        Net(), place / "bfloat16.keras", inputs=["x=float32[batch,6]"], dtype_policy="bfloat16", verify=False
    )
    return place


@pytest.mark.parametrize("ending", ["safetensors", "pt"])
@pytest.mark.parametrize("model", ["net", "bfloat16"])
def test_a_checkpoint_of_bfloat16(
    folder: Path, state: Layers, tmp_path: Path, keraport: Keraport, model: str, ending: str
) -> None:
    short = {name: tensor.bfloat16() for name, tensor in state.items()}
    checkpoint, new = tmp_path / f"short.{ending}", tmp_path / "new.keras"
    if ending == "pt":
        torch.save(short, checkpoint)
    else:
        save_file(short, checkpoint)
    ran = keraport("weights", "load", folder / f"{model}.keras", "--checkpoint", checkpoint, "-o", new)
    assert ran.code == 0, ran.err
    found = [keras.ops.convert_to_numpy(keras.ops.cast(v, "float32")) for v in keras.models.load_model(new).variables]
    wanted = [short[name].float().numpy() for name in ("first.weight", "first.bias", "second.weight", "second.bias")]
    assert all(np.array_equal(a, b.T) for a, b in zip(found, wanted, strict=True))
    ran = keraport("weights", "export", new, "-o", tmp_path / "back.safetensors")
    assert ran.code == 0, ran.err
    back = load_file(tmp_path / "back.safetensors")
    assert all(torch.equal(back[name], tensor.float()) for name, tensor in short.items())


def test_whole_numbers_in_the_place_of_floats_are_refused(
    folder: Path, state: Layers, tmp_path: Path, keraport: Keraport
) -> None:
    """What `quantize` leaves looks like weights, and is none without its scales."""
    model = keras.models.load_model(folder / "net.keras")
    model.quantize("int8")
    model.save(tmp_path / "small.keras")
    save_file(state, tmp_path / "state.safetensors")
    given = (tmp_path / "small.keras", "--record", folder / "net.keras")
    for command in (
        ("export", *given, "-o", tmp_path / "out.safetensors"),
        ("load", *given, "--checkpoint", tmp_path / "state.safetensors", "-o", tmp_path / "out.keras"),
    ):
        ran = keraport("weights", *command)
        assert ran.code == 1
        assert "has int8 numbers where there were floats" in ran.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.keras", "state.safetensors"]
