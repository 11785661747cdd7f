"""Sums and products of what is found up to each place along an axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

from converter.backends.keras.build.registry import op
from converter.backends.keras.ops.axes import constant_ints


def _running(function: Callable[..., Any], first: int) -> Any:
    def running(x: Any, axis: Any, *, exclusive: int = 0, reverse: int = 0, name: str) -> Any:
        where = constant_ints(axis)[0]
        if reverse:
            x = ops.flip(x, axis=where)
        total = function(x, axis=where)
        if exclusive:  # less x it would be rounded: what cancels is as large as the sum
            before: list[Any] = [slice(None)] * (where % len(x.shape))
            width = [(int(axis == len(before)), 0) for axis in range(len(x.shape))]
            total = ops.pad(total[(*before, slice(None, -1))], width, constant_values=first)
        return ops.flip(total, axis=where) if reverse else total

    return running


op("CumSum")(_running(ops.cumsum, 0))
op("keraport::CumProd")(_running(ops.cumprod, 1))
