"""The nest of modules: the same one in every run."""

from __future__ import annotations

import math
import os
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
from torch.nn import functional

from converter import convert
from converter.backends.keras.emit import emit
from converter.backends.keras.nesting.levels import count_transposes
from converter.prepare import prepare
from converter.sources import load
from tests.harness import graph

INTERLOCKED = """
from converter.backends.keras.nesting.structure import Group, group_by_module
from passes.errors import MODULE_KEY
from tests.harness import graph

model = graph('''
    g (float[4] x) => (float[4] y)
    {
        first = Relu(x)
        a = Relu(x)
        b = Relu(a)
        c = Neg(b)
        d = Add(a, c)
        both = Add(c, d)
        y = Add(first, both)
    }
''')
for node, module in zip(model.graph, ("X", "A", "B", "B", "A", "X", "X"), strict=True):
    node.metadata_props[MODULE_KEY] = f"{module}.part"
print([item.path if isinstance(item, Group) else item.op_type for item in group_by_module(model.graph).items])
"""
"""A and B wait for each other: without the group A all is well, without the group B alone it is not."""


@pytest.mark.slow
def test_which_groups_go_does_not_depend_on_hashes() -> None:
    found = set()
    for seed in range(3):
        environment = {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(Path(__file__).parents[5])}
        run = subprocess.run(
            [sys.executable, "-c", INTERLOCKED], env=environment, capture_output=True, text=True, check=True
        )
        found.add(run.stdout)
    assert len(found) == 1, found


class Siamese(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        stem = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU())
        self.encoder = nn.Sequential(stem, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 6))

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (self.encoder(a) - self.encoder(b)).abs()


class Loop(nn.Module):
    """A block called again and again on what it gave, and another between."""

    def __init__(self, times: int = 3) -> None:
        super().__init__()
        self.times = times
        self.block = nn.Sequential(nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 5))
        self.last = nn.Sequential(nn.Linear(5, 5), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(self.times):
            x = self.block(x)
        return self.last(x) + self.last(-x)


class Repeated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(3):
            x = self.block(x)
        return x


class Around(nn.Module):
    """A module whose whole content is a loop is called once."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = Repeated()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.loop(x) + x


class Tied(nn.Module):
    """Two modules that hold the same layer: it stands above them."""

    def __init__(self) -> None:
        super().__init__()
        shared = nn.Linear(5, 5)
        self.a = nn.Sequential(shared, nn.Tanh(), nn.Linear(5, 4), nn.Linear(4, 5))
        self.b = nn.Sequential(nn.Linear(5, 3), nn.Sigmoid(), nn.Linear(3, 5), shared)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(self.a(x))


class Pyramid(nn.Module):
    """A head called on three scales; at sizes that are fixed the three calls are not equal."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return [self.head(functional.avg_pool2d(x, k) if k > 1 else x) for k in (1, 2, 4)]


class Crossed(nn.Module):
    """One call of a block of two inputs takes them the other way round, and only one gives both of its outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Mixed()

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        total, difference = self.block(a, b)
        other, _ = self.block(difference, a)
        return other * total


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(5, 5), nn.Linear(5, 5)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        difference = self.left(a) - self.right(b)
        return torch.tanh(difference) + b, difference


class Twice(nn.Module):
    """A module around a module of two layers, called on two things."""

    def __init__(self) -> None:
        super().__init__()
        self.outer = nn.Sequential(nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 5)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.outer(x) * self.outer(x.flip(1))


IMAGE, ROW = "x=float32[batch,3,16,16]", "x=float32[batch,5]"
ROWS = ["a=float32[batch,5]", "b=float32[batch,5]"]

NESTS: dict[str, tuple[Callable[[], nn.Module], list[str], dict[str, Any]]] = {
    "siamese": (
        Siamese,
        ["a=float32[batch,3,16,16]", "b=float32[batch,3,16,16]"],
        {"encoder": (2, 1, 1, {"encoder-0": (1, 1, 1, {})})},
    ),
    "open sizes": (
        Siamese,
        ["a=float32[batch,3,h,w]", "b=float32[batch,3,h,w]"],
        {"encoder": (2, 1, 1, {"encoder-0": (1, 1, 1, {})})},
    ),
    "loop": (Loop, [ROW], {"block": (3, 1, 1, {}), "last": (2, 1, 1, {})}),
    "long loop": (
        lambda: Loop(250),
        [ROW],
        {"part_0": (1, 1, 1, {"block": (250, 1, 1, {})}), "part_1": (1, 1, 1, {"last": (2, 1, 1, {})})},
    ),
    "around": (Around, [ROW], {"loop": (1, 1, 1, {"loop-block": (3, 1, 1, {})})}),
    "pyramid": (Pyramid, [IMAGE], {"head": (1, 3, 3, {})}),
    "open pyramid": (Pyramid, ["x=float32[batch,3,h,w]"], {"head": (3, 1, 1, {})}),
    "crossed": (Crossed, ROWS, {"block": (2, 2, 2, {})}),
    "tied": (Tied, [ROW], {"a": (1, 1, 1, {}), "b": (1, 1, 1, {})}),
    "twice": (Twice, [ROW], {"outer": (2, 1, 1, {"outer-0": (1, 1, 1, {})})}),
}
"""For each nested model: how often it is called, its inputs, its outputs, and the models in it."""


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if n == "long loop" else []) for n in NESTS])
def test_a_module_called_twice_is_a_model_called_twice(name: str, tmp_path: Path) -> None:
    make, inputs, nest = NESTS[name]
    torch.manual_seed(0)
    module = make().eval()
    done = convert(module, tmp_path / "m.keras", inputs=inputs)
    assert done.report.verification is not None and done.report.verification["passed"]
    for model in (done.model, keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)):
        assert nest_of(model) == nest
        assert sum(math.prod(weight.shape) for weight in model.trainable_weights) == sum(
            parameter.numel() for parameter in module.parameters()
        )


def test_the_same_weights_in_another_layer() -> None:
    """Two convolutions of one kernel are one layer only where all else is equal, too."""
    model = graph("""g (float[batch, 2, 6, 6] x) => (float[batch, 3, 6, 6] y, float[batch, 3, 3, 3] z)
        <float[3, 2, 1, 1] w = {1, 2, 3, 4, 5, 6}> { y = Conv(x, w)  z = Conv<strides=[2, 2]>(x, w) }""")
    done = convert(model)
    assert done.verified and sum(isinstance(layer, keras.layers.Conv2D) for layer in done.model.layers) == 2


def test_transposes_are_counted_in_every_call() -> None:
    x, y = keras.Input((2, 3)), keras.Input((2, 3))
    inner = keras.Model(x, keras.layers.Dense(3)(keras.layers.Permute((2, 1))(x)))
    assert count_transposes(keras.Model([x, y], [inner(x), inner(y), keras.ops.transpose(x, (0, 2, 1))])) == 3


def test_no_layer_is_shared_by_two_models(tmp_path: Path) -> None:
    """A large constant that two modules read is a layer in each: Keras cannot load one in both."""
    model = graph("""g (float[batch, 70, 70] x) => (float[batch, 70, 70] y)
        <float start = {0}, float end = {4900}, float one = {1}, int64[2] square = {70, 70}> {
            r = Range(start, end, one)  c = Reshape(r, square)
            p = Add(x, c)  q = Relu(p)  s = Sub(q, c)  y = Relu(s)
        }""")
    for node, module in zip(list(model.graph)[2:], ("a", "a", "b", "b"), strict=True):
        node.metadata_props["pkg.torch.onnx.name_scopes"] = f"['', '{module}', '{module}.part', 'node']"
    done = convert(model, tmp_path / "m.keras")
    assert done.report.verification is not None and done.report.verification["passed"]
    assert nest_of(done.model) == {"a": (1, 1, 1, {}), "b": (1, 1, 1, {})}
    assert len(done.model.variables) == 2


def test_every_call_is_traced() -> None:
    """The values of all calls are compared with onnxruntime's, where the first difference is looked for."""
    source = load(Crossed().eval(), inputs=ROWS)
    final = prepare(source.model).final
    emission = emit(final, name="m")
    traced = {value for value, *_ in emission.trace([np.ones((2, 5), np.float32)] * 2)}
    assert traced == {str(value.name) for node in final.graph for value in node.outputs}


def nest_of(model: keras.Model) -> dict[str, Any]:
    calls = [node.operation for nodes in model._nodes_by_depth.values() for node in nodes]
    inner = {operation.name: operation for operation in calls if isinstance(operation, keras.Model)}
    return {
        name: (calls.count(operation), len(operation.inputs), len(operation.outputs), nest_of(operation))
        for name, operation in inner.items()
    }
