"""What the source trains is what the model trains: in number, by name, after a reload, and in one step of SGD."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import nn

import converter
from converter.backends.keras.build.registry import OPERATORS
from converter.backends.keras.build.weights import Variables, collecting, with_weights
from converter.backends.keras.emit import emit
from models import digits
from passes.errors import Unsupported
from tests.harness import graph


class Normalising(nn.Module):
    """Buffers in arithmetic, a parameter that is added, a table that is looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.register_buffer("mean", torch.rand(1, 3, 1, 1))
        self.scale = nn.Parameter(torch.rand(1, 4, 1, 1))
        self.frozen = nn.Parameter(torch.rand(1, 4, 1, 1), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x - self.mean) * self.scale + self.frozen


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(11, 6)
        self.start = nn.Parameter(torch.rand(1, 1, 6))
        self.register_buffer("positions", torch.rand(1, 9, 6))
        self.norm = nn.LayerNorm(6, bias=False)
        self.head = nn.Linear(6, 3)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = torch.cat([self.start.expand(ids.shape[0], -1, -1), self.table(ids)], 1)
        return self.head(self.norm(x + self.positions))


class Parts(nn.Module):
    """The first positions of a longer table, one type of two, a bias by relative place, some of the columns."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(11, 6)
        self.positions = nn.Parameter(torch.rand(1, 20, 6))
        self.types = nn.Embedding(2, 6)
        self.bias = nn.Parameter(torch.rand(15, 3))
        self.columns = nn.Parameter(torch.rand(8, 9))
        self.register_buffer("places", torch.arange(8)[:, None] - torch.arange(8) + 7)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.table(ids) + self.positions[:, :8] + self.types(torch.ones(1, 8, dtype=torch.int64))
        x = x * self.columns[:, 2:8]
        bias = self.bias[self.places.view(-1)].view(8, 8, 3).permute(2, 0, 1)
        return (x @ x.transpose(1, 2)).unsqueeze(1) + bias


class FarPlaces(nn.Module):
    """A bias by relative place of so many positions that the places are no part of the configuration."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.rand(139, 2))
        self.register_buffer("places", torch.arange(70)[:, None] - torch.arange(70) + 69)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bias = self.bias[self.places.view(-1)].view(70, 70, 2).permute(2, 0, 1)
        return (x @ x.transpose(1, 2)).unsqueeze(1) + bias


class BiasOfANetwork(nn.Module):
    """A bias by relative place that a network makes of the places, and a scale that is an exponential, as Swin V2."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(2, 6), nn.ReLU(), nn.Linear(6, 3, bias=False))
        self.register_buffer("offsets", torch.rand(1, 15, 2))
        self.register_buffer("places", torch.arange(8)[:, None] - torch.arange(8) + 7)
        self.logit_scale = nn.Parameter(torch.rand(3, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bias = 16 * torch.sigmoid(
            self.network(self.offsets).view(-1, 3)[self.places.view(-1)].view(8, 8, 3).permute(2, 0, 1)
        )
        scores = (x @ x.transpose(1, 2)).unsqueeze(1) * self.logit_scale.clamp(max=4).exp()
        return (scores + bias).softmax(-1) @ x.unsqueeze(1)


class BiasInParts(nn.Module):
    """Queries and values have a bias, keys have zeros, as BEiT has them."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(6, 12, bias=False)
        self.q_bias, self.v_bias = nn.Parameter(torch.rand(4)), nn.Parameter(torch.rand(4))
        self.register_buffer("k_bias", torch.zeros(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bias = torch.cat([self.q_bias, self.k_bias, self.v_bias])
        q, k, v = nn.functional.linear(x, self.qkv.weight, bias).split(4, -1)
        return (q @ k.transpose(1, 2)).softmax(-1) @ v


class Gates(nn.Module):
    """A gate and what it leaves, a decay, and sums of parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.rand(5))
        self.log = nn.Parameter(torch.rand(5))
        self.positions, self.kind = nn.Parameter(torch.rand(1, 8, 5)), nn.Parameter(torch.rand(1, 1, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate = self.gate.sigmoid()
        return gate * (x + (self.positions + self.kind)) + (1 - gate) * (x * -self.log.exp()).cumsum(1)


class MixedTimes(nn.Module):
    """A step mixed with the one before, x·m + y·(1 - m), as RWKV; a norm whose scale is 1 + g, as Gemma's."""

    def __init__(self) -> None:
        super().__init__()
        self.mix, self.g = nn.Parameter(torch.rand(1, 1, 5)), nn.Parameter(torch.rand(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before = nn.functional.pad(x, (0, 0, 1, -1))
        x = x * self.mix + before * (1 - self.mix)
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * (1 + self.g)


class NearestCode(nn.Module):
    """Distances to the rows of a table in which it is also looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(9, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        w = self.table.weight
        distances = (x * x).sum(-1, keepdim=True) + (w * w).sum(1) - x @ (2 * w).t()
        return distances + self.table(distances.argmin(-1)).sum(-1, keepdim=True)


class ResizedPositions(nn.Module):
    """A table of positions that is resized to the image, and a token that is repeated."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.rand(1, 5, 3, 3))
        self.token = nn.Parameter(torch.rand(1, 1, 5))
        self.head = nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        table = nn.functional.interpolate(self.table, size=(6, 6), mode="bicubic", antialias=False)
        x = torch.cat([self.token.expand(x.shape[0], 2, 5), x], 1)
        return self.head(x.tanh() + nn.functional.pad(table.flatten(2).transpose(1, 2), (0, 0, 2, 0)))


class PartsInOtherWays(nn.Module):
    """A table of which the first row is a token's and the others are resized as an image, as YOLOS has it; a table by
    distance of which a part is resized, too, as BEiT has it."""

    def __init__(self) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.rand(1, 10, 5))
        self.distances = nn.Parameter(torch.rand(11, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        image = self.positions[:, 1:].transpose(1, 2).view(1, 5, 3, 3)
        image = nn.functional.interpolate(image, size=(4, 2), mode="bicubic").flatten(2).transpose(1, 2)
        x = x + torch.cat([self.positions[:, :1], image], 1)
        row = self.distances[:9].t().view(1, 2, 3, 3)
        grown = nn.functional.interpolate(row, size=(5, 5), mode="bilinear").permute(0, 2, 3, 1).reshape(25, 2)
        grown = torch.cat([grown, self.distances[9:]])
        places = (torch.arange(9)[:, None] * 3 + torch.arange(9)) % 27
        bias = grown[places.view(-1)].view(9, 9, 2).permute(2, 0, 1)
        return ((x @ x.transpose(1, 2)).unsqueeze(1) + bias).softmax(-1) @ x.unsqueeze(1)


class KeptTable(nn.Module):
    """A table that is gathered once in evaluation, as LeViT does."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.rand(3, 15))
        self.register_buffer("places", torch.arange(8)[:, None] - torch.arange(8) + 7)
        self.query = nn.Linear(4, 4)
        self.kept: dict[str, torch.Tensor] = {}

    def train(self, mode: bool = True) -> KeptTable:
        self.kept.clear()
        return super().train(mode)

    def gathered(self) -> torch.Tensor:
        if self.training:
            return self.bias[:, self.places]
        if "cpu" not in self.kept:
            self.kept["cpu"] = self.bias[:, self.places]
        return self.kept["cpu"]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = self.query(x) @ x.transpose(1, 2)
        return torch.cat([(scores + self.gathered()[head]).softmax(-1) @ x for head in range(3)], -1)


class Codes(nn.Module):
    """A table of whole numbers, looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("codes", torch.randint(-(2**24), 2**24, (900, 6)))
        self.register_buffer("known", torch.rand(900, 6) > 0.5)

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.codes[ids].float(), self.known[ids]


def frozen_backbone() -> nn.Module:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
    )
    for parameter in list(net.parameters())[:4]:
        parameter.requires_grad_(False)
    return net


def norms_without_affine() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 20, 3),
        nn.BatchNorm2d(20, affine=False),
        nn.InstanceNorm2d(20),
        nn.GroupNorm(4, 20, affine=False),
        nn.Flatten(2),
        nn.LayerNorm(100, elementwise_affine=False),
    )


def weight_norm() -> nn.Module:
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(6, 5)), nn.Tanh(), nn.Linear(5, 2))


IMAGE, SQUARE = "x=float32[batch,3,9,9]", "x=float32[batch,3,12,12]"
MODULES: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "normalising": (Normalising, IMAGE),
    "tokens": (Tokens, "ids=int64[batch,8]"),
    "parts": (Parts, "ids=int64[batch,8]"),
    "far_places": (FarPlaces, "x=float32[batch,70,4]"),
    "bias_of_a_network": (BiasOfANetwork, "x=float32[batch,8,4]"),
    "bias_in_parts": (BiasInParts, "x=float32[batch,8,6]"),
    "gates": (Gates, "x=float32[batch,8,5]"),
    "mixed_times": (MixedTimes, "x=float32[batch,8,5]"),
    "nearest_code": (NearestCode, "x=float32[batch,8,5]"),
    "resized_positions": (ResizedPositions, "x=float32[batch,36,5]"),
    "parts_in_other_ways": (PartsInOtherWays, "x=float32[batch,9,5]"),
    "kept_table": (KeptTable, "x=float32[batch,8,4]"),
    "frozen_backbone": (frozen_backbone, IMAGE),
    "norms_without_affine": (norms_without_affine, SQUARE),
    "digits": (digits.build, digits.INPUT),
}


OWN_TRANSPOSES = {"norms_without_affine": 1, "parts_in_other_ways": 1}
"""An output that has channels before places; a table of distances that was resized as an image."""


@pytest.mark.parametrize("name", MODULES)
def test_trainable_parameters_are_those_of_torch(name: str, tmp_path: Path) -> None:
    make, spec = MODULES[name]
    torch.manual_seed(0)
    module = make().eval()
    trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
    path = tmp_path / "model.keras"
    conversion = converter.convert(module, path, inputs=[spec])
    report = conversion.report
    assert conversion.verified and not report.notes
    assert report.transposes == OWN_TRANSPOSES.get(name, 0)
    assert report.trainable_parameters == sum(p.numel() for p in trained.values())
    assert report.parameters == conversion.model.count_params()
    assert _names(conversion, conversion.model.trainable_variables) == trained.keys()
    reloaded = keras.models.load_model(path)
    assert [v.path for v in reloaded.trainable_variables] == [v.path for v in conversion.model.trainable_variables]
    assert {v.path for v in conversion.model.variables} == conversion.weights.keys()
    assert _moved_by_keras(conversion, reloaded) == _moved_by_torch(module, spec)


@pytest.mark.parametrize(("make", "spec"), [(FarPlaces, "x=float32[batch,70,4]"), (Codes, "ids=int64[batch,5]")])
def test_tables_of_whole_numbers_load_on_every_backend(make: Callable[[], nn.Module], spec: str) -> None:
    """PyTorch has gradients for floats alone, and an Embedding asks for one."""
    torch.manual_seed(0)
    assert converter.convert(make().eval(), inputs=[spec], verify_on=["tensorflow", "jax", "torch"]).verified


def _names(conversion: converter.Conversion, variables: list[Any]) -> set[str]:
    return {str(conversion.weights[variable.path]["source"]) for variable in variables}


def _moved_by_keras(conversion: converter.Conversion, model: keras.Model) -> set[str]:
    """The sources of the variables that one step of SGD changes. Every output counts, with a slope of its own."""
    shapes = [[3, *(1 if size is None else size for size in tensor.shape[1:])] for tensor in model.inputs]
    dtypes = [keras.backend.standardize_dtype(tensor.dtype) for tensor in model.inputs]
    rng = np.random.default_rng(0)
    x = [rng.integers(0, 9, s) if d.startswith("int") else rng.random(s) for s, d in zip(shapes, dtypes, strict=True)]
    target = rng.standard_normal(np.shape(model(x[0]))).astype("float32")
    before = {variable.path: keras.ops.convert_to_numpy(variable).copy() for variable in model.variables}
    frozen = {variable.path for variable in model.non_trainable_variables}
    model.compile(keras.optimizers.SGD(0.5), "mse")
    model.train_on_batch(x[0], target)
    moved = [v for v in model.variables if not np.array_equal(before[v.path], keras.ops.convert_to_numpy(v))]
    running = [v for v in moved if v.path in frozen]
    assert all("moving" in v.path for v in running)
    return _names(conversion, [v for v in moved if v.path not in frozen])


def _moved_by_torch(module: nn.Module, spec: str) -> set[str]:
    sizes = [int(size) for size in spec.partition("[batch,")[2].rstrip("]").split(",")]
    x = torch.randint(0, 9, (3, *sizes)) if "int64" in spec else torch.rand(3, *sizes)
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=0.5)
    y = module.train()(x)
    nn.functional.mse_loss(y, torch.randn(y.shape)).backward()
    optimizer.step()
    return {name for name, p in module.named_parameters() if not torch.equal(before[name], p)}


def test_a_weight_computed_from_parameters_is_trained() -> None:
    conversion = converter.convert(weight_norm().eval(), inputs=["x=float32[batch,6]"])
    assert [v.path for v in conversion.model.trainable_variables] == ["0/kernel", "0/bias", "2/kernel", "2/bias"]


def test_what_is_computed_from_frozen_parameters_is_computed_once() -> None:
    module = Gates().eval().requires_grad_(False)
    module.kind.requires_grad_(True)
    conversion = converter.convert(module, inputs=["x=float32[batch,8,5]"])
    assert conversion.report.trainable_parameters == 5 and conversion.verified
    kinds = {type(operation).__name__ for operation in conversion.model.operations}
    assert not kinds & {"Sigmoid", "Exp", "Subtract", "Negative"}


def test_a_layer_of_which_a_part_is_frozen_is_trained_and_named() -> None:
    module = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)).eval()
    module[0].weight.requires_grad_(False)
    conversion = converter.convert(module, inputs=["x=float32[batch,6]"])
    (note,) = conversion.report.notes
    assert "0.weight" in note and "Keras freezes whole layers" in note and "2." not in note


def test_of_a_file_weights_are_trained_and_tables_are_not() -> None:
    values = ", ".join(map(str, range(12)))
    text = f"""g (float[b, 2, 4] x) => (float[b, 2, 3] y)
        <float[4, 3] w = {{{values}}}, float[3] bias = {{1, 2, 3}}, float[6, 3] table = {{{values}, 0, 0, 0, 0, 0, 1}},
         int64[2] rows = {{1, 5}}> {{ m = MatMul(x, w)  a = Add(m, bias)  t = Gather(table, rows)  y = Add(a, t) }}"""
    model = graph(text)
    conversion = converter.convert(model)
    trained = {conversion.weights[v.path]["source"] for v in conversion.model.trainable_variables}
    assert trained == {"w", "bias"}
    assert conversion.report.trainable_parameters == 15


def test_every_variable_of_a_file_has_a_source() -> None:
    """Biases of few elements too; what the passes fill in says why it has none."""
    values = ", ".join(["0.5"] * 12)
    text = f"""g (float[b, 3, 4, 4] x) => (float[b, 4, 4, 4] y)
        <float[4, 3, 1, 1] k = {{{values}}}, float[4] short = {{1, 2, 3, 4}}> {{ y = Conv(x, k, short) }}"""
    conversion = converter.convert(graph(text))
    assert {v.path: conversion.weights[v.path]["source"] for v in conversion.model.variables} == {
        "conv/kernel": "k",
        "conv/bias": "short",
    }


@pytest.mark.parametrize(
    ("layer", "name"), [(keras.layers.LSTM(3), "kernel"), (keras.layers.Dense(3), "kernl")], ids=["cell", "misspelt"]
)
def test_a_weight_that_reaches_no_variable_is_an_error(layer: keras.layers.Layer, name: str) -> None:
    with collecting(Variables()), pytest.raises(ValueError, match=f"made no variable of: {name}"):
        with_weights(layer, keras.Input((5, 4)), **{name: np.ones((4, 12), np.float32)})


def test_a_mistake_of_ours_is_no_refusal_of_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    model = graph("g (float[b, 4] x) => (float[b, 4] y) { y = Relu(x) }")

    def mistaken(x: Any, *, name: str) -> Any:
        return [x] + None  # type: ignore[operator]

    def refused(x: Any, *, name: str) -> Any:
        return keras.ops.matmul(x, keras.ops.ones((5, 5)))

    for function, expected in ((mistaken, TypeError), (refused, Unsupported)):
        entry = OPERATORS["Relu"]
        monkeypatch.setitem(OPERATORS, "Relu", type(entry)(function, 1, 1, frozenset(), True))
        with pytest.raises(expected):
            emit(ir.from_proto(ir.to_proto(model)))
        monkeypatch.undo()


def test_the_numbers_of_a_layer_count_once() -> None:
    conversion = converter.convert(nn.Linear(4, 3).eval(), inputs=["x=float32[batch,4]"])
    assert conversion.report.trainable_parameters == sum(math.prod(v.shape) for v in conversion.model.variables) == 15
