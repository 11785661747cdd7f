"""Attention as Keras has it, or, over windows of an image, as the products that it is made of."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from passes.dims.product import Product, dims_of
from passes.errors import Unsupported, describe
from passes.layout.rules.products import contract
from passes.layout.walk.axes_view import AxesView, plain
from passes.layout.walk.registry import rule
from passes.layout.walk.walk import Walk, operand


@rule("Attention")
def attention(walk: Walk, node: ir.Node) -> None:
    """Scaled dot-product attention on [B, T, H, D], the way Keras has it; torch's transposes around it cancel."""
    inputs = list(node.inputs) + [None] * 6
    if any(value is not None for value in inputs[4:]) or len([o for o in node.outputs if o.name]) > 1:
        raise Unsupported("Attention with a key/value cache is not converted.", node=describe(node))
    if node.attributes.get_float("softcap", 0.0) or node.attributes.get_int("qk_matmul_output_mode", 0):
        raise Unsupported("Attention with softcap or a second output is not converted.", node=describe(node))
    heads = [node.attributes.get_int(n, 0) for n in ("q_num_heads", "kv_num_heads", "kv_num_heads")]
    views = [_by_head(walk, operand(node, i), heads[i]) for i in range(3)]
    if not all(view.dims[axis].is_static for view in views for axis in (1, 3)):
        raise Unsupported(
            "Attention with a number of heads, or a size of them, that is known only at run time is not converted.",
            node=describe(node),
            hint="Give numbers for these axes with --input.",
        )
    head_size = views[0].dims[3]
    scale = node.attributes.get_float("scale", head_size.coefficient**-0.5)
    bias, causal = inputs[3], node.attributes.get_int("is_causal", 0)
    out = None
    if any(view.permuted(BY_LENGTH).is_moved for view in views) and not causal:
        out = _over_windows(walk, views, scale, bias)
    if out is None:
        q, k, v = (walk.materialise(view, BY_LENGTH) for view in views)
        operands = [q, k, v] + ([walk.materialise(walk.view(bias))] if bias is not None else [])
        attributes = {"is_causal": causal, "scale": scale}
        dims = [*dims_of(q)[:3], dims_of(v)[3]]
        out = AxesView(walk.emit("DotProductAttention", operands, dims, attributes, domain="keraport"), _BY_HEAD)
    batch, head, length, width = out.axes
    walk.views[node.outputs[0]] = AxesView(out.base, (batch, length, head + width)) if heads[0] else out


BY_LENGTH = (0, 2, 1, 3)
"""[B, H, T, D] → [B, T, H, D], which is how Keras takes queries, keys and values."""

_BY_HEAD = ((0,), (2,), (1,), (3,))


def _over_windows(walk: Walk, views: Sequence[AxesView], scale: float, bias: ir.Value | None) -> AxesView | None:
    """softmax(q·kᵀ·scale + bias)·v by Einsum on the axes as they lie, where attention as one operator would move them.

    None where the heads of keys and queries differ in number, or the mask is boolean or computed.
    """
    q, k, v = views
    if bias is not None and (bias.const_value is None or bias.dtype == ir.DataType.BOOL):
        return None
    if q.dims[:2] != k.dims[:2]:
        return None
    factor = walk.scalar(scale, q.base)
    scaled = AxesView(walk.emit("Mul", [q.base, factor], dims_of(q.base), like=q.base), q.axes)
    scores = contract(walk, scaled, k.permuted((0, 1, 3, 2)))
    if scores is None or not scores.is_plain:
        return None
    if bias is not None:
        added = walk.emit("Add", [scores.base, walk.conform(walk.view(bias), scores)], dims_of(scores.base))
        scores = plain(added)
    weights = AxesView(walk.emit("Softmax", [scores.base], dims_of(scores.base), {"axis": 3}), scores.axes)
    return contract(walk, weights, v)


def _by_head(walk: Walk, value: ir.Value, heads: int) -> AxesView:
    """Queries, keys or values as [B, H, T, D], from that or from [B, T, H·D]."""
    view = walk.view(value)
    if view.rank == 4:
        return view
    batch, length, width = view.dims
    target = [batch, length, Product(heads), Product(width.coefficient // heads)]
    split = walk.reshape_view(view, target) or plain(walk.reshape(walk.materialise(view), target))
    return split.permuted(BY_LENGTH)
