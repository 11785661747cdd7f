"""Operators for which torch's exporter has no ONNX form, or a wrong one: converted, and equal to the module."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import converter

Function = Callable[..., Any]


class Applies(nn.Module):
    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x)


def written(x: torch.Tensor) -> torch.Tensor:
    y = x * 2
    y[y < 0] = 0.1
    y[y[:, 0] > 1] = -1.0
    return y


FUNCTIONS: dict[str, tuple[Function, str]] = {
    "prod": (lambda x: (x.prod(1), x.prod(), x.prod(-1, keepdim=True)), "float32[batch,4,3]"),
    "cumprod": (lambda x: (x.cumprod(-1), x.cumprod(1)), "float32[batch,4,t]"),
    "integers": (lambda x: (x.prod(1), x.cumprod(1)), "int32[batch,5]"),
    "erfinv": (lambda x: torch.erfinv(x.tanh() * 0.999), "float32[batch,40]"),
    "ends of erfinv": (lambda x: torch.erfinv(x.sign()), "float32[batch,4]"),
    "adaptive_3d": (nn.AdaptiveAvgPool3d((None, 1, 2)), "float32[batch,2,5,6,7]"),
    "divisor": (nn.AvgPool2d(3, 2, 1, divisor_override=7), "float32[batch,2,h,w]"),
    "a mask": (written, "float32[batch,6]"),
    "area": (partial(F.interpolate, scale_factor=0.5, mode="area"), "float32[batch,4,h,w]"),
    "rrelu": (nn.RReLU(), "float32[batch,6]"),
    "running": (lambda x: (*x.cummax(1), *torch.cummin(x, 2), x.logcumsumexp(1)), "float32[batch,t,3]"),
    "medians": (lambda x: (*x.median(1), x.median(), *x.median(2, keepdim=True)), "float32[batch,t,4]"),
    "kthvalue": (lambda x: x.kthvalue(2, dim=1), "float32[batch,5,3]"),
    "sort": (lambda x: (*x.sort(1), *x.sort(1, descending=True)), "float32[batch,t,3]"),
    "searchsorted": (lambda x: torch.searchsorted(torch.tensor([-0.5, 0.0, 0.5]), x), "float32[batch,5]"),
    "hypot": (lambda x: torch.hypot(x * 1e20, x.flip(1) * 1e20), "float32[batch,5]"),
    "copysign": (lambda x: (torch.copysign(x, x.flip(1)), torch.signbit(x)), "float32[batch,5]"),
    "from a number": (lambda x: 1.0 - x, "int64[batch,5]"),
    "parts of open sizes": (
        lambda x: (
            *torch.split(torch.cat([x, x.flip(1)], 1), [x.shape[1], x.shape[1]], 1),
            *x.chunk(2, 1),
            x.split(2, 1)[0],
        ),
        "float32[batch,t,3]",
    ),
    "an einsum of three": (
        lambda x: torch.einsum("btc,bcd,bt->btd", x, torch.einsum("btc,btd->bcd", x, x), x.sum(-1)),
        "float32[batch,t,3]",
    ),
    "counts in floats": (
        lambda x: x * torch.arange(1, 6.0) - torch.arange(x.shape[1] - 1, -1, -1.0),
        "float32[batch,5]",
    ),
    "open counts in floats": (lambda x: x * torch.arange(x.shape[1] - 1, -1, -1.0), "float32[batch,t]"),
    "bits": (lambda x: (x & 3 | x) ^ 5, "int64[batch,6]"),
    "stacks": (lambda x: (torch.hstack([x, x]), torch.vstack([x, x]), torch.dstack([x, x])), "float32[batch,5]"),
    "by a size": (
        lambda x: (x.argmax(-1) // x.shape[-1], (x.argmax(-1) + 7) % x.shape[-1], x.remainder(x.shape[-1])),
        "float32[batch,t]",
    ),
    "linspace": (
        lambda x: x * torch.linspace(-1, 1, x.shape[2]) + torch.linspace(0, x.shape[1] - 1, x.shape[1])[:, None],
        "float32[batch,h,w]",
    ),
    "unfold": (lambda x: (x.unfold(1, 6, 2) * torch.hamming_window(6)).mean(-1), "float32[batch,length]"),
    "windows": (
        lambda x: (
            x * torch.hamming_window(16, periodic=False),
            x * torch.hamming_window(16, periodic=True, alpha=0.5, beta=0.4),
            x * torch.kaiser_window(16),
            x * torch.bartlett_window(16),
            x * torch.bartlett_window(16, periodic=False),
        ),
        "float32[batch,16]",
    ),
    "inverse spectra": (
        lambda x: (torch.fft.irfft(torch.fft.rfft(x), n=15), torch.fft.ifft(torch.fft.fft(x)).real),
        "float32[batch,3,15]",
    ),
    "open spectra": (lambda x: torch.fft.fft(torch.fft.fft(x), dim=1).real, "float32[batch,t,8]"),
    "istft": (
        lambda x: torch.istft(
            torch.stft(x, 16, 4, window=torch.hann_window(16), return_complex=True),
            16,
            4,
            window=torch.hann_window(16),
            length=64,
        ),
        "float32[batch,64]",
    ),
    "smaller without aliases": (
        partial(F.interpolate, size=(4, 4), mode="bilinear", antialias=True),
        "float32[batch,4,7,9]",
    ),
    **{
        f"adaptive {name} {size} of {spec}": (pool, f"float32[batch,3,{spec}]")
        for spec in ("7,9", "6,8", "h,w")
        for size in ((3, 2),)
        for name, pool in (("mean", nn.AdaptiveAvgPool2d(size)), ("max", nn.AdaptiveMaxPool2d(size, True)))
    },
    "strips": (
        lambda x: F.adaptive_avg_pool2d(x, (None, 1)) * F.adaptive_avg_pool2d(x, (1, None)),
        "float32[batch,3,h,w]",
    ),
    "adaptive_1d": (nn.AdaptiveAvgPool1d(4), "float32[batch,3,t]"),
    **{
        f"cdist {p}": (lambda x, p=p: torch.cdist(x[:, :4], x[:, 4:], p=p), "float32[batch,7,3]")
        for p in (2.0, 2.5, float("inf"))
    },
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_equals_the_module(name: str) -> None:
    function, spec = FUNCTIONS[name]
    assert converter.convert(Applies(function), inputs=[f"x={spec}"]).verified


POOLS = {
    "plain": nn.MaxPool2d(2, return_indices=True),
    "overlapping": nn.MaxPool2d(3, 2, 1, return_indices=True),
    "wide": nn.MaxPool2d((2, 3), (3, 1), (1, 0), return_indices=True),
    "dilated": nn.MaxPool2d(2, 2, dilation=2, return_indices=True),
    "ceil": nn.MaxPool2d(2, 2, ceil_mode=True, return_indices=True),
}


@pytest.mark.parametrize("name", POOLS)
def test_where_the_greatest_lies(name: str) -> None:
    assert converter.convert(POOLS[name], inputs=["x=float32[batch,3,7,9]"]).verified


def test_what_was_pooled_goes_back() -> None:
    class Unpools(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2)

    assert converter.convert(Unpools(), inputs=["x=float32[batch,3,8,6]"]).verified


def test_each_row_by_the_matrix_of_its_group() -> None:
    moe = pytest.importorskip("transformers.integrations.moe")
    assert moe is not None

    class Experts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = nn.Parameter(torch.randn(4, 3, 5))
            self.register_buffer("ends", torch.tensor([2, 2, 5, 7]))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.ops.transformers.grouped_mm_fallback(x, self.weights, self.ends)

    assert converter.convert(Experts().eval(), inputs=["x=float32[7,3]"]).verified


def test_boxes() -> None:
    def keep(x: torch.Tensor, threshold: float) -> torch.Tensor:
        from torchvision.ops import nms

        corners = torch.cat([x[:, :2], x[:, :2] + x[:, 2:4].abs()], 1)
        return nms(corners, x[:, 4], threshold)

    conversion = converter.convert(Applies(partial(keep, threshold=0.3)), inputs=["x=float32[30,5]"])
    assert conversion.verified
    told = conversion.report.to_dict()
    assert told["backends"] == ["tensorflow", "torch"] and not told["portable"]


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("samples", [2, -1])
def test_regions(aligned: bool, samples: int) -> None:
    """Some lie outside of the image, where torchvision's form in Python takes the border, unlike the operator."""

    def cut(x: torch.Tensor) -> torch.Tensor:
        from torchvision.ops import roi_align

        rois = torch.tensor([[0, 1.0, 2.0, 9.0, 8.0], [1, 0.0, 0.0, 4.0, 4.5], [1, -9.0, 4.0, 20.0, 30.0]])
        return roi_align(x, rois, (3, 2), 0.5, samples, aligned)

    conversion = converter.convert(Applies(cut), inputs=["x=float32[2,4,6,7]"])
    assert conversion.verified
    assert "nhwc::RoiAlign" in conversion.report.operators


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_reading_and_writing_at_indices(dtype: torch.dtype) -> None:
    """ONNX has indices of 64 bits alone where several axes are meant."""

    class Moves(nn.Module):
        def forward(self, x: torch.Tensor, i: torch.Tensor, j: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            written = x.clone()
            written[i, j] = 1.0
            return x[i[:, None], j[None]], written

    example = (torch.randn(4, 5, 3), torch.tensor([1, 3], dtype=dtype), torch.tensor([2, 0], dtype=dtype))
    assert converter.convert(Moves(), example_inputs=example).verified


@pytest.mark.parametrize("masked", [True, False])
def test_a_deformable_convolution(masked: bool) -> None:
    class Deforms(nn.Module):
        def __init__(self) -> None:
            from converter.sources.torchvision_import import import_torchvision

            import_torchvision()
            from torchvision.ops import DeformConv2d

            super().__init__()
            self.moves, self.weighs = nn.Conv2d(4, 36, 3, padding=1), nn.Conv2d(4, 18, 3, padding=1)
            self.conv = DeformConv2d(4, 6, 3, padding=1, groups=2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(x, self.moves(x), self.weighs(x).sigmoid() if masked else None)

    assert converter.convert(Deforms(), inputs=["x=float32[batch,4,6,7]"]).verified
