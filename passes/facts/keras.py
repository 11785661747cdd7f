"""What Keras 3.15 and its backends take, where that is less than ONNX has. Seen with TensorFlow 2.21, JAX 0.10 and
PyTorch 2.13."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

MOST_SOFTMAX_AXES = 5
"""TensorFlow's Softmax takes no more on a CPU."""

SIZED_BY_NUMBERS = frozenset({"Compress", "NonMaxSuppression", "NonZero", "Unique"})
"""Operators whose results have as many elements as the numbers say: JAX cannot compile them."""


def is_sized_by_numbers(node: ir.Node) -> bool:
    """Whether numbers say how large a result is: as many rows as a loop takes turns, among them."""
    told = node.attributes
    if node.domain == "keraport" and node.op_type in ("Counted", "If"):
        return True
    if (node.domain, node.op_type) == ("keraport", "Loop"):
        return bool(told.get_int("conditional", 0)) and len(node.outputs) > told.get_int("states", 0)
    return node.domain == "" and node.op_type in SIZED_BY_NUMBERS


MOST_BROADCAST_AXES = 5
"""Of a tensor with more, TensorFlow takes off on a CPU what broadcasts along one run of axes, and no other."""

MOST_BROADCAST_RUNS = 5
"""Runs of axes along which neither, one or the other operand is repeated: TensorFlow adds, multiplies and compares no
more on a CPU."""

MOST_MIRRORED_AXES = 5
"""TensorFlow's MirrorPad takes no more."""

MOST_SLICED_AXES = 8
"""TensorFlow's StridedSlice takes no more on a CPU."""


def takes_stride_and_dilation(strides: Sequence[int], dilations: Sequence[int]) -> bool:
    """Keras refuses a convolution that has both."""
    return max(strides) == 1 or max(dilations) == 1


def misreads_same(rank: int, stride: int, extent: int) -> bool:
    """Does a window with SAME leave out so much on an axis that TensorFlow reads from the wrong place?

    SAME needs no pad there. Without oneDNN, the default on processors without AVX-512, TensorFlow takes what is left
    out for a negative pad in 3-D, in convolutions and in pools.

    Args:
        rank: how many spatial axes the window has.
        extent: of the kernel on the axis, with its dilation.
    """
    return rank == 3 and stride > extent + 1
