"""Padding from ONNX to Keras: the whole converter over the cases of padding_cases.py, and three worked examples."""

from __future__ import annotations

from collections import Counter
from operator import attrgetter

import onnx_ir as ir
import pytest
import torch

import converter
from converter.proof.compare import compare
from converter.proof.oracle import Oracle
from tests.harness import run_keras
from tests.op_checks import thinned
from tests.padding_packs import Pack, packs

WANTED = 3500


def test_the_enumeration_has_what_it_should() -> None:
    cases = [case for pack in packs() for case in pack.cases]
    assert len(cases) == len(set(cases)) > WANTED
    assert min(Counter((case.op_type, case.rank, case.sizes is None) for case in cases).values()) >= 25
    assert {case.auto_pad for case in cases} == {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"}
    for choose, every in (
        (lambda case: case.kernel[0], range(1, 6)),
        (lambda case: case.strides[0], range(1, 4)),
        (lambda case: case.dilations[0], range(1, 4)),
        (lambda case: case.group, (1, 2, 4)),
    ):
        assert {choose(case) for case in cases} == set(every)
    assert {size for case in cases for size in case.sizes or ()} == set(range(5, 17))
    for name in ("pads", "ceil_mode", "count_include_pad", "output_padding", "output_shape", "bias"):
        assert sum(bool(getattr(case, name)) for case in cases) > 100


FIXED = [pack for pack in packs() if pack.sizes is not None]
OPEN = [pack for pack in packs() if pack.sizes is None]
"""Two in three of them are slow here; test_split_pads.py has them all, without Keras."""


@pytest.mark.parametrize("pack", [*thinned(FIXED, attrgetter("name"), 1), *thinned(OPEN, attrgetter("name"), 3)])
def test_every_case_computes_the_same_in_keras(pack: Pack) -> None:
    conversion = converter.convert(ir.from_proto(pack.model()), verify=False, structure="flat")
    for sizes in pack.run_sizes[:3]:
        feeds = pack.feeds(sizes)
        expected = Oracle(ir.from_proto(pack.reference(sizes)), threads=1).run(feeds)
        for case, wanted, found in zip(pack.cases, expected, run_keras(conversion, feeds), strict=True):
            comparison = compare(wanted, found)
            assert comparison.passed, f"{case} at {sizes}: {comparison.reason}"


def same_as_torch(module: torch.nn.Module, *sizes: tuple[int, ...], dynamic: bool = False) -> list[str]:
    """Convert a module at each of these image sizes, or once for all of them; the layers of the last model."""
    module = module.eval()
    conversion = None
    for size in sizes:
        x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(sum(size)))
        if conversion is None or not dynamic:
            spatial = ",".join(["h", "w"] if dynamic else map(str, size))
            conversion = converter.convert(
                module, inputs=[f"x=float32[batch,3,{spatial}]"], verify=False, structure="flat"
            )
        (result,) = run_keras(conversion, {conversion.inputs[0].name: x.numpy()})
        with torch.no_grad():
            comparison = compare(module(x).numpy(), result)
        assert comparison.passed, f"{module} at {size}: {comparison.reason}"
    return [layer.__class__.__name__ for layer in conversion.model.layers[1:]]


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
def test_conv2d_3_16_3_stride_2_padding_1(dynamic: bool) -> None:
    sizes = [(10, 10), (11, 11), (20, 30), (50, 50), (100, 100)]
    module = torch.nn.Conv2d(3, 16, 3, stride=2, padding=1)
    assert same_as_torch(module, *sizes, dynamic=dynamic) == ["ZeroPadding2D", "Conv2D"]
    if not dynamic:
        assert same_as_torch(module, (11, 11)) == ["Conv2D"]


class Same(torch.nn.Module):
    """Every kernel and dilation next to each other."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = torch.nn.ModuleList(
            torch.nn.Conv2d(3, 4, kernel, padding="same", dilation=dilation)
            for kernel in (2, 3, 4, 5, (2, 3), (4, 1))
            for dilation in (1, 2, 3)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([convolution(x) for convolution in self.convolutions], dim=1)


def test_padding_same_with_even_and_odd_kernels_and_dilation() -> None:
    layers = same_as_torch(Same(), (7, 12), (16, 9), dynamic=True)
    assert layers == ["Conv2D"] * 18 + ["Concatenate"]


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
def test_padding_2_dilation_2(dynamic: bool) -> None:
    module = torch.nn.Conv2d(3, 4, 3, padding=2, dilation=2)
    assert same_as_torch(module, (5, 5), (8, 13), dynamic=dynamic) == ["Conv2D"]
