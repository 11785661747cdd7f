"""What torch's exporter from TorchScript takes apart comes back in one piece."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch.nn import functional

from converter.proof.compare import compare
from converter.proof.oracle import Oracle
from passes.order import pipeline
from tests.harness import operators


class ChannelNorm(torch.nn.Module):
    """LayerNorm over channels, as ConvNeXt writes it by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(8))
        self.bias = torch.nn.Parameter(torch.randn(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean(1, keepdim=True)
        variance = (x - mean).pow(2).mean(1, keepdim=True)
        x = (x - mean) / torch.sqrt(variance + 1e-6)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class SelfAttention(torch.nn.Module):
    """As timm writes it; `fused` by way of torch's own function."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.qkv, self.proj, self.fused = torch.nn.Linear(8, 24), torch.nn.Linear(8, 8), fused

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(x).reshape(batch, length, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        if self.fused:
            y = functional.scaled_dot_product_attention(q, k, v)
        else:
            y = (q * 0.5 @ k.transpose(-2, -1)).softmax(-1) @ v
        return self.proj(y.transpose(1, 2).reshape(batch, length, width))


class Composites(torch.nn.Module):
    """One of each."""

    def __init__(self) -> None:
        super().__init__()
        self.group_norm, self.plain_group_norm = torch.nn.GroupNorm(4, 8), torch.nn.GroupNorm(2, 8, affine=False)
        self.layer_norm, self.channel_norm = torch.nn.LayerNorm(6), ChannelNorm()
        self.attention, self.fused = SelfAttention(False), SelfAttention(True)
        self.encoder = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        tokens = x.flatten(2).transpose(1, 2)
        return (
            self.group_norm(x),
            self.plain_group_norm(x),
            self.layer_norm(x),
            self.channel_norm(x),
            self.attention(tokens),
            self.fused(tokens),
            self.encoder(tokens),
            functional.gelu(x),
            functional.gelu(x, approximate="tanh"),
            functional.silu(x),
            functional.mish(x),
            functional.hardswish(x),
            functional.hardsigmoid(x),
        )


@pytest.mark.parametrize("opset", [14, 17])
def test_composites_of_torchscript_exports(opset: int, tmp_path: Path) -> None:
    torch.manual_seed(opset)
    module, x = Composites().eval(), torch.randn(3, 8, 6, 6)
    path = tmp_path / "composites.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (x,), path, dynamo=False, opset_version=opset, input_names=["x"], dynamic_axes={"x": {0: "batch"}}
        )
    model = ir.load(path)
    for name, make in pipeline():
        if name == "Layout":
            break
        model = make()(model).model
    found = Counter(operators(model))
    wanted = {
        "LayerNormalization": 4,
        "GroupNormalization": 2,
        "Gelu": 2,
        "keraport::Silu": 1,
        "Mish": 1,
        "HardSwish": 1,
        "HardSigmoid": 1,
        "Attention": 3,
        "keraport::Dense": 8,
    }
    assert {name: found[name] for name in wanted} == wanted
    pieces = {"Div", "Erf", "MatMul", "Mul", "Pow", "ReduceMean", "Sigmoid", "Softmax", "Sqrt", "Sub", "Tanh"}
    assert not pieces & set(found)
    with torch.no_grad():
        for wanted_array, array in zip(module(x), Oracle(model, threads=1).run({"x": np.asarray(x)}), strict=True):
            assert compare(wanted_array.numpy(), array).passed
