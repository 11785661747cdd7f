"""Sources that draw random numbers, on the whole way: proven with given ones, drawn anew by the file."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import converter
from converter.errors import Unsupported, UsageError
from converter.proof.saved_model import verify_saved
from converter.sources import load
from tests.harness import graph


class Coder(nn.Module):
    """A variational autoencoder."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, 2, 1)
        self.mean, self.spread = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 4, 1)
        self.up = nn.ConvTranspose2d(4, 3, 2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.down(x).relu()
        spread = torch.exp(0.5 * self.spread(h))
        return self.up(self.mean(h) + spread * torch.randn_like(spread))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(functional.dropout(self.first(x).relu(), 0.3, training=True))


class Unsure(nn.Module):
    """Monte Carlo dropout, in a module that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.block, self.last = Block(), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.block(self.block(x)))


class Of(nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.layer, self.function = nn.Linear(4, 4), function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(self.layer(x))


CODER, ROWS = "x=float32[batch,3,h,w]", "x=float32[batch,4]"


def calls(model: keras.Model, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return model.predict(x, verbose=0), model.predict(x, verbose=0)


def test_a_variational_autoencoder_on_every_backend(tmp_path: Path) -> None:
    torch.manual_seed(0)
    backends = ["tensorflow", "jax", "torch"]
    made = converter.convert(Coder().eval(), tmp_path / "m.keras", inputs=[CODER], verify_on=backends)
    told = made.report.to_dict()
    assert made.verified and made.report.transposes == 0 and not made.report.verification["unproven"]
    assert [port.name for port in made.inputs] == ["x"]
    (entry,) = told["custom_layers"]
    assert entry["layer"] == "Noise" and "draw in training only" in entry["reason"] and not told["portable"]
    assert [draw["passed"] for draw in told["verification"]["draws"]] == [True]
    assert "given its random numbers" in told["verification"]["oracle"] and told["verification"]["export"] is None
    assert any("in the proof they are inputs" in note for note in told["notes"])
    assert any("mean and variance: randn_like_noise" in note for note in told["notes"])
    first, second = calls(keras.models.load_model(tmp_path / "m.keras"), np.ones((2, 8, 12, 3), "float32"))
    assert first.shape == (2, 8, 12, 3) and not np.array_equal(first, second)


@pytest.mark.parametrize("structure", ["modules", "flat"])
def test_monte_carlo_dropout(structure: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Unsure().eval()
    made = converter.convert(module, tmp_path / "m.keras", inputs=[ROWS], structure=structure, layers=True)
    assert made.verified and len(made.report.custom_layers) == 2
    x = np.repeat(np.ones((1, 4), "float32"), 4000, 0)
    with torch.no_grad():
        theirs = module(torch.from_numpy(x)).numpy()
    first, second = calls(made.model, x)
    assert not np.array_equal(first, second)
    assert np.allclose(first.mean(0), theirs.mean(0), atol=6 * theirs.std(0).max() / 4000**0.5)
    assert np.allclose(first.std(0), theirs.std(0), rtol=0.1)
    made.model.save(tmp_path / "again.keras")  # the model of a conversion is whole after all that was asked of it


FUNCTIONS = {
    "rand": lambda x: x + torch.rand(x.shape[0], 4),
    "bernoulli": lambda x: torch.bernoulli(torch.sigmoid(x)),
    "multinomial": lambda x: torch.multinomial(torch.softmax(x, -1), 5, replacement=True),
    "the noise itself": lambda x: (x, torch.randn_like(x)),
    "half": lambda x: x + torch.rand_like(x.half()).float(),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_functions_of_torch(function: Any) -> None:
    made = converter.convert(Of(function).eval(), inputs=[ROWS])
    assert made.verified and len(made.report.custom_layers) == 1


def test_without_replacement_none_is_drawn_twice() -> None:
    made = converter.convert(Of(lambda x: torch.multinomial(torch.softmax(x, -1), 3)).eval(), inputs=[ROWS])
    drawn = made.model.predict(np.ones((200, 4), "float32"), verbose=0)
    assert made.verified and all(len(set(row)) == 3 for row in drawn.tolist())


def test_orders_and_uniform_numbers() -> None:
    made = converter.convert(Of(lambda x: x * 0 + torch.randperm(4)).eval(), inputs=[ROWS])
    drawn = made.model.predict(np.ones((1, 4), "float32"), verbose=0)
    assert made.verified and sorted(drawn[0].tolist()) == [0, 1, 2, 3]
    made = converter.convert(Of(lambda x: x * 0 + torch.empty_like(x).uniform_(2, 4)).eval(), inputs=[ROWS])
    drawn = made.model.predict(np.ones((500, 4), "float32"), verbose=0)
    assert made.verified and drawn.min() >= 2 and drawn.max() < 4 and abs(drawn.mean() - 3) < 0.1


TEXT = """g (float[batch,h,4] x) => (float[batch,h,4] y) {
    z = RandomNormalLike<scale=2.0, seed=3.0>(x) n = RandomNormal<shape=[4]>() t = Add(x, z) y = Add(t, n) }"""


def test_seeds_and_sizes_of_a_file(tmp_path: Path) -> None:
    """Opset 23, of which onnxruntime draws nothing."""
    made = converter.convert(graph(TEXT), tmp_path / "m.keras")
    layers = {name: made.model.get_layer(name) for name in ("z_noise", "n_noise")}
    assert made.verified and layers["z_noise"].seed == 3 and layers["n_noise"].sizes == [4]
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert "keraport>Noise" in archive.read("config.json").decode()
    again = converter.convert(graph(TEXT), verify=False).model
    assert again.get_layer("n_noise").seed == layers["n_noise"].seed


def test_a_wrong_draw_is_found(tmp_path: Path) -> None:
    converter.convert(graph(TEXT), tmp_path / "m.keras", verify=False)
    for wrong, said in (("uniform", "the mean of what 'z_noise' draws"), ("sizes", "was given numbers of shape")):
        broken = keras.models.load_model(tmp_path / "m.keras")
        layer = broken.get_layer("z_noise")
        if wrong == "uniform":
            layer.distribution = "uniform"
        else:
            layer.sizes = [["size", 0, 0], 1, 4]
        broken.save(tmp_path / "broken.keras")
        found, _ = verify_saved(tmp_path / "broken.keras", load(graph(TEXT)))
        assert not found.passed and said in found.reason
    found, _ = verify_saved(tmp_path / "m.keras", load(graph(TEXT)))
    assert found.passed


def test_what_cannot_be_proven_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="not written as tflite") as raised:
        converter.convert(graph(TEXT), tmp_path / "m.tflite")
    assert raised.value.hint == "It can be written as: keras, code, weights."
    with pytest.raises(Unsupported, match="random numbers, which Keras' own layers") as raised:
        converter.convert(graph(TEXT), portable=True, verify=False)
    module = Unsure().eval()
    with pytest.raises(UsageError, match="gradients are others at each call"):
        converter.convert(module, inputs=[ROWS], verify=False).gradients_equal(module, inputs=[ROWS])


def test_code_draws_too(tmp_path: Path) -> None:
    made = converter.convert(graph(TEXT), [tmp_path / "m.keras", tmp_path / "m.py"])
    assert [each["verification"]["passed"] for each in made.report.destinations] == [True]
