"""Recurrent operators stay whole in a trace, so that time may be open.

torch follows one of them through its cells, step by step: a graph as long as the example, and no other length. While
`whole()` lasts, it is asked for the shapes only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from onnxscript import opset18 as op
from torch._C import DispatchKey
from torch._decomp import decomposition_table

aten = torch.ops.aten

_KEYS = (DispatchKey.Autograd, DispatchKey.CompositeImplicitAutograd)


@contextlib.contextmanager
def whole() -> Iterator[None]:
    """Shapes in the place of cells, for as long as this lasts.

    torch looks for cells at two places: while a module is traced, and for tensors of open sizes without numbers.
    """
    tables: list[tuple[dict[Any, Any], Any, Callable[..., Any]]] = []
    for operator, shapes in _SHAPES.items():
        kernel = _with_shapes(shapes, decomposition_table[operator])
        tables += [(decomposition_table, operator, kernel), *((operator.py_kernels, key, kernel) for key in _KEYS)]
    before = [table[key] for table, key, _ in tables]
    try:
        _put(tables)
        yield
    finally:
        _put([(table, key, kernel) for (table, key, _), kernel in zip(tables, before, strict=True)])


def _put(tables: Sequence[tuple[dict[Any, Any], Any, Callable[..., Any]]]) -> None:
    for table, key, kernel in tables:
        table[key] = kernel
    for operator in _SHAPES:
        operator._dispatch_cache.clear()


def _with_shapes(shapes: Callable[..., Any], cells: Callable[..., Any]) -> Callable[..., Any]:
    """`shapes` for what can be told whole: projections of an LSTM's state cannot."""

    def kernel(x: torch.Tensor, states: Any, params: Sequence[torch.Tensor], has_biases: bool, *others: Any) -> Any:
        is_plain = len(params) == (4 if has_biases else 2) * others[0] * (2 if others[3] else 1)
        return (shapes if is_plain else cells)(x, states, params, has_biases, *others)

    return kernel


def _lstm(x: torch.Tensor, states: Sequence[torch.Tensor], *others: Any) -> tuple[torch.Tensor, ...]:
    return *_of_one_state(x, states[0], *others), torch.empty_like(states[1])


def _of_one_state(
    x: torch.Tensor,
    h: torch.Tensor,
    params: Sequence[torch.Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """y [T, N, D·H] or [N, T, D·H], and the last state [L·D, N, H]."""
    return x.new_empty((*x.shape[:2], h.shape[-1] * (2 if bidirectional else 1))), torch.empty_like(h)


_SHAPES: dict[torch._ops.OpOverload, Callable[..., Any]] = {
    aten.lstm.input: _lstm,
    aten.gru.input: _of_one_state,
    aten.rnn_tanh.input: _of_one_state,
    aten.rnn_relu.input: _of_one_state,
}


def rnn(activation: str) -> Callable[..., Any]:
    """The translation of rnn_tanh and rnn_relu, as torch's exporter has one for lstm and gru."""

    def translated(
        x: Any,
        states: Any,
        params: Sequence[Any],
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        batch_first: bool,
    ) -> Any:
        directions, each = 2 if bidirectional else 1, 4 if has_biases else 2
        y, last = op.Transpose(x, perm=[1, 0, 2]) if batch_first else x, []
        for layer in range(num_layers):
            first = layer * directions
            kernel, hidden, bias = _of_layer(params[first * each : (first + directions) * each], each)
            state = op.Slice(states, [first], [first + directions], [0])
            every, h = op.RNN(
                y,
                kernel,
                hidden,
                bias,
                None,
                state,
                activations=[activation] * directions,
                direction="bidirectional" if bidirectional else "forward",
                hidden_size=states.shape[2],
            )
            y = op.Reshape(op.Transpose(every, perm=[0, 2, 1, 3]), [0, 0, -1])
            last.append(h)
        return (op.Transpose(y, perm=[1, 0, 2]) if batch_first else y), op.Concat(*last, axis=0)

    return translated


def _of_layer(params: Sequence[Any], each: int) -> tuple[Any, Any, Any]:
    """W [D, H, I], R [D, H, H] and B [D, 2·H] of one layer's directions."""

    def stacked(values: Sequence[Any]) -> Any:
        return op.Concat(*(op.Unsqueeze(value, [0]) for value in values), axis=0)

    directions = [params[start : start + each] for start in range(0, len(params), each)]
    biases = [op.Concat(*direction[2:], axis=0) for direction in directions if each > 2]
    kernels, hidden = ([direction[place] for direction in directions] for place in (0, 1))
    return stacked(kernels), stacked(hidden), stacked(biases) if biases else None
