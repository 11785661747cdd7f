"""Attention that PyTorch's exporter refuses, modules that keep what they computed, numbers without a range."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

import converter
from converter.errors import BadSource, NotExportable, Unsupported, UsageError
from converter.sources import load

SEEN = torch.eye(6, dtype=torch.bool)
SEEN[2] = False  # a query that sees no key
BIAS = torch.linspace(-1, 1, 36).reshape(6, 6)


class Attends(nn.Module):
    """x [batch, 6, 32] as queries, keys and values on 3, 4 or 5 axes."""

    def __init__(self, axes: int, kv_heads: int = 4, **options: object) -> None:
        super().__init__()
        self.qkv = nn.Linear(32, 96)
        self.axes, self.kv_heads, self.options = axes, kv_heads, options

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        if self.axes > 3:
            q, k, v = (y.unflatten(-1, (4, 8)).transpose(1, 2) for y in (q, k, v))
            k, v = k[:, : self.kv_heads], v[:, : self.kv_heads]
        if self.axes > 4:
            q, k, v = (y.unsqueeze(1) for y in (q, k, v))
        return scaled_dot_product_attention(q, k, v, **self.options)


@pytest.mark.parametrize("axes", [3, pytest.param(4, marks=pytest.mark.slow), 5])
@pytest.mark.parametrize(
    "options", [{}, {"attn_mask": SEEN}, {"attn_mask": BIAS}, {"scale": 0.3}], ids=["plain", "mask", "bias", "scale"]
)
def test_attention_on_any_axes(axes: int, options: dict[str, object]) -> None:
    kv_heads = 1 if axes == 4 else 4
    assert converter.convert(Attends(axes, kv_heads, **options), inputs=["x=float32[batch,6,32]"]).verified


def test_what_the_exporter_can_do_is_left_to_it() -> None:
    source = load(Attends(4), inputs=["x=float32[batch,6,32]"])
    assert "Attention" in {node.op_type for node in source.model.graph}


@pytest.mark.parametrize("layer", ["encoder", "decoder"])
def test_layers_that_look_whether_a_mask_is_causal(layer: str) -> None:
    class Causal(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            one = nn.TransformerEncoderLayer if layer == "encoder" else nn.TransformerDecoderLayer
            stack = nn.TransformerEncoder if layer == "encoder" else nn.TransformerDecoder
            options = {"enable_nested_tensor": False} if layer == "encoder" else {}
            self.stack = stack(one(16, 2, 32, batch_first=True), 1, **options)

        def forward(self, x: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
            mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
            return (
                self.stack(x, mask=mask) + memory.sum() if layer == "encoder" else self.stack(x, memory, tgt_mask=mask)
            )

    inputs = ["x=float32[batch,length,16]", "memory=float32[batch,7,16]"]
    assert converter.convert(Causal(), inputs=inputs).verified


def test_a_layer_that_is_given_the_type_it_has() -> None:
    class Router(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.classifier = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.classifier = self.classifier.to(torch.float32)
            return self.classifier(x)

    module = Router()
    held = module.classifier.weight
    assert converter.convert(module, inputs=["x=float32[batch,4]"]).verified
    assert module.classifier.weight is held


def test_causal_attention_on_three_axes_goes_the_second_way() -> None:
    conversion = converter.convert(Attends(3, is_causal=True), inputs=["x=float32[batch,6,32]"])
    assert conversion.verified
    assert any("older exporter" in note for note in conversion.report.notes)


def test_what_neither_exporter_has_is_refused() -> None:
    class Gammas(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.lgamma(x.abs() + 1)

    with pytest.raises(NotExportable, match="no ONNX form"):
        load(Gammas(), inputs=["x=float32[batch,6]"])


@pytest.mark.parametrize("size", ["6", "size"])
@pytest.mark.parametrize("padding", [None, 2])
@pytest.mark.parametrize("mode", ["mean", "sum", "max"])
def test_bags_of_one_size(mode: str, padding: int | None, size: str) -> None:
    """What does not count is left out."""
    bag = nn.EmbeddingBag(3, 16, mode=mode, padding_idx=padding)
    conversion = converter.convert(bag, inputs=[f"ids=int64[batch,{size}]"])
    assert conversion.verified
    assert "Embedding" in {type(layer).__name__ for layer in conversion.model._flatten_layers()}


@pytest.mark.parametrize("mode", ["mean", "sum", "max"])
def test_a_bag_in_which_nothing_counts(mode: str) -> None:
    """All are 0, as torch has it: what the export says there nobody else asks."""
    ids = torch.tensor([[2, 2, 2], [0, 2, 1]])
    bag = nn.EmbeddingBag(3, 4, mode=mode, padding_idx=2)
    found = converter.convert(bag, example_inputs=ids, verify=False).model(ids.numpy())
    np.testing.assert_allclose(np.asarray(found), bag(ids).detach().numpy(), rtol=1e-6)


def test_bags_of_other_sizes_are_left_to_the_exporter() -> None:
    class Bags(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bag = nn.EmbeddingBag(30, 16, mode="sum")

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.bag(ids, torch.tensor([0, 2, 5]))

    with pytest.raises(Unsupported, match="A Loop that gathers a row of each turn"):
        converter.convert(Bags(), inputs=["ids=int64[7]"])


def test_a_forward_that_fails_with_random_weights() -> None:
    class Fails(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias = nn.Parameter(torch.zeros(4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.bias.any():
                raise RuntimeError("no boxes expected")
            return x + self.bias

    with pytest.raises(BadSource, match="Fails fails with random weights: RuntimeError: no boxes expected"):
        load(Fails(), inputs=["x=float32[batch,4]"], random_weights=0)


class Keeps(nn.Module):
    """As the attention of LeViT does: biases are gathered once, and forgotten in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(3))
        self.kept: dict[str, torch.Tensor] = {}

    def train(self, mode: bool = True) -> Keeps:
        super().train(mode)
        if mode:
            self.kept = {}
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if "biases" not in self.kept:
            self.kept["biases"] = self.table[torch.tensor([0, 1, 2, 1])]
        return x + self.kept["biases"]


def test_what_was_computed_from_other_weights_is_forgotten() -> None:
    conversion = converter.convert(Keeps(), inputs=["x=float32[batch,4]"], random_weights=1)
    assert conversion.verified
    assert abs(conversion.model(torch.zeros(1, 4).numpy()).numpy()).max() > 0


def test_a_module_that_was_used_before_its_checkpoint_came(tmp_path: object) -> None:
    module = Keeps().eval()
    module(torch.zeros(1, 4))
    path = f"{tmp_path}/table.pt"
    torch.save({"table": torch.tensor([1.0, 2.0, 3.0])}, path)
    conversion = converter.convert(module, inputs=["x=float32[batch,4]"], checkpoint=path)
    assert conversion.model(torch.zeros(1, 4).numpy()).numpy().tolist() == [[1, 2, 3, 2]]


def test_a_module_that_cannot_be_copied(tmp_path: object) -> None:
    module = Keeps()
    module.kept["other"] = module.table * 2
    module.train = lambda mode=True: module  # type: ignore[method-assign]
    with pytest.raises(UsageError, match="Keeps cannot be copied"):
        load(module, inputs=["x=float32[batch,4]"], random_weights=0)


def test_a_number_taken_from_the_data_has_no_range() -> None:
    """torch gives it one from minus to plus infinity."""

    class Scales(nn.Module):
        def forward(self, x: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
            return x * n.item()

    source = load(Scales(), inputs=["x=float32[batch,4]", "n=int64[]"])
    assert [node.op_type for node in source.model.graph][-1] == "Mul"
