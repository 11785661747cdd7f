"""Expands before operators that broadcast."""

from __future__ import annotations

import pytest
import torch

import converter
from passes.shapes.infer import InferShapes
from passes.simplify.needless_expands import RemoveNeedlessExpands
from passes.simplify.unused import RemoveUnused
from tests.harness import check_pass, graph, operators


def left(body: str, inputs: str, constants: str, *, modified: bool) -> list[str]:
    model = graph(f"g ({inputs}) => (float[p, q, r] y) <{constants}> {{ {body} }}")
    InferShapes()(model)
    found = check_pass(RemoveNeedlessExpands(), model, sizes={"b": (1, 3), "t": (1, 4)}, modified=modified)
    RemoveUnused()(found)
    return operators(found)


X = "float[b, t, 6] x, float[b, t, 1] n"
LIKE = "s = Shape(x)  e = Expand(n, s)"


@pytest.mark.parametrize("body", ["y = Div(x, e)", "y = Mul(e, x)", "z = Add(x, x)  y = Sub(z, e)"])
def test_another_operand_is_as_large(body: str) -> None:
    assert "Expand" not in left(f"{LIKE}  {body}", X, "int64 unused = {0}", modified=True)


@pytest.mark.parametrize(
    ("body", "constants"),
    [
        (f"{LIKE}  y = Relu(e)", "int64 unused = {0}"),
        (f"{LIKE}  y = Mul(e, n)", "int64 unused = {0}"),
        ("e = Expand(n, wide)  y = Mul(n, e)", "int64[3] wide = {1, 1, 6}"),
    ],
)
def test_nothing_else_is_as_large(body: str, constants: str) -> None:
    assert "Expand" in left(body, X, constants, modified=False)


def test_cosine_attention_needs_no_transposes() -> None:
    class Cosine(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv, self.out = torch.nn.Linear(8, 24), torch.nn.Linear(8, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            q, k, v = self.qkv(x).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
            q, k = (torch.nn.functional.normalize(each, dim=-1) for each in (q, k))
            y = (10 * q @ k.transpose(-1, -2)).softmax(-1) @ v
            return self.out(y.transpose(1, 2).flatten(2))

    report = converter.convert(Cosine().eval(), example_inputs=torch.rand(2, 5, 8)).report
    assert report.verification is not None and report.verification["passed"]
    assert report.transposes == 0
    assert "Expand" not in report.operators
