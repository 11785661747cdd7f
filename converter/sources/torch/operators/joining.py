"""Tensors side by side, and frames one after the other. torch's exporter writes loops over lists, and other numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onnxscript import opset18 as op

from converter.sources.torch.operators.written import ints


def hstack(tensors: Sequence[Any]) -> Any:
    """Along the second axis, or the only one."""
    parts = [_at_least(tensor, 1) for tensor in tensors]
    return op.Concat(*parts, axis=0 if len(tensors[0].shape) <= 1 else 1)


def vstack(tensors: Sequence[Any]) -> Any:
    """Along the first axis, of rows at least."""
    return op.Concat(*(_at_least(tensor, 2) for tensor in tensors), axis=0)


def dstack(tensors: Sequence[Any]) -> Any:
    """Along the third axis."""
    return op.Concat(*(_at_least(tensor, 3) for tensor in tensors), axis=2)


def _at_least(x: Any, rank: int) -> Any:
    """x as numpy's atleast_1d, 2d and 3d have it: [n] is [1, n] and [1, n, 1], [n, m] is [n, m, 1]."""
    new = {0: range(rank), 1: [0, 2][: rank - 1], 2: range(2, rank)}.get(len(x.shape), ())
    return op.Unsqueeze(x, ints(*new)) if new else x


def unfold_backward(frames: Any, input_sizes: Sequence[Any], dim: int, size: int, step: int) -> Any:
    """The sum of overlapping frames [..., n, size], each `step` behind the one before: the end of an inverse STFT."""
    if dim % len(input_sizes) != len(input_sizes) - 1 or not isinstance(input_sizes[-1], int):
        raise NotImplementedError("frames along another axis than the last, or to an open length")
    rows = op.Reshape(frames, op.Concat(ints(-1), op.Shape(frames, start=-2), axis=0))
    whole = op.Col2Im(op.Transpose(rows, perm=[0, 2, 1]), ints(1, input_sizes[-1]), ints(1, size), strides=[1, step])
    return op.Reshape(whole, op.Concat(op.Shape(frames, end=-2), ints(input_sizes[-1]), axis=0))
