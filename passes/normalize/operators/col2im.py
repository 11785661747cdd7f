"""Columns put back into an image, as torch's `fold` does, are a transposed convolution with ones as its weights.

Given    y = Col2Im<strides, dilations, pads>(x, [h, w], [kh, kw])               x: [n, c·kh·kw, lh·lw]
Result   t = Reshape(x, [-1, kh·kw, lh, lw])
         y = Reshape(ConvTranspose<strides, dilations, pads>(t, W), [-1, c, h, w])

W[k, 0] is 1 at the k-th place of the block and 0 elsewhere. Channels count as images: W stays small.

Of one open edge, as frames of sound are added where they overlap, the columns say how many blocks lie along it:

         t = Reshape(x, [0, c·kh·kw, 1, -1])
         y = ConvTranspose<strides, dilations, pads, group=c>(t, W)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import onnx_ir as ir

from passes.dims.bounds import substitute
from passes.dims.polynomial import Dim, exact_divide, only_atom
from passes.errors import BadSource, Unsupported, describe
from passes.graph.builder import Builder, FreshNames, first_input, sizes_of
from passes.normalize.operators.rewrite_each import RewriteEach


class NormalizeCol2Im(RewriteEach):
    """Write Col2Im as a convolution.

    Raises:
        Unsupported: the size of the blocks is computed when the model runs, or that of the image, and does not follow
            from the number of columns.
        BadSource: the blocks do not fill the image.
    """

    def wanted(self, node: ir.Node) -> bool:
        return node.domain == "" and node.op_type == "Col2Im"

    def rewrite(self, node: ir.Node, names: FreshNames) -> None:
        _rewrite(node, names)


@dataclass(frozen=True)
class _Blocks:
    """How blocks lie in an image, along each of its axes."""

    size: Sequence[int]
    strides: Sequence[int]
    dilations: Sequence[int]
    pads: Sequence[int]

    @classmethod
    def of(cls, node: ir.Node) -> _Blocks:
        size = _numbers(node, 2)
        rank, attributes = len(size), node.attributes
        strides = list(attributes.get_ints("strides", ()) or [1] * rank)
        dilations = list(attributes.get_ints("dilations", ()) or [1] * rank)
        return cls(size, strides, dilations, list(attributes.get_ints("pads", ()) or [0] * 2 * rank))

    def count(self, axis: int, edge: int) -> int:
        return (edge + self._padding(axis) - self._span(axis)) // self.strides[axis] + 1

    def reach(self, axis: int, count: Dim) -> Dim:
        """How far so many blocks go."""
        return (count - 1) * self.strides[axis] + self._span(axis) - self._padding(axis)

    def _span(self, axis: int) -> int:
        return (self.size[axis] - 1) * self.dilations[axis] + 1

    def _padding(self, axis: int) -> int:
        return self.pads[axis] + self.pads[axis + len(self.size)]


def _rewrite(node: ir.Node, names: FreshNames) -> None:
    blocks, x = _Blocks.of(node), first_input(node)
    image: list[Dim | None] = [*sizes_of(node.outputs[0])[2:]]
    if (told := node.inputs[1]) is not None and told.const_value is not None:
        image = [*_numbers(node, 1)]
    columns = sizes_of(x)[1]
    if not isinstance(columns, int) or columns % prod(blocks.size):
        raise BadSource(f"Blocks of {list(blocks.size)} do not make an image of {image}.", node=describe(node))
    if all(isinstance(edge, int) for edge in image):
        _of_known_size(node, names, blocks, [edge for edge in image if isinstance(edge, int)])
    else:
        _of_one_open_edge(node, names, blocks, image)


def _of_known_size(node: ir.Node, names: FreshNames, blocks: _Blocks, image: list[int]) -> None:
    x, block = first_input(node), list(blocks.size)
    counts = [blocks.count(axis, edge) for axis, edge in enumerate(image)]
    batch, columns, _ = sizes_of(x)
    if min(counts) < 1 or not isinstance(columns, int):
        raise BadSource(f"Blocks of {block} do not make an image of {image}.", node=describe(node))
    left = [edge - _known(blocks.reach(axis, counts[axis])) for axis, edge in enumerate(image)]
    channels = columns // prod(block)
    images: Dim | None = None if batch is None else batch * channels
    at = Builder(node, names)
    split = at.node("Reshape", [x, at.constant([-1, prod(block), *counts], "split")], [images, prod(block), *counts])
    y = _added(at, split, blocks, [images, 1, *image], left, 1, x.dtype)
    shape = at.constant([-1, channels, *image], "shape")
    at.replace(at.node("Reshape", [y, shape], [batch, channels, *image], {"allowzero": 0}))


def _of_one_open_edge(node: ir.Node, names: FreshNames, blocks: _Blocks, image: Sequence[Dim | None]) -> None:
    x = first_input(node)
    batch, columns, number = sizes_of(x)
    if len(open_axes := [axis for axis, edge in enumerate(image) if not isinstance(edge, int)]) != 1 or number is None:
        raise _unknown(node)
    (axis,), edge = open_axes, image[open_axes[0]]
    counts: list[Dim | None] = [
        None if other is None or not isinstance(other, int) else blocks.count(place, other)
        for place, other in enumerate(image)
    ]
    others = prod(count for count in counts if isinstance(count, int))
    along = exact_divide(number, others) if others > 0 else None
    if along is None or edge is None or not isinstance(columns, int):
        raise _unknown(node)
    counts[axis] = along
    left = _at_least_one(edge - blocks.reach(axis, along), along)
    if not isinstance(left, int) or not 0 <= left < blocks.strides[axis]:
        raise _unknown(node)
    ends = [blocks.reach(place, _known(count)) if place != axis else 0 for place, count in enumerate(counts)]
    rest = [left if place == axis else _known(image[place]) - _known(end) for place, end in enumerate(ends)]
    at = Builder(node, names)
    target = at.constant([0, columns, *(-1 if place == axis else _known(n) for place, n in enumerate(counts))], "split")
    split = at.node("Reshape", [x, target], [batch, columns, *counts], {"allowzero": 0})
    channels = columns // prod(blocks.size)
    at.replace(_added(at, split, blocks, [batch, channels, *image], rest, channels, x.dtype))


def _added(
    at: Builder,
    split: ir.Value,
    blocks: _Blocks,
    sizes: Sequence[Dim | None],
    left: Sequence[int],
    channels: int,
    dtype: ir.DataType | None,
) -> ir.Value:
    """The blocks added where they overlap, one image for each of so many groups of channels."""
    numbers = prod(blocks.size)
    ones = np.tile(np.eye(numbers, dtype=np.float32).reshape(numbers, 1, *blocks.size), (channels, 1, *[1] * len(left)))
    kernel = at.constant(ones.astype(dtype.numpy()) if dtype is not None else ones, "block")
    attributes = {
        "auto_pad": "NOTSET", "group": channels, "kernel_shape": list(blocks.size), "strides": list(blocks.strides),
        "dilations": list(blocks.dilations), "pads": list(blocks.pads), "output_padding": list(left),
    }  # fmt: skip
    return at.node("ConvTranspose", [split, kernel], list(sizes), attributes, name=at.anchor.name)


def _at_least_one(dim: Dim, count: Dim) -> Dim:
    """A dimension where there is one block at least, though its number says: none below some size."""
    atom = only_atom(count)
    if atom is None or atom.function != "Max" or 0 not in atom.arguments:
        return dim
    return substitute(dim, {atom.text: next(other for other in atom.arguments if other != 0)})


def _known(dim: Dim | None) -> int:
    if not isinstance(dim, int):
        raise ValueError(f"{dim} is no number.")
    return dim


def _unknown(node: ir.Node) -> Unsupported:
    return Unsupported(
        "Col2Im to a size that does not follow from the number of its columns is not converted.", node=describe(node)
    )


def _numbers(node: ir.Node, place: int) -> list[int]:
    value = node.inputs[place]
    if value is None or value.const_value is None:
        raise _unknown(node)
    return [int(number) for number in value.const_value.numpy()]
