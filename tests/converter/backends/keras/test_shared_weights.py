"""A parameter that a module uses twice is one variable, and a step of SGD takes it where torch's takes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import torch
from torch import nn

import converter
from passes.graph.view_steps import apply_view

Ids = "x=int64[batch,7]"
Numbers = "x=float32[batch,7,6]"


class Language(nn.Module):
    """Tied ends, in modules of their own, with a bias behind the product where asked for."""

    def __init__(self, *, bias: bool) -> None:
        super().__init__()
        self.body = nn.ModuleDict({"table": nn.Embedding(23, 6), "block": nn.Sequential(nn.Linear(6, 6), nn.Tanh())})
        self.head = nn.Linear(6, 23, bias=bias)
        self.head.weight = self.body["table"].weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body["block"](self.body["table"](x)))


class Translator(nn.Module):
    """One table for what is read, for what is written, and for the scores."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Embedding(23, 6)
        self.reader = nn.ModuleDict({"table": self.shared, "norm": nn.LayerNorm(6), "dense": nn.Linear(6, 6)})
        self.writer = nn.ModuleDict({"table": self.shared, "norm": nn.LayerNorm(6), "dense": nn.Linear(6, 6)})
        self.head = nn.Linear(6, 23, bias=False)
        self.head.weight = self.shared.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        read = self.reader["dense"](self.reader["norm"](self.reader["table"](x)))
        written = self.writer["norm"](self.writer["table"](x.flip(1)))
        return self.head(self.writer["dense"](written + read))


class Autoencoder(nn.Module):
    """The decoder's kernel is the encoder's transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(6, 4)
        self.bias = nn.Parameter(torch.rand(6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(self.encoder(x).tanh(), self.encoder.weight.t(), self.bias)


class Token(nn.Module):
    """A token that is in front, and is added behind: seen once with the axes that it has, once without."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.rand(1, 1, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.token.expand(x.shape[0], -1, -1), x + self.token], 1)


def two_biases() -> nn.Module:
    first, second = nn.Linear(6, 6), nn.Linear(6, 6)
    second.weight = first.weight
    return nn.Sequential(first, nn.Tanh(), second)


MODULES: dict[str, tuple[Callable[[], nn.Module], str, str]] = {
    "language": (lambda: Language(bias=False), Ids, "body.table.weight"),
    "language with a bias": (lambda: Language(bias=True), Ids, "body.table.weight"),
    "translator": (Translator, Ids, "shared.weight"),
    "autoencoder": (Autoencoder, Numbers, "encoder.weight"),
    "token": (Token, Numbers, "token"),
    "two biases": (two_biases, Numbers, "0.weight"),
}


@pytest.mark.parametrize("name", MODULES)
def test_one_variable_trained_as_in_torch(name: str, tmp_path: Path) -> None:
    make, spec, shared = MODULES[name]
    torch.manual_seed(0)
    module = make().eval()
    conversion = converter.convert(module, tmp_path / "model.keras", inputs=[spec])
    assert conversion.verified
    assert conversion.report.trainable_parameters == sum(p.numel() for p in module.parameters())
    model = keras.models.load_model(tmp_path / "model.keras")
    assert model.count_params() == conversion.report.parameters
    (variable,) = (v for v in model.variables if conversion.weights[v.path]["source"] == shared)
    x = torch.randint(0, 23, (3, 7)) if spec == Ids else torch.rand(3, 7, 6)
    target = torch.rand(module(x).shape)
    model.compile(keras.optimizers.SGD(0.5), "mse")
    model.train_on_batch(x.numpy(), target.numpy())
    optimizer = torch.optim.SGD(module.parameters(), 0.5)
    nn.functional.mse_loss(module(x), target).backward()
    optimizer.step()
    wanted = apply_view(
        dict(module.named_parameters())[shared].detach().numpy(), conversion.weights[variable.path]["view"]
    )
    np.testing.assert_allclose(keras.ops.convert_to_numpy(variable), wanted, rtol=1e-5, atol=1e-6)
