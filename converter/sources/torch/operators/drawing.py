"""Operators that draw random numbers in a form that torch's exporter (2.13) does not have, or writes wrongly."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir
from onnxscript import opset18 as op

from converter.sources.torch.operators.written import ints


def multinomial(p: Any, num_samples: int, replacement: bool = False, generator: Any = None) -> Any:
    """Which of the last axis are drawn; without replacement none twice, which the exporter does not see to.

    The k greatest of log p and Gumbel noise are a sample of k without replacement, in the order of drawing.
    """
    scores = op.Log(p)
    if not replacement and num_samples > 1:
        u = op.RandomUniformLike(scores)
        _, places = op.TopK(op.Sub(scores, op.Log(op.Neg(op.Log(u)))), ints(num_samples), axis=-1)
        return places
    if len(p.shape) > 1:
        return op.Multinomial(scores, sample_size=num_samples, dtype=ir.DataType.INT64)
    row = op.Multinomial(op.Unsqueeze(scores, ints(0)), sample_size=num_samples, dtype=ir.DataType.INT64)
    return op.Squeeze(row, ints(0))


def randperm(n: Any, dtype: int = -1, layout: Any = None, device: Any = None, pin_memory: Any = None) -> Any:
    """The order in which random numbers are."""
    count = ints(n) if isinstance(n, int) else op.Reshape(n, ints(1))
    u = op.RandomUniformLike(op.Expand(op.Constant(value_float=0.0), count))
    _, places = op.TopK(u, count)
    return places if dtype in (-1, ir.DataType.INT64) else op.Cast(places, to=dtype)


def uniform(x: Any, low: float = 0.0, high: float = 1.0, generator: Any = None) -> Any:
    """As many numbers as x has, evenly between two."""
    return op.RandomUniformLike(x, low=low, high=high)
