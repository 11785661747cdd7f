"""Faults planted on purpose: one node of a graph that is about to be emitted is changed, as a mistake of ours would.

Each is an operator, which of its nodes, and what is done to it. The models have at least fifty layers; in one that is
ill-conditioned rounding alone moves the outputs by more than any tolerance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
import torch

Change = Callable[[ir.Node], None]


def attribute(name: str, change: Callable[[Any], Any]) -> Change:
    def apply(node: ir.Node) -> None:
        value = change(node.attributes[name].value)
        node.attributes[name] = ir.convenience.convert_attribute(name, value)

    return apply


def weight(place: int, change: Callable[[np.ndarray], np.ndarray]) -> Change:
    def apply(node: ir.Node) -> None:
        old = node.inputs[place]
        assert old is not None and old.const_value is not None
        array = np.ascontiguousarray(change(old.const_value.numpy()))
        name = f"{old.name}_wrong"
        new = ir.Value(name=name, shape=ir.Shape(array.shape), type=old.type, const_value=ir.tensor(array, name=name))
        node.graph.register_initializer(new)  # type: ignore[union-attr]
        node.replace_input_with(place, new)

    return apply


def swap(a: int, b: int) -> Change:
    def apply(node: ir.Node) -> None:
        first, second = node.inputs[a], node.inputs[b]
        node.replace_input_with(a, second)
        node.replace_input_with(b, first)

    return apply


def operator(op_type: str, domain: str = "") -> Change:
    def apply(node: ir.Node) -> None:
        node.op_type, node.domain = op_type, domain

    return apply


def without(place: int) -> Change:
    return lambda node: node.replace_input_with(place, None)


def another(place: int) -> Change:
    """The input is read one step too early: what the node before it was given."""

    def apply(node: ir.Node) -> None:
        value = node.inputs[place]
        producer = value.producer() if value is not None else None
        assert producer is not None
        node.replace_input_with(place, producer.inputs[0])

    return apply


@dataclass(frozen=True)
class Fault:
    name: str
    model: str
    operator: str
    nth: int
    change: Change


def turned(axes: tuple[int, ...]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda array: array.transpose(axes)


CONV = (1, 0, 2, 3)
FAULTS = [
    Fault("a kernel with its channels swapped", "convolutional", "nhwc::Conv", 7, weight(1, turned(CONV))),
    Fault("a kernel turned over", "convolutional", "nhwc::Conv", 5, weight(1, lambda k: k[..., ::-1, ::-1])),
    Fault("a kernel with its edges swapped", "convolutional", "nhwc::Conv", 11, weight(1, turned((0, 1, 3, 2)))),
    Fault("pads on the other side", "convolutional", "Pad", 0, weight(1, lambda p: np.roll(p, 4))),
    Fault("an epsilon", "convolutional", "nhwc::BatchNormalization", 6, attribute("epsilon", lambda e: 0.1)),
    Fault("gamma and beta swapped", "convolutional", "nhwc::BatchNormalization", 9, swap(1, 2)),
    Fault("mean and variance swapped", "convolutional", "nhwc::BatchNormalization", 3, swap(3, 4)),
    Fault("another activation", "convolutional", "Relu", 8, operator("Softplus")),
    Fault("a missing activation", "convolutional", "Relu", 4, operator("Identity")),
    Fault("another sum", "convolutional", "Add", 3, operator("Sub")),
    Fault("a residual read too early", "convolutional", "Add", 5, another(1)),
    Fault("a mean over other axes", "convolutional", "ReduceMean", 0, operator("ReduceMax")),
    Fault("a bias that is dropped", "convolutional", "keraport::Dense", 0, without(2)),
    Fault("a wrong epsilon of a norm", "attention", "LayerNormalization", 5, attribute("epsilon", lambda e: 0.1)),
    Fault("a norm without its bias", "attention", "LayerNormalization", 3, without(2)),
    Fault("query and key swapped", "attention", "keraport::DotProductAttention", 2, swap(0, 2)),
    Fault("key and value swapped", "attention", "keraport::DotProductAttention", 4, swap(1, 2)),
    Fault("another scale", "attention", "keraport::DotProductAttention", 3, attribute("scale", lambda s: 2 * s)),
    Fault("a mask that is left out", "attention", "keraport::DotProductAttention", 1, without(3)),
    Fault("the other GELU", "attention", "Gelu", 4, attribute("approximate", lambda a: "tanh")),
    Fault("a Dense with a scaled kernel", "attention", "keraport::Dense", 9, weight(1, lambda k: k * 1.01)),
    Fault("a Dense without bias", "attention", "keraport::Dense", 6, without(2)),
    Fault("another sum, in attention", "attention", "Add", 7, operator("Sub")),
    Fault("a step by another number", "attention", "Mul", 0, weight(1, lambda k: k + np.float32(0.01))),
    Fault("a square kernel transposed", "attention", "keraport::Dense", 12, weight(1, lambda k: np.roll(k, 1, 0))),
    Fault("a wrong epsilon", "ill-conditioned", "LayerNormalization", 4, attribute("epsilon", lambda e: 0.1)),
    Fault("a scaled kernel", "ill-conditioned", "keraport::Dense", 5, weight(1, lambda k: k * 1.02)),
    Fault("the other GELU again", "ill-conditioned", "Gelu", 3, attribute("approximate", lambda a: "tanh")),
    Fault("a cosine", "ill-conditioned", "Sin", 7, operator("Cos")),
    Fault("a bias dropped", "ill-conditioned", "keraport::Dense", 8, without(2)),
]


class Block(torch.nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = torch.nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(width)
        self.conv2 = torch.nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(x + self.bn2(self.conv2(y)))


class Convolutional(torch.nn.Module):
    """A small residual network, its statistics those of a trained one."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.blocks = torch.nn.Sequential(*[Block(8) for _ in range(8)])
        self.head = torch.nn.Linear(8, 5)
        for norm in (m for m in self.modules() if isinstance(m, torch.nn.BatchNorm2d)):
            for tensor in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
                tensor.copy_(torch.rand(8) + 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(self.stem(torch.nn.functional.pad(x, (0, 1, 2, 3)))).mean((2, 3)))


class Layer(torch.nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
        self.q, self.k, self.v, self.out = (torch.nn.Linear(width, width) for _ in range(4))
        self.up, self.down = torch.nn.Linear(width, 2 * width), torch.nn.Linear(2 * width, width)
        self.gain = torch.nn.Parameter(torch.rand(width) + 0.5)
        for norm in (self.norm1, self.norm2):
            torch.nn.init.normal_(norm.bias)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        y = self.norm1(x)
        q, k, v = (f(y).unflatten(-1, (4, -1)).transpose(1, 2) for f in (self.q, self.k, self.v))
        y = torch.nn.functional.scaled_dot_product_attention(3 * q, k, v, attn_mask=mask, scale=0.7)
        x = x + self.gain * self.out(y.transpose(1, 2).flatten(2))
        return x + self.down(torch.nn.functional.gelu(3 * self.up(self.norm2(x))))


class Attention(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList([Layer(16) for _ in range(6)])
        self.register_buffer("mask", torch.triu(torch.full((10, 10), -5.0), 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x, self.mask)
        return x


class IllConditioned(torch.nn.Module):
    """A sine that turns the last bit of its input into all of its output."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = torch.nn.ModuleList([torch.nn.LayerNorm(16, eps=1e-5) for _ in range(10)])
        self.layers = torch.nn.ModuleList([torch.nn.Linear(16, 16) for _ in range(10)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = x + torch.nn.functional.gelu(2 * layer(norm(torch.sin(1e5 * x))))
        return x


MODELS: dict[str, tuple[Callable[[], torch.nn.Module], tuple[int, ...]]] = {
    "convolutional": (Convolutional, (2, 3, 32, 32)),
    "attention": (Attention, (2, 10, 16)),
    "ill-conditioned": (IllConditioned, (2, 5, 16)),
}
