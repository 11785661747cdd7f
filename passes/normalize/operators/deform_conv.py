"""A deformable convolution is a convolution, with windows of one place, of an image that was looked at elsewhere.

Given    y = DeformConv<strides, pads, dilations, group>(x, W, offset, B, mask)           W: [o, c / group, k, l]
Result   g = (2 · (places of the k·l taps + offset) + 1) / size - 1                       [n, k·l·rows, columns, 2]
         s = GridSample<zeros>(x, g) · mask                                               [n, c, k·l·rows, columns]
         y = Conv<group>(Reshape(s, [n, c·k·l, rows, columns]), Reshape(W, [o, c·k·l / group, 1, 1]), B)

With several groups of offsets, each group of channels is an image of its own until the convolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from passes.dims.polynomial import Dim
from passes.errors import Unsupported, describe
from passes.graph.builder import Builder, FreshNames, first_input, sizes_of
from passes.normalize.operators.rewrite_each import RewriteEach


class NormalizeDeformConv(RewriteEach):
    """Write DeformConv as GridSample and Conv.

    Raises:
        Unsupported: not on images, or at open heights and widths.
    """

    def wanted(self, node: ir.Node) -> bool:
        return node.domain == "" and node.op_type == "DeformConv"

    def rewrite(self, node: ir.Node, names: FreshNames) -> None:
        _rewrite(node, names)


@dataclass(frozen=True)
class _Sizes:
    """Of one DeformConv; `images` counts groups of offsets as images."""

    batch: Dim | None
    images: Dim | None
    channels: int
    image: tuple[int, int]
    kernel: tuple[int, int]
    target: tuple[int, int]
    groups: int

    @property
    def taps(self) -> int:
        return self.kernel[0] * self.kernel[1]


def _rewrite(node: ir.Node, names: FreshNames) -> None:
    at, sizes = Builder(node, names), _sizes(node)
    rows, columns = sizes.target
    tall = [sizes.images, sizes.channels // sizes.groups, sizes.taps * rows, columns]
    x = first_input(node)
    if sizes.groups > 1:
        x = _reshape(at, x, [sizes.images, tall[1], *sizes.image])
    attributes = {"mode": "linear", "padding_mode": "zeros", "align_corners": 0}
    seen = at.node("GridSample", [x, _grid(at, node, sizes)], tall, attributes)
    if len(node.inputs) > 4 and node.inputs[4] is not None:
        mask = _reshape(at, node.inputs[4], [sizes.images, 1, *tall[2:]])
        seen = at.node("Mul", [seen, mask], tall)
    seen = _reshape(at, seen, [sizes.batch, sizes.channels * sizes.taps, rows, columns])
    filters, per_group, *_ = (int(str(size)) for size in sizes_of(_given(node, 1)))
    kernel = _reshape(at, _given(node, 1), [filters, per_group * sizes.taps, 1, 1])
    bias = [node.inputs[3]] if len(node.inputs) > 3 and node.inputs[3] is not None else []
    conv = {
        "auto_pad": "NOTSET", "dilations": [1, 1], "group": node.attributes.get_int("group", 1), "kernel_shape": [1, 1],
        "pads": [0, 0, 0, 0], "strides": [1, 1],
    }  # fmt: skip
    at.replace(at.node("Conv", [seen, kernel, *bias], sizes_of(node.outputs[0]), conv, name=node.name))


def _sizes(node: ir.Node) -> _Sizes:
    batch, *image = sizes_of(first_input(node))
    known = [*image, *sizes_of(_given(node, 1))[2:], *sizes_of(_given(node, 2))[2:]]
    whole = [size for size in known if isinstance(size, int)]
    if len(image) != 3 or len(whole) < 7:
        raise Unsupported(
            "DeformConv is converted for images of a known height and width.",
            node=describe(node),
            hint="Give numbers for height and width with --input.",
        )
    channels, height, width, k, m, rows, columns = whole
    groups = node.attributes.get_int("offset_group", 1)
    images = None if batch is None else batch * groups
    return _Sizes(batch, images, channels, (height, width), (k, m), (rows, columns), groups)


def _grid(at: Builder, node: ir.Node, sizes: _Sizes) -> ir.Value:
    """Where to look, as (x, y) between -1 and 1 in the image: [images, taps·rows, columns, 2]."""
    offset, taps, (rows, columns) = _given(node, 2), sizes.taps, sizes.target
    apart = [sizes.images, taps, rows, columns, 2]
    moves = _reshape(at, offset, [sizes.images, taps, 2, rows, columns])
    moves = at.node("Transpose", [moves], apart, {"perm": [0, 1, 3, 4, 2]})
    moves = at.node("Gather", [moves, at.constant([1, 0], "x_then_y")], apart, {"axis": 4})
    dtype = np.dtype(np.float32) if offset.dtype is None else offset.dtype.numpy()
    size = np.array(sizes.image[::-1])
    scaled = at.node("Mul", [moves, at.constant((2 / size).astype(dtype), "scale")], apart)
    start = ((2 * _places(node, sizes) + 1) / size - 1).astype(dtype)
    grid = at.node("Add", [scaled, at.constant(start, "places")], apart)
    return _reshape(at, grid, [sizes.images, taps * rows, columns, 2])


def _places(node: ir.Node, sizes: _Sizes) -> np.ndarray:
    """(x, y) of every tap of every window, before the offsets: [1, taps, rows, columns, 2]."""
    strides, dilations, pads = (
        list(node.attributes.get_ints(name, ()) or default)
        for name, default in (("strides", [1, 1]), ("dilations", [1, 1]), ("pads", [0, 0, 0, 0]))
    )
    (k, m), (rows, columns) = sizes.kernel, sizes.target
    y = np.arange(rows).reshape(-1, 1) * strides[0] + np.arange(k).reshape(-1, 1, 1, 1) * dilations[0] - pads[0]
    x = np.arange(columns) * strides[1] + np.arange(m).reshape(-1, 1, 1) * dilations[1] - pads[1]
    return np.stack(np.broadcast_arrays(x, y), axis=-1).reshape(1, sizes.taps, rows, columns, 2)


def _given(node: ir.Node, place: int) -> ir.Value:
    value = node.inputs[place]
    if value is None:
        raise Unsupported(f"Input {place} of DeformConv is missing.", node=describe(node))
    return value


def _reshape(at: Builder, x: ir.Value | None, sizes: list[Dim | None]) -> ir.Value:
    if x is not None and x.const_value is not None:
        shape = tuple(int(str(size)) for size in sizes)
        return at.names.weight_views.view(at.graph, x, [("reshape", shape)])
    target = [size if isinstance(size, int) else -1 for size in sizes]
    return at.node("Reshape", [x, at.constant(target, "shape")], sizes, {"allowzero": 0})
