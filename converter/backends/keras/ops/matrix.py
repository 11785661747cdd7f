"""Products and attention."""

from __future__ import annotations

from string import ascii_lowercase
from typing import Any

import numpy as np
from keras import layers, ops

from converter.backends.keras.build.operands import operand, operands
from converter.backends.keras.build.registry import op
from converter.backends.keras.build.sums import add
from converter.backends.keras.build.weights import ConstantInput, with_weights
from converter.backends.keras.ops.normalization import decimal
from converter.backends.keras.ops.spatial.convolution import require_constant


@op("keraport::Dense")
def dense(x: Any, kernel: Any, bias: Any = None, *, name: str) -> Any:
    """y[…, n] = Σₖ x[…, k] kernel[k, n] + bias[n]."""
    require_constant(kernel, bias)
    if x.shape[-1] is None:  # it has to be that of the kernel, but a layer is made for a size that is known
        kernel, bias = operand(kernel, x, name=name), operand(bias, x, name=name)
        y = ops.matmul(x, kernel)
        return y if bias is None else add(y, bias)
    layer = layers.Dense(kernel.shape[1], use_bias=bias is not None, name=name, dtype=x.dtype)
    return with_weights(layer, x, kernel=kernel, bias=bias)


@op("keraport::EinsumDense")
def einsum_dense(x: Any, kernel: Any, bias: Any = None, *, equation: str, name: str) -> Any:
    """Sums of products by letters, and a bias that broadcasts: of letters of the result that the kernel has, too."""
    require_constant(kernel, bias)
    (first, second), result = equation.partition("->")[0].split(","), equation.partition("->")[2]
    given = dict(zip(first, x.shape, strict=True))
    size = {**given, **dict(zip(second, kernel.shape, strict=True))}
    if any(given[letter] is None for letter in first if letter in second):  # as for a Dense
        kernel, bias = operand(kernel, x, name=name), operand(bias, x, name=name)
        y = ops.einsum(equation, x, kernel)
        return y if bias is None else add(y, bias)
    axes = None
    if bias is not None:
        sizes = zip(result[-len(bias.shape) :], bias.shape, strict=True)
        axes = "".join(letter for letter, count in sizes if letter in second and size[letter] == count)
    shape = [size[letter] for letter in result[1:]]
    layer = layers.EinsumDense(equation, shape, bias_axes=axes, name=name, dtype=x.dtype)
    return with_weights(layer, x, kernel=kernel, bias=bias)


@op("MatMul")
def matmul(a: Any, b: Any, *, name: str) -> Any:
    return ops.matmul(*operands(a, b, name=name))


@op("Gemm")
def gemm(
    a: Any,
    b: Any,
    c: Any = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
    name: str,
) -> Any:
    """α·A·B + β·C, where both matrices are computed; one with constant weights has become a Dense."""
    live = next(v for v in (a, b) if not isinstance(v, ConstantInput))
    a, b = operands(a, b, name=name)
    y = ops.matmul(ops.transpose(a) if transA else a, ops.transpose(b) if transB else b)
    if alpha != 1:
        y = ops.multiply(y, decimal(alpha))
    if c is None:
        return y
    bias = operand(c, live, name=name)
    return add(y, bias if beta == 1 else ops.multiply(bias, decimal(beta)))


@op("Det")
def determinant(x: Any, *, name: str) -> Any:
    """[…, n, n] → […]"""
    return ops.det(x)


@op("Einsum")
def einsum(*values: Any, equation: str, name: str) -> Any:
    return ops.einsum(_in_small_letters(equation.replace(" ", "")), *operands(*values, name=name))


def _in_small_letters(equation: str) -> str:
    """Keras (3.15) knows no others: a capital becomes a small letter that is not in use."""
    unused = (letter for letter in ascii_lowercase if letter not in equation)
    capitals = sorted({letter for letter in equation if letter.isupper()})
    return equation.translate({ord(capital): next(unused) for capital in capitals})


@op("keraport::DotProductAttention")
def dot_product_attention(
    q: Any, k: Any, v: Any, mask: Any = None, *, scale: float, is_causal: int = 0, name: str
) -> Any:
    """softmax(q·kᵀ·scale + bias)·v on [B, T, H, D]. A boolean mask says which keys are seen.

    Where queries have more heads, several of them share the keys and values of one. A query that sees no key gets 0,
    as the standard has it; Keras (3.15) gives it the mean of all values.
    """
    q, k, v = operands(q, k, v, name=name)
    is_mask = mask is not None and mask.dtype == "bool"
    if mask is not None:
        mask = _with_four_axes(operand(mask, q, name=name))
    if is_mask and is_causal:
        mask, is_causal = ops.logical_and(mask, _before(q, k)), 0
    shared = q.shape[2] // k.shape[2]
    if shared > 1:
        k, v = ops.repeat(k, shared, axis=2), ops.repeat(v, shared, axis=2)
    width, size = v.shape[-1], max(q.shape[-1], v.shape[-1])
    y = ops.dot_product_attention(
        _widened(q, size),
        _widened(k, size),
        _widened(v, size),
        bias=None if is_mask else mask,
        mask=mask if is_mask else None,
        scale=decimal(scale),
        is_causal=bool(is_causal),
    )
    y = y if width == size else y[..., :width]
    return _zero_where_nothing_is_seen(y, mask) if is_mask else y


def _before(q: Any, k: Any) -> Any:
    """[1, 1, T, S]: whether a key stands at the place of the query or before it."""
    rows, columns = (ops.cumsum(ops.ones_like(x[:1, :, 0, 0], dtype="int32"), axis=1) for x in (q, k))
    return ops.greater_equal(ops.expand_dims(rows, (1, 3)), ops.expand_dims(columns, (1, 2)))


def _zero_where_nothing_is_seen(y: Any, mask: Any) -> Any:
    """[B, T, H, D] with zeros in the rows for which the mask [B, H, T, S] is false throughout."""
    if isinstance(mask, np.ndarray):
        seen = np.transpose(mask.any(axis=-1, keepdims=True), (0, 2, 1, 3))
        return y if seen.all() else ops.multiply(y, seen.astype(y.dtype))
    seen = ops.any(mask, axis=-1, keepdims=True)
    if mask.shape[1] == 1:  # the same for all heads: nothing changes places
        seen = ops.expand_dims(ops.squeeze(seen, 1), -1)
    else:
        seen = ops.transpose(seen, (0, 2, 1, 3))
    return ops.multiply(y, ops.cast(seen, y.dtype))


def _widened(x: Any, size: int) -> Any:
    """Zeros up to this size of a head: Keras (3.15) gives the result the shape of the queries, not of the values.

    They change neither the scores nor the columns that are kept.
    """
    missing = size - x.shape[-1]
    return ops.pad(x, ((0, 0), (0, 0), (0, 0), (0, missing))) if missing else x


def _with_four_axes(mask: Any) -> Any:
    missing = 4 - len(mask.shape)
    if isinstance(mask, np.ndarray):
        return mask.reshape((1,) * missing + mask.shape)
    return ops.expand_dims(mask, tuple(range(missing))) if missing else mask
