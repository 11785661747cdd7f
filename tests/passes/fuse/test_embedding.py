"""Lookups whose indices are never negative."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import converter
from passes.fuse.embedding import FuseEmbeddings
from tests.harness import check_onnx, graph, operators

TABLE = "float[5, 2] w = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, int64 zero = {0}, int64 one = {1}"


def embeddings(body: str) -> int:
    text = f"g (int64[b, 3] x, float[b, 5] z) => (float[b, 3, 2] y) <{TABLE}> {{ {body} }}"
    model = graph(text)
    FuseEmbeddings()(model)
    return operators(model).count("keraport::Embedding")


@pytest.mark.parametrize(
    "indices",
    [
        "i = Clip(x, zero)",
        "v, k = TopK(z, three) i = Identity(k)".replace("three", "one"),
        "a = ArgMax(z) s = Mul(a, one) i = Add(s, one)",
        "m = Max(x, zero) i = Unsqueeze(m, one)",
        "i = Range(zero, one, one)",
    ],
)
def test_these_count_from_the_front(indices: str) -> None:
    assert embeddings(f"{indices} y = Gather(w, i)") == 1


@pytest.mark.parametrize(
    "indices", ["i = Identity(x)", "c = Clip(x, zero) i = Sub(c, one)", "i = Range(one, zero, x)", "i = Mul(x, x)"]
)
def test_these_may_count_from_the_end(indices: str) -> None:
    assert embeddings(f"{indices} y = Gather(w, i)") == 0


def test_both_kinds_equal_onnxruntime() -> None:
    check_onnx(
        f"""g (int64[b, 5] x) => (float[b, 5, 2] y, float[b, 5, 2] u) <{TABLE}, int64 m = {{5}}> {{
        r = Mod(x, m) k = Sub(r, m) u = Gather(w, k) i = Clip(r, zero) y = Gather(w, i) }}"""
    )


def test_torch_embeddings_have_no_guard() -> None:
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.head = nn.Embedding(9, 4), nn.Linear(4, 9, bias=False)
            self.head.weight = self.words.weight
            self.types = nn.Embedding(2, 4)

        def forward(self, ids: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
            return self.head(self.words(ids) + self.types(types))

    conversion = converter.convert(Words().eval(), inputs=["ids=int64[batch,t]", "types=int64[batch,t]"])
    assert conversion.verified
    layers = [type(layer).__name__ for layer in conversion.model.layers]
    assert sorted(layers) == ["Add", "Embedding", "InputLayer", "InputLayer", "ReversibleEmbedding"]
