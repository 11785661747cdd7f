"""Source code: builds the model of the `.keras` file, bit for bit, with its names and its weights."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn

import converter
from converter.errors import NotEquivalent, UsageError
from models import digits


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm, self.qkv, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.heads = heads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(self.norm(x)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = nn.functional.scaled_dot_product_attention(q, k, v)
        return x + self.out(y.transpose(1, 2).reshape(batch, length, width))


class Tower(nn.Module):
    """Blocks of two sizes, one behind the other."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(*(Attention(8, 2) for _ in range(4)))
        self.widen = nn.Linear(8, 12)
        self.second = nn.Sequential(*(Attention(12, 3) for _ in range(3)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.widen(self.first(x)))


class Siamese(nn.Module):
    """A module that is called twice, and a layer that is."""

    def __init__(self) -> None:
        super().__init__()
        self.tower = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))
        self.last = nn.Linear(4, 3)

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"left": self.last(self.tower(left)), "right": self.last(self.tower(right))}


class Joined(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(channels), nn.Conv2d(channels, 2, 3, padding=1)

    def forward(self, *before: torch.Tensor) -> torch.Tensor:
        return self.conv(self.norm(torch.cat(before, 1)))


class Dense(nn.Module):
    """Each block takes all that came before it."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Joined(3 + 2 * number) for number in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = [x]
        for block in self.blocks:
            found.append(block(*found))
        return torch.cat(found, 1)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.lstm = nn.Embedding(11, 6), nn.LSTM(6, 5, 2, batch_first=True, bidirectional=True)

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y, (h, _) = self.lstm(self.embed(ids))
        return y, h


class Token(nn.Module):
    """A layer called reshape beside an operation that Keras calls so; places that are too many to be written."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.bias = nn.Parameter(torch.rand(1, 1, 4)), nn.Parameter(torch.rand(13, 2))
        self.rows = nn.Parameter(torch.rand(9, 4))
        self.register_buffer("places", torch.arange(7)[:, None] - torch.arange(7) + 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x.reshape(-1, 6, 4)], 1) + self.rows[1:8]
        bias = self.bias[self.places.view(-1)].view(7, 7, 2).permute(2, 0, 1)
        return (x @ x.transpose(1, 2)).unsqueeze(1) + bias


IMAGE, TEXT = "x=float32[batch,3,12,10]", "ids=int64[batch,time]"
MODULES: dict[str, tuple[Callable[[], nn.Module], list[str]]] = {
    "digits": (digits.build, [digits.INPUT]),
    "tower": (Tower, ["x=float32[batch,7,8]"]),
    "siamese": (Siamese, ["left=float32[batch,6]", "right=float32[batch,6]"]),
    "dense": (Dense, [IMAGE]),
    "token": (Token, ["x=float32[batch,2,3,4]"]),
    "recurrent": (Recurrent, [TEXT]),
}


def module_of(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"written_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def paths(model: keras.Model) -> list[str]:
    """Of the weights; the states of random generators are counted in each process."""
    return [weight.path for weight in model.weights if "seed_generator" not in weight.path]


def same(one: keras.Model, other: keras.Model) -> None:
    """Names, variables and outputs."""
    assert one.output_names == other.output_names
    assert [tensor.name for tensor in one.inputs] == [tensor.name for tensor in other.inputs]
    assert paths(one) == paths(other)
    rng = np.random.default_rng(0)
    for batch, open_size in ((1, 5), (3, 8)):
        shapes = [(batch, *(open_size if size is None else size for size in x.shape[1:])) for x in one.inputs]
        given = [
            rng.random(shape, "float32") if "float" in str(x.dtype) else rng.integers(0, 9, shape)
            for shape, x in zip(shapes, one.inputs, strict=True)
        ]
        results = [keras.tree.flatten(model(given if len(given) > 1 else given[0])) for model in (one, other)]
        for first, second in zip(*results, strict=True):
            np.testing.assert_array_equal(keras.ops.convert_to_numpy(first), keras.ops.convert_to_numpy(second))


@pytest.mark.parametrize("name", MODULES)
def test_it_builds_the_same_model(name: str, tmp_path: Path) -> None:
    make, inputs = MODULES[name]
    torch.manual_seed(0)
    path = tmp_path / "net.py"
    outputs = "dict" if name == "siamese" else "list"
    conversion = converter.convert(make().eval(), path, inputs=inputs, outputs=outputs)
    (told,) = conversion.report.to_dict()["destinations"]
    assert told["format"] == "code" and told["verification"]["passed"] and told["verification"]["cases"] >= 3
    assert told["output_bytes"] > 4 * conversion.model.count_params()
    if name == "tower":
        written = path.read_text()
        assert written.count("\ndef attention(") == 1
        assert "for index in range(4):\n" in written and "for index in range(3):\n" in written
    same(module_of(path).build_model(), conversion.model)
    assert {each.name for each in tmp_path.iterdir()} <= {"net.py", "net.weights.h5", "net.constants.npz"}
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["check"], ["format", "--check", "--line-length", "120"]):
        done = subprocess.run([*ruff, *command, "--isolated", str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_weights_can_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    converter.convert(digits.build().eval(), path, inputs=[digits.INPUT], verify=False)
    (tmp_path / "net.weights.h5").unlink()
    assert module_of(path).build_model(weights=None).count_params() > 0


def test_an_existing_file_is_replaced_and_a_wrong_one_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from converter.destinations.code import module as writing

    path = tmp_path / "net.py"
    path.write_text("mine")
    plain = writing.source_code
    monkeypatch.setattr(writing, "source_code", lambda *given: _with_another_activation(*plain(*given)))
    with pytest.raises(NotEquivalent, match="The code file computes something else"):
        converter.convert(digits.build().eval(), path, inputs=[digits.INPUT])
    assert path.read_text() == "mine" and len(list(tmp_path.iterdir())) == 1
    monkeypatch.undo()
    converter.convert(digits.build().eval(), path, inputs=[digits.INPUT], verify=False)
    assert "def build_model" in path.read_text()


def _with_another_activation(text: str, constants: Any) -> tuple[str, Any]:
    assert "layers.ReLU(" in text
    return text.replace("layers.ReLU(", "layers.ELU("), constants


def test_a_folder_of_that_name_is_kept(tmp_path: Path) -> None:
    (tmp_path / "net.py").mkdir()
    with pytest.raises(UsageError, match="is there already"):
        converter.convert(digits.build().eval(), tmp_path / "net.py", inputs=[digits.INPUT], verify=False)
