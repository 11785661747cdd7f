"""Columns put back into an image, as torch's `fold` does, are a transposed convolution with ones as its weights.

Given    y = Col2Im<strides, dilations, pads>(x, [h, w], [kh, kw])               x: [n, c·kh·kw, lh·lw]
Result   t = Reshape(x, [-1, kh·kw, lh, lw])
         y = Reshape(ConvTranspose<strides, dilations, pads>(t, W), [-1, c, h, w])

W[k, 0] is 1 at the k-th place of the block and 0 elsewhere. Channels count as images: W stays small.
"""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_ir as ir

from passes.dims.polynomial import Dim
from passes.errors import BadSource, Unsupported, describe
from passes.graph.builder import Builder, FreshNames, first_input, sizes_of
from passes.normalize.operators.rewrite_each import RewriteEach


class NormalizeCol2Im(RewriteEach):
    """Write Col2Im as a convolution.

    Raises:
        Unsupported: the sizes of the image or of the blocks are computed when the model runs.
        BadSource: the blocks do not fill the image.
    """

    def wanted(self, node: ir.Node) -> bool:
        return node.domain == "" and node.op_type == "Col2Im"

    def rewrite(self, node: ir.Node, names: FreshNames) -> None:
        _rewrite(node, names)


def _rewrite(node: ir.Node, names: FreshNames) -> None:
    x, image, block = first_input(node), _numbers(node, 1), _numbers(node, 2)
    rank = len(image)
    strides = list(node.attributes.get_ints("strides", ()) or [1] * rank)
    dilations = list(node.attributes.get_ints("dilations", ()) or [1] * rank)
    pads = list(node.attributes.get_ints("pads", ()) or [0] * 2 * rank)
    spans = [(k - 1) * d + 1 for k, d in zip(block, dilations, strict=True)]
    padded = [size + pads[i] + pads[i + rank] for i, size in enumerate(image)]
    blocks = [(size - span) // stride + 1 for size, span, stride in zip(padded, spans, strides, strict=True)]
    batch, columns, _ = sizes_of(x)
    if not isinstance(columns, int) or columns % prod(block) or min(blocks) < 1:
        raise BadSource(f"Blocks of {block} do not make an image of {image}.", node=describe(node))
    left = [
        size - span - stride * (n - 1) for size, span, stride, n in zip(padded, spans, strides, blocks, strict=True)
    ]
    channels = columns // prod(block)
    images: Dim | None = None if batch is None else batch * channels
    at = Builder(node, names)
    split = at.node("Reshape", [x, at.constant([-1, prod(block), *blocks], "split")], [images, prod(block), *blocks])
    ones = np.eye(prod(block), dtype=np.float32).reshape(prod(block), 1, *block)
    kernel = at.constant(ones.astype(x.dtype.numpy()) if x.dtype is not None else ones, "block")
    attributes = {
        "auto_pad": "NOTSET", "group": 1, "kernel_shape": block, "strides": strides, "dilations": dilations,
        "pads": pads, "output_padding": left,
    }  # fmt: skip
    y = at.node("ConvTranspose", [split, kernel], [images, 1, *image], attributes, name=node.name)
    shape = at.constant([-1, channels, *image], "shape")
    at.replace(at.node("Reshape", [y, shape], [batch, channels, *image], {"allowzero": 0}))


def _numbers(node: ir.Node, place: int) -> list[int]:
    value = node.inputs[place]
    if value is None or value.const_value is None:
        raise Unsupported(
            "Col2Im to a size that is computed when the model runs is not converted.", node=describe(node)
        )
    return [int(number) for number in value.const_value.numpy()]
