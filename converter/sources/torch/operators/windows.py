"""Windows of a signal. Of torch's exporter a Hamming window has other coefficients than torch's."""

from __future__ import annotations

import math
from typing import Any

import onnx_ir as ir
import torch
from onnxscript import opset18 as op

from converter.sources.torch.operators.written import ints, like, places


def hamming(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, dtype: int = -1, **_: Any
) -> Any:
    """α - β · cos(2π n / N), N the length or, for a window that is not periodic, one less."""
    place = op.Cast(places(ints(window_length)), to=_type(dtype))
    angle = op.Mul(place, like(2 * math.pi / max(window_length - (not periodic), 1), place))
    return op.Sub(like(alpha if window_length > 1 else 1.0 + beta, place), op.Mul(like(beta, place), op.Cos(angle)))


def kaiser(window_length: int, periodic: bool = True, beta: float = 12.0, dtype: int = -1, **_: Any) -> Any:
    """I₀(β √(1 - (2n / N - 1)²)) / I₀(β), as numbers: ONNX has no Bessel function."""
    window = torch.kaiser_window(window_length, periodic, beta)
    return op.Cast(op.Constant(value=ir.tensor(window.numpy())), to=_type(dtype))


def bartlett(window_length: int, periodic: bool = True, dtype: int = -1, **_: Any) -> Any:
    """1 - |2n / N - 1|."""
    place = op.Cast(places(ints(window_length)), to=_type(dtype))
    share = op.Mul(place, like(2 / max(window_length - (not periodic), 1), place))
    one = like(1.0, place)
    return op.Sub(one, op.Abs(op.Sub(share, one)))


def _type(dtype: int) -> ir.DataType:
    return ir.DataType.FLOAT if dtype in (-1, None) else ir.DataType(dtype)
