"""DFT and STFT where onnxruntime loses digits, as products with tables of cos and sin that are rounded once."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from passes.dims.polynomial import Dim
from passes.facts.onnxruntime import spectrum_length
from passes.graph.builder import Builder, FreshNames, first_input, sizes_of


def as_product(node: ir.Node, names: FreshNames) -> None:
    """Given    STFT(x, step, window)           x: [B, L]
    Result   Conv<strides=[step]>(x [B, 1, L], table · window), its axes as they were

    Given    DFT(x)                          x: [..., N, 2], of any axis
    Result   MatMul(x [..., 2N], table)

    Not of open lengths, nor of complex signals in an STFT.
    """
    if node.op_type == "STFT":
        _stft(node, names)
    else:
        _dft(node, names)


def _table(length: int, bins: int) -> np.ndarray:
    """exp(-2πi k n / N) [N, bins], k n modulo N."""
    turns = np.outer(np.arange(length), np.arange(bins)) % length
    table: np.ndarray = np.exp(-2j * np.pi * turns / length)
    return table


def _stft(node: ir.Node, names: FreshNames) -> None:
    x, length = first_input(node), spectrum_length(node)
    given = [*node.inputs, None, None][1:3]
    step, window = (
        None if value is None or value.const_value is None else value.const_value.numpy() for value in given
    )
    sizes = sizes_of(x) if x.shape is not None else []
    is_real = len(sizes) == 2 or (len(sizes) == 3 and sizes[2] == 1)
    if length is None or step is None or not is_real or x.dtype != ir.DataType.FLOAT:
        return
    if (given[1] is not None and window is None) or (window is not None and len(window) != length):
        return
    bins = length // 2 + 1 if node.attributes.get_int("onesided", 1) else length
    at, batch = Builder(node, names), sizes[0]
    table = _table(length, bins).T * (1.0 if window is None else window.astype(np.float64))
    kernel = np.concatenate([table.real, table.imag])[:, None].astype(np.float32)
    line = at.node("Reshape", [x, at.constant([0, 1, -1], "shape")], [batch, 1, sizes[1]])
    stride = {"strides": [int(step.reshape(-1)[0])]}
    y = at.node("Conv", [line, at.constant(kernel, "table")], [batch, 2 * bins, None], stride)
    apart = at.node("Reshape", [y, at.constant([0, 2, bins, -1], "shape")], [batch, 2, bins, None])
    at.replace(at.node("Transpose", [apart], [batch, None, bins, 2], {"perm": [0, 3, 2, 1]}))


def _dft(node: ir.Node, names: FreshNames) -> None:
    x, length = first_input(node), spectrum_length(node)
    if x.shape is None or length is None or x.dtype != ir.DataType.FLOAT:
        return
    told, sizes = [*node.inputs, None, None][2], sizes_of(x)
    rank, pair = len(sizes), sizes[-1]
    if told is not None and told.const_value is None:
        return
    axis = (int(told.const_value.numpy().reshape(-1)[0]) if told is not None and told.const_value else -2) % rank
    held, onesided, inverse = sizes[axis], *(node.attributes.get_int(name, 0) for name in ("onesided", "inverse"))
    if not isinstance(held, int) or not isinstance(pair, int):
        return
    bins = length // 2 + 1 if onesided else length
    at = Builder(node, names)
    table = np.zeros((held, bins), complex)
    table[: min(held, length)] = _table(length, bins)[:held]
    table = table.conj() / length if inverse else table
    both = np.stack([np.stack([table.real, table.imag], -1), np.stack([-table.imag, table.real], -1)], 1)[:, :pair]
    others = [place for place in range(rank - 1) if place != axis]
    order = [*others, axis, rank - 1]
    rest: list[Dim | None] = [sizes[place] for place in others]
    turned = at.node("Transpose", [x], [*rest, held, pair], {"perm": order})
    row = at.constant([*([0] * len(others)), held * pair], "shape")
    flat = at.node("Reshape", [turned, row], [*rest, held * pair])
    matrix = at.constant(both.reshape(held * pair, bins * 2).astype(np.float32), "table")
    product = at.node("MatMul", [flat, matrix], [*rest, bins * 2])
    apart = at.constant([*([0] * len(others)), bins, 2], "shape")
    back = [int(place) for place in np.argsort(order)]
    found: list[Dim | None] = [*rest, bins, 2]
    y = at.node("Reshape", [product, apart], found)
    at.replace(at.node("Transpose", [y], [found[place] for place in back], {"perm": back}))
