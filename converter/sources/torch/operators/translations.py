"""The operators of torch for which its exporter (2.13) has no ONNX form, or a wrong one, each with ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from converter.sources.torch.operators import (
    drawing,
    experts,
    joining,
    ordering,
    running,
    special,
    torchvision,
    windows,
)
from converter.sources.torch.operators.adaptive import adaptive_average, adaptive_maximum
from converter.sources.torch.operators.recurrent import rnn

aten, prims = torch.ops.aten, torch.ops.prims

TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    aten._adaptive_avg_pool2d.default: adaptive_average,
    aten._adaptive_avg_pool3d.default: adaptive_average,
    aten._cdist_forward.default: special.cdist,
    aten.adaptive_avg_pool1d.default: adaptive_average,
    aten.adaptive_avg_pool2d.default: adaptive_average,
    aten.adaptive_max_pool2d.default: adaptive_maximum,
    aten.adaptive_max_pool3d.default: adaptive_maximum,
    aten.bartlett_window.default: windows.bartlett,
    aten.bartlett_window.periodic: windows.bartlett,
    aten.cummax.default: running.cummax,
    aten.cummin.default: running.cummin,
    aten.cumprod.default: running.cumprod,
    aten.dstack.default: joining.dstack,
    aten.erfinv.default: special.erfinv,
    aten.floor_divide.default: special.floor_divide,
    aten.floor_divide.Scalar: special.floor_divide,
    aten.hamming_window.default: windows.hamming,
    aten.hamming_window.periodic: windows.hamming,
    aten.hamming_window.periodic_alpha: windows.hamming,
    aten.hamming_window.periodic_alpha_beta: windows.hamming,
    aten.hstack.default: joining.hstack,
    aten.hypot.default: special.hypot,
    aten.kaiser_window.beta: windows.kaiser,
    aten.kaiser_window.default: windows.kaiser,
    aten.kaiser_window.periodic: windows.kaiser,
    aten.kthvalue.default: ordering.kthvalue,
    aten.logcumsumexp.default: running.logcumsumexp,
    aten.median.default: ordering.median_of_all,
    aten.median.dim: ordering.median,
    aten.multinomial.default: drawing.multinomial,
    aten.prod.default: running.prod,
    aten.prod.dim_int: running.prod_along,
    aten.randperm.default: drawing.randperm,
    aten.remainder.Scalar: special.remainder,
    aten.rnn_relu.input: rnn("Relu"),
    aten.rnn_tanh.input: rnn("Tanh"),
    aten.rrelu_with_noise_functional.default: special.rrelu,
    aten.searchsorted.Tensor: ordering.searchsorted,
    aten.signbit.default: special.signbit,
    aten.uniform.default: drawing.uniform,
    aten.unfold_backward.default: joining.unfold_backward,
    aten.vstack.default: joining.vstack,
    prims.hypot.default: special.hypot,
    prims.signbit.default: special.signbit,
}

EXTENSIONS: dict[str, Callable[..., Any]] = {
    "torchvision::deform_conv2d": torchvision.deform_conv2d,
    "torchvision::nms": torchvision.nms,
    "torchvision::roi_align": torchvision.roi_align,
    "transformers::grouped_mm_fallback": experts.grouped_product,
}
"""Operators that other packages register when they are imported, compiled ones or ours."""


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """What the exporter is given: with those extensions that are there."""
    found = {}
    for name, translation in EXTENSIONS.items():
        library, _, operator = name.partition("::")
        packet = getattr(getattr(torch.ops, library), operator, None)
        if packet is not None:
            found[packet.default] = translation
    return TRANSLATIONS | found
