"""Products with weights of few bits, in blocks, as onnxruntime's quantiser of language models writes them.

    W[k, n] = (B[n, k] - zero_point[n, k ÷ block]) · scale[n, k ÷ block];  y = x · W (+ bias)

The weights are constants, and are computed once: y is what it was, and W takes 32 bits for each number.
Source: onnxruntime docs/ContribOperators.md, MatMulNBits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from passes.errors import BadSource, Unsupported, describe
from passes.normalize.bodies.made import Made
from passes.normalize.bodies.text import has

Array = np.ndarray[Any, np.dtype[Any]]

BITS = (2, 4, 8)
BIAS = 5


def matmul_nbits(node: ir.Node) -> ir.Function:
    """y, of the type of x.

    Raises:
        Unsupported: the weights are no constants, come in another order, or x is rounded to 8 bits on the way.
        BadSource: the sizes do not fit each other.
    """
    attributes = node.attributes
    if attributes.get_int("accuracy_level", 0) == 4 or has(node, 4) or bool(attributes.get_int("weight_prepacked", 0)):
        raise Unsupported(
            "MatMulNBits that rounds its input to 8 bits, or whose weights come in another order, is not converted.",
            node=describe(node),
            hint="Quantise with accuracy_level=0 or 1, without g_idx.",
        )
    made = Made(len(node.inputs))
    x = made.x
    y = made("MatMul", x, made("CastLike", made.constant(_weights(node)), x))
    return made.function(made("Add", y, made.inputs[BIAS]) if has(node, BIAS) else y)


def _weights(node: ir.Node) -> Array:
    """[K, N] float32."""
    rows, columns, block, bits = (node.attributes.get_int(name, 0) for name in ("N", "K", "block_size", "bits"))
    bits = bits or 4
    if rows < 1 or columns < 1 or block < 1 or bits not in BITS:
        raise BadSource(f"No weights are [{columns}, {rows}] of {bits} bits in blocks of {block}.", node=describe(node))
    blocks = -(-columns // block)
    packed, scales = _constant(node, 1), _constant(node, 2)
    if packed.size * 8 != rows * blocks * block * bits or scales.size != rows * blocks:
        raise BadSource(f"{packed.size} bytes and {scales.size} scales do not fill the weights.", node=describe(node))
    numbers = _unpacked(packed.reshape(rows, -1), bits).reshape(rows, blocks, block).astype(np.float32)
    zero: Array = np.full((rows, blocks), 1 << (bits - 1), np.float32)
    if has(node, 3):
        told = _constant(node, 3)
        told = told if told.dtype.kind == "f" else _unpacked(told.reshape(rows, -1), bits)[:, :blocks]
        zero = told.reshape(rows, blocks).astype(np.float32)
    weights = (numbers - zero[..., None]) * scales.reshape(rows, blocks, 1).astype(np.float32)
    return np.ascontiguousarray(weights.reshape(rows, -1)[:, :columns].T)


def _unpacked(packed: Array, bits: int) -> Array:
    """The numbers in each byte, the lowest bits first: [rows, numbers]."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    return (packed[..., None] >> shifts & np.uint8(2**bits - 1)).reshape(len(packed), -1)


def _constant(node: ir.Node, place: int) -> Array:
    value = node.inputs[place] if place < len(node.inputs) else None
    if value is None or value.const_value is None:
        raise Unsupported("MatMulNBits with weights that are computed is not converted.", node=describe(node))
    return np.asarray(value.const_value.numpy())
