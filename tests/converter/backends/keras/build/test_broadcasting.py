"""Operands that broadcast along more runs of axes than TensorFlow takes are written out along some."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import converter
from tests.harness import check_onnx

X = "float[b,4,5,4,5,3] x"


@pytest.mark.parametrize("operator", ["Add", "Mul", "Sub", "Div", "Max"])
def test_a_constant_along_every_other_axis(operator: str) -> None:
    numbers = ", ".join(map(str, range(1, 49)))
    check_onnx(
        f"g ({X}) => (float[b,4,5,4,5,3] y) <float[4,1,4,1,3] c = {{{numbers}}}> {{ y = {operator}(x, c) }}",
        sizes={"b": (1, 3)},
    )


@pytest.mark.parametrize("operator", ["Less", "GreaterOrEqual"])
def test_tensors_of_which_both_are_repeated(operator: str) -> None:
    check_onnx(
        f"g (float[2,1,3,1,2,1,b] x, float[1,3,3,2,2,4,b] z) => (bool[2,3,3,2,2,4,b] y) {{ y = {operator}(x, z) }}",
        sizes={"b": (1, 5)},
    )


def test_three_that_are_joined() -> None:
    check_onnx(
        f"g ({X}, float[4,1,4,1,3] z, float[4,1,1,5,1] w) => (float[b,4,5,4,5,3] y) {{ y = Sum(x, z, w) }}",
        sizes={"b": (1, 3)},
    )


def test_a_table_of_places_within_patches_is_still_trained() -> None:
    class Pixels(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.places = nn.Parameter(torch.rand(1, 3, 4, 4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            patches = nn.functional.unfold(x, 4, stride=4).transpose(1, 2).reshape(-1, 3, 4, 4)
            return (patches + self.places).reshape(x.shape[0], 4, -1).mean(1)

    conversion = converter.convert(Pixels().eval(), inputs=["x=float32[batch,3,8,8]"])
    assert conversion.verified
    assert conversion.report.trainable_parameters == 48


def test_five_runs_are_left_as_they_are() -> None:
    model = check_onnx("g (float[b,4,5,4,3] x, float[4,1,4,1] z) => (float[b,4,5,4,3] y) { y = Add(x, z) }").model
    assert "Repeat" not in {type(operation).__name__ for operation in model.operations}
