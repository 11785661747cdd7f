"""Products of matrices that are written as Einsum."""

from __future__ import annotations

import pytest
import torch

import converter
from passes.normalize.einsum import Contraction, NormalizeEinsum, contraction_of
from passes.shapes.infer import InferShapes
from tests.harness import check_pass, graph, operators


@pytest.mark.parametrize(
    ("equation", "product"),
    [
        ("ij,jk->ik", Contraction(False, False)),
        ("bhid,bhjd->bhij", Contraction(False, True)),
        ("B G H I J, B G H J D -> B G H I D", Contraction(False, False)),
        ("bki,bkj->bij", Contraction(True, False)),
        ("bki,bjk->bij", Contraction(True, True)),
        ("bij,bjk->bki", None),  # the other way round
        ("bij,jk->bik", None),
        ("ibj,bjk->bik", None),
        ("bij,bij->bij", None),
        ("bij,bik->bjk", Contraction(True, False)),
        ("bii,bij->bij", None),
        ("bij,bjk->bi", None),
        ("...ij,...jk->...ik", None),
        ("ij->ji", None),
        ("ij,jk", None),
    ],
)
def test_which_equations_are_products(equation: str, product: Contraction | None) -> None:
    assert contraction_of(equation) == product


@pytest.mark.parametrize(
    ("equation", "a", "b", "y"),
    [
        ("bij,bjk->bik", "b, 3, 4", "b, 4, 5", "b, 3, 5"),
        ("bij,bkj->bik", "b, 3, 4", "b, 5, 4", "b, 3, 5"),
        ("bji,bjk->bik", "b, 4, 3", "b, 4, 5", "b, 3, 5"),
        ("bji,bkj->bik", "b, 4, 3", "1, 5, 4", "b, 3, 5"),
    ],
)
def test_they_are_written_as_such(equation: str, a: str, b: str, y: str) -> None:
    model = graph(f'g (float[{a}] a, float[{b}] c) => (float[{y}] y) {{ y = Einsum<equation="{equation}">(a, c) }}')
    InferShapes()(model)
    found = check_pass(NormalizeEinsum(), model, sizes={"b": (1, 3)}, modified=True)
    assert operators(found)[-1] == "MatMul"
    assert operators(found).count("Transpose") == equation.startswith("bji") + equation.endswith("bkj->bik")


def test_others_stay() -> None:
    model = graph('g (float[b, 3] a, float[b, 3] c) => (float[b, 3] y) { y = Einsum<equation="bi,bi->bi">(a, c) }')
    InferShapes()(model)
    check_pass(NormalizeEinsum(), model, sizes={"b": (2,)}, modified=False)


@pytest.mark.parametrize("windows", [4, 1])
def test_windowed_attention_by_einsum_is_attention(windows: int) -> None:
    class Windows(torch.nn.Module):
        """As in torchvision's MaxViT: heads in windows, a table of relative positions."""

        def __init__(self) -> None:
            super().__init__()
            self.qkv, self.out = torch.nn.Linear(8, 24), torch.nn.Linear(8, 8)
            self.bias = torch.nn.Parameter(torch.rand(2, 9, 9))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            b, g, p, d = x.shape
            q, k, v = (each.reshape(b, g, p, 2, 4).permute(0, 1, 3, 2, 4) for each in self.qkv(x).chunk(3, -1))
            scores = torch.einsum("bghid,bghjd->bghij", q, 0.5 * k)
            y = torch.einsum("bghij,bghjd->bghid", torch.softmax(scores + self.bias, -1), v)
            return self.out(y.permute(0, 1, 3, 2, 4).reshape(b, g, p, d))

    report = converter.convert(Windows().eval(), example_inputs=torch.rand(2, windows, 9, 8)).report
    assert report.verification is not None and report.verification["passed"]
    assert report.transposes == 0
