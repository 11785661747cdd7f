"""Shapes and axes: Reshape, Transpose, Concat, Split, Expand, and sizes as numbers, which are counted on a tensor."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import accumulate
from operator import mul
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from converter.backends.keras.build.dtypes import has_policy, layer_dtype
from converter.backends.keras.build.live_constants import live_numbers
from converter.backends.keras.build.live_sizes import counted_positions, length
from converter.backends.keras.build.operands import first_along, lookup, operand
from converter.backends.keras.build.registry import op
from converter.backends.keras.build.sums import add
from converter.backends.keras.build.weights import ConstantInput
from converter.backends.keras.ops.arithmetic import onnx_dtype
from keraport.layers import ComputedExpand, ComputedReshape
from passes.errors import Unsupported


@op("Reshape")
def reshape(x: Any, shape: Any, *, allowzero: int = 0, name: str) -> Any:
    """0 keeps a dimension, -1 takes what is left. A Reshape layer where the batch stays what it is."""
    target = constant_ints(shape)
    if not target:
        return ops.reshape(x, ())
    sizes = _with_rest(x.shape, [x.shape[i] if t == 0 else t for i, t in enumerate(target)])
    if x.shape and len(sizes) > 1 and (target[0] in (0, x.shape[0]) or _keeps_batch(x.shape, sizes)):
        inner = [-1 if s is None else s for s in sizes[1:]]
        if inner.count(-1) <= 1:
            return _flat_or_reshape(x, tuple(inner), name)
    return ops.reshape(x, one_open([None if s == -1 else s for s in sizes]))


@op("keraport::ReshapeTo")
def reshape_to(x: Any, *likes: Any, sizes: Sequence[str], name: str) -> Any:
    """To sizes that are arithmetic on the sizes of the inputs: Keras' own Reshape leaves one of them open."""
    layer = ComputedReshape([json.loads(size) for size in sizes], name=name, dtype=layer_dtype(x))
    return layer([x, *likes])


@op("keraport::ExpandTo")
def expand_to(value: Any, *likes: Any, sizes: Sequence[str], name: str) -> Any:
    """Repeated to sizes that are arithmetic on the sizes of the inputs."""
    x = operand(value, likes[0], name=name)
    if isinstance(x, np.ndarray):
        x = live_numbers(x, likes[0])
    layer = ComputedExpand([json.loads(size) for size in sizes], name=name, dtype=layer_dtype(x))
    return layer([x, *likes])


MOST_PARTS = 64
"""What one axis is taken apart into, or put together from, at most."""


@op("keraport::Regroup")
def regroup(x: Any, *, axis: int, count: int, sizes: Sequence[int] = (), name: str) -> Any:
    """A reshape of known sizes among open ones: axes are joined by concatenation and split by slices and a stack.

    Keras' Reshape needs the other sizes, of which it can leave one open beside the batch.
    """
    old = list(x.shape[axis : axis + count])
    parts = max([math.prod(old[:-1]), *list(sizes)[:-1]], default=1)
    if parts > MOST_PARTS:
        raise Unsupported(
            f"A reshape that takes an axis apart into {parts} parts, beside several open sizes, is not converted.",
            hint="Give fixed sizes with --input for all dimensions but the batch.",
        )
    before = (slice(None),) * axis
    if not old:
        x = ops.expand_dims(x, axis)
    for size in accumulate(old[:-1], mul):  # what was joined so far stands in front of the next
        x = ops.concatenate([x[(*before, i)] for i in range(size)], axis) if size > 1 else ops.squeeze(x, axis)
    rest = math.prod(sizes)
    for place, size in enumerate(list(sizes)[:-1]):
        rest //= size
        at = axis + place
        cut = (slice(None),) * at
        chunks = [x[(*cut, slice(i * rest, (i + 1) * rest))] for i in range(size)]
        x = ops.stack(chunks, at) if size > 1 else ops.expand_dims(x, at)
    return x if sizes else ops.squeeze(x, axis)


def _keeps_batch(source: Sequence[int | None], sizes: Sequence[int | None]) -> bool:
    """Is the -1 in front the open size that the source has in front, because all the others have the same product?"""
    before, after = source[1:], sizes[1:]
    if source[0] is not None or sizes[0] != -1 or None in before or None in after:
        return False
    return math.prod(before) == math.prod(after)  # type: ignore[arg-type]


def _with_rest(source: Sequence[int | None], sizes: list[int | None]) -> list[int | None]:
    """-1 as a number, where every open size of the source (None) is kept, so that they cancel out."""
    if -1 not in sizes or sizes.count(None) != list(source).count(None):
        return sizes
    rest = math.prod(s for s in source if s is not None) // math.prod(s for s in sizes if s not in (None, -1))
    return [rest if s == -1 else s for s in sizes]


def _flat_or_reshape(x: Any, target: tuple[int, ...], name: str) -> Any:
    if len(target) == 1 and x.shape[0] is None and None not in x.shape[1:]:
        return layers.Flatten(name=name, dtype=layer_dtype(x))(x)
    return layers.Reshape(target, name=name, dtype=layer_dtype(x))(x)


@op("Squeeze")
def squeeze(x: Any, axes: Any, *, name: str) -> Any:
    """An axis that is 1 because nothing else would run may be open to Keras, which squeezes no such axis."""
    gone = {axis % len(x.shape) for axis in constant_ints(axes)}
    if any(x.shape[axis] is None for axis in gone):
        return x[tuple(0 if axis in gone else slice(None) for axis in range(len(x.shape)))]
    return ops.squeeze(x, tuple(sorted(gone)))


@op("Unsqueeze")
def unsqueeze(x: Any, axes: Any, *, name: str) -> Any:
    return ops.expand_dims(x, tuple(constant_ints(axes)))


@op("Transpose")
def transpose(x: Any, *, perm: Sequence[int], name: str) -> Any:
    if perm[0] == 0:
        return layers.Permute(tuple(perm[1:]), name=name, dtype=layer_dtype(x))(x)
    return ops.transpose(x, tuple(perm))


@op("Concat")
def concat(*values: Any, axis: int, name: str) -> Any:
    live = next(v for v in values if not isinstance(v, ConstantInput))
    tensors = [operand(value, live, name=name) for value in values]
    if len(tensors) == 1:
        return ops.copy(tensors[0])
    if has_policy(live) and all(not isinstance(value, ConstantInput) for value in values):
        last = len(live.shape) - 1
        return layers.Concatenate(axis=-1 if axis in (-1, last) else axis, name=name, dtype=live.dtype)(tensors)
    return ops.concatenate(tensors, axis=axis)


@op("Split")
def split(x: Any, sizes: Any = None, *, axis: int = 0, num_outputs: int = 0, name: str) -> Any:
    parts = constant_ints(sizes)
    borders = [sum(parts[: i + 1]) for i in range(len(parts) - 1)]
    return ops.split(x, len(parts) if len(set(parts)) == 1 else borders, axis=axis)


@op("keraport::Expand")
def expand(value: Any, like: Any = None, *, shape: Sequence[int], axis: int, name: str) -> Any:
    """Broadcast a value to `shape`, where 0 is a size kept and -1 the size that `like` has along `axis`.

    A class token becomes an Embedding with one row, looked up once per example.
    """
    if like is None:
        if isinstance(value, ConstantInput):
            raise Unsupported("A constant expanded by itself was not folded.")
        return _spread(_with_axes(value, len(shape), value.dtype), shape)
    zeros = ops.zeros_like(first_along(like, axis), dtype="int32")
    where = list(shape).index(-1)
    if isinstance(value, ConstantInput) and value.origin is not None and value.take is None:
        rows = lookup(value, zeros, name=name)
        padded = (1,) * (len(shape) - len(value.shape)) + value.shape
        if where == 0 and padded[0] == 1:
            return _spread(ops.reshape(rows, (-1, *padded[1:])), shape)
    base = _with_axes(operand(value, like, name=name), len(shape), value.dtype)
    ones = [1] * len(shape)
    ones[where] = -1
    zeros = ops.reshape(zeros, tuple(ones))
    if value.dtype == "bool":
        grown = ops.logical_or(base, ops.cast(zeros, "bool"))
    else:
        grown = add(base, ops.cast(zeros, value.dtype))
    return _spread(grown, shape)


def _with_axes(x: Any, rank: int, dtype: str) -> Any:
    """A tensor or plain numbers with axes of size 1 in front, up to this rank."""
    if not isinstance(x, keras.KerasTensor):
        array = np.asarray(x, dtype)
        return array.reshape((1,) * (rank - array.ndim) + array.shape)
    missing = rank - len(x.shape)
    return ops.expand_dims(x, tuple(range(missing))) if missing else x


def _spread(x: Any, shape: Sequence[int]) -> Any:
    """Repeat along the axes of size 1 whose target is a known larger size."""
    repeats = [size if size > 1 and x.shape[axis] == 1 else 1 for axis, size in enumerate(shape)]
    return x if set(repeats) == {1} else ops.tile(x, tuple(repeats))


@op("Tile")
def tile(x: Any, repeats: Any, *, name: str) -> Any:
    return ops.tile(x, tuple(constant_ints(repeats)))


@op("nhwc::DepthToSpace")
def depth_to_space(x: Any, *, blocksize: int, mode: str = "DCR", name: str) -> Any:
    """[N, H, W, b·b·C] → [N, H·b, W·b, C]; DCR has the blocks before the channels, CRD (PixelShuffle) after.

    Keras has DCR. CRD of a known size is one transpose more than nothing, but a tenth of the time of taking channels.
    """
    _, height, width, depth = x.shape
    b, c = blocksize, depth // blocksize**2
    if mode == "DCR":
        return ops.depth_to_space(x, b)
    if height is None or width is None:
        blocks_first = np.arange(depth, dtype="int32").reshape(c, b * b).T.ravel()
        return ops.depth_to_space(ops.take(x, blocks_first, axis=-1), b)
    x = layers.Reshape((height, width, c, b, b), name=f"{name}-split", dtype=layer_dtype(x))(x)
    x = layers.Permute((1, 4, 2, 5, 3), name=f"{name}-permute", dtype=layer_dtype(x))(x)
    return layers.Reshape((height * b, width * b, c), name=name, dtype=layer_dtype(x))(x)


@op("nhwc::SpaceToDepth")
def space_to_depth(x: Any, *, blocksize: int, name: str) -> Any:
    """[N, H·b, W·b, C] → [N, H, W, b·b·C]."""
    return ops.space_to_depth(x, blocksize)


def known_size(x: Any, axis: int) -> int:
    """The size of an axis that must be known when the model is built."""
    size = x.shape[axis]
    if size is None:
        raise Unsupported(
            f"Axis {axis % len(x.shape)} has a size that is known only at run time, and this operator needs it.",
            hint="Give a fixed size with --input for all dimensions but the batch.",
        )
    return int(size)


def known_product(sizes: Sequence[int | None]) -> int | None:
    """The product of sizes, None where one is open."""
    return None if None in sizes else math.prod(size for size in sizes if size is not None)


def one_open(sizes: Sequence[int | None]) -> tuple[int, ...]:
    """Sizes as a reshape takes them: one of them may be open."""
    if list(sizes).count(None) > 1:
        raise Unsupported(
            f"A reshape to {tuple(sizes)} leaves more than one size open.",
            hint="Give fixed sizes with --input for all dimensions but the batch.",
        )
    return tuple(-1 if size is None else size for size in sizes)


def constant_ints(value: Any) -> list[int]:
    """A constant list of integers; anything else cannot be a shape or an axis in Keras."""
    if not isinstance(value, ConstantInput):
        raise Unsupported(
            "A shape, axis or index that the graph computes at run time is not converted.",
            hint="Give fixed sizes with --input for all dimensions but the batch.",
        )
    return [int(v) for v in value.numpy().ravel().tolist()]


@op("Shape")
def shape(x: Any, *, start: int = 0, end: int | None = None, name: str) -> Any:
    """[axes] int64: the sizes known now as numbers, plus one counted size after the other in its place."""
    axes = range(len(x.shape))[start:end]
    sizes: Any = np.array([x.shape[axis] or 0 for axis in axes], "int64")
    places = np.eye(len(axes), dtype="int64")
    for axis, place in zip(axes, places, strict=True):
        if x.shape[axis] is None:
            sizes = ops.add(ops.multiply(_length(x, axis), place), sizes)
    return sizes


@op("Size")
def size(x: Any, *, name: str) -> Any:
    known = math.prod(n for n in x.shape if n is not None)
    for axis, n in enumerate(x.shape):
        known = known if n is not None else ops.multiply(_length(x, axis), known)
    return known


def _length(x: Any, axis: int) -> Any:
    return ops.cast(length(x, axis), "int64")


@op("keraport::Counted")
def counted(number: Any, *, name: str) -> Any:
    """0, 1, 2, …, as many as the one number says: the bins up to it are one more."""
    bins = ops.bincount(ops.cast(number, "int32"))
    return ops.cast(ops.cumsum(ops.ones_like(bins[1:,], dtype="int32")), "int64") - 1


@op("keraport::Positions")
def positions(x: Any, *, axis: int, to: int, name: str) -> Any:
    """0, 1, 2, … along an axis of x, as a tensor [size of the axis]."""
    return ops.cast(counted_positions(x, axis), onnx_dtype(to))
