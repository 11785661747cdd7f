"""Scaled dot-product attention in one piece.

    softmax(scale · q kᵀ + bias) v        q: [B, H, T, D], k: [B, H, S, D], v: [B, H, S, Dᵥ]

The scale may stand on the product, on q, on kᵀ, or on both as a square root.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import zip_longest

import onnx_ir as ir

from passes.graph.builder import Builder, FreshNames, sizes_of
from passes.graph.match import check_closed, maker, reader, with_constant
from passes.graph.reasons import Fusion, NoMatch


class FuseAttention(Fusion):
    """Given    MatMul(Softmax<axis=-1>(Add(Mul(MatMul(q, Transpose(k)), scale), bias)), v)
    Result   Attention<scale>(q, k, v, bias)

    The product may be divided instead of multiplied, the factor stand before the product, the bias be absent, or be two
    that are added one after the other. Transpose(k) may be any transpose: k is then its input with the axes as
    Attention wants them.

    Not when the four axes of q, k and v do not match (a broadcast), the bias reaches beyond the scores, the scale is
    not positive (no Attention has another), or a step is read elsewhere or is an output: whoever looks at the attention
    weights gets them.
    """

    roots = frozenset({"Softmax"})

    def fuse(self, root: ir.Node, names: FreshNames) -> None:
        _replace(_find(root), names)


@dataclass
class Found:
    """What goes into one Attention; `nodes` without `last` compute what nobody else reads."""

    q: ir.Value
    k_transposed: ir.Value
    v: ir.Value
    biases: list[ir.Value]
    scale: float
    last: ir.Node
    nodes: set[ir.Node] = field(default_factory=set)


def _find(softmax: ir.Node) -> Found:
    last = reader(softmax.outputs[0])
    if last is None or last.domain != "" or last.op_type != "MatMul" or last.inputs[0] is not softmax.outputs[0]:
        raise NoMatch("it is not the left side of one MatMul alone")
    scores, v = softmax.inputs[0], last.inputs[1]
    if scores is None or v is None or scores.shape is None or len(scores.shape) != 4:
        raise NoMatch("the scores do not have four axes")
    if softmax.attributes.get_int("axis", -1) not in (-1, 3):
        raise NoMatch("it is not along the last axis")
    nodes = {softmax}
    product, scale, biases = _scores(scores, nodes)
    if product is None or product.inputs[0] is None or product.inputs[1] is None:
        raise NoMatch("the scores are no product, scaled and biased")
    q, on_q = _scaled(product.inputs[0], nodes)
    k_transposed, on_k = _scaled(product.inputs[1], nodes)
    nodes.add(product)
    found = Found(q, k_transposed, v, biases, scale * on_q * on_k, last, nodes)
    if not found.scale > 0:
        raise NoMatch(f"the scale is {found.scale:g}, and an Attention takes positive ones only")
    _check_axes(found)
    check_closed(nodes, last)
    return found


def _scores(value: ir.Value, nodes: set[ir.Node]) -> tuple[ir.Node | None, float, list[ir.Value]]:
    """The MatMul behind the scores, the factor and the biases on the way, the outer one first."""
    biases: list[ir.Value] = []
    while len(biases) < 2 and (added := maker(value, "Add")) is not None:
        a, b = added.inputs[0], added.inputs[1]
        if a is None or b is None:
            break
        value, bias = (a, b) if _leads_to_product(a) else (b, a)
        biases.append(bias)
        nodes.add(added)
    value, scale = _scaled(value, nodes)
    return maker(value, "MatMul"), scale, biases


def _leads_to_product(value: ir.Value) -> bool:
    """Is this the side of a sum on which the scores are?"""
    added = maker(value, "Add")
    if added is not None:
        return any(_leads_to_product(side) for side in added.inputs if side is not None and maker(side, "Add") is None)
    scaled = maker(value, "Mul", "Div")
    inner = with_constant(scaled) if scaled is not None else None
    return maker(inner[0] if inner is not None else value, "MatMul") is not None


def _scaled(value: ir.Value, nodes: set[ir.Node]) -> tuple[ir.Value, float]:
    """The value without the constant factor on it, and the factor; only where nobody else reads the scaled one."""
    node = maker(value, "Mul", "Div")
    found = with_constant(node) if node is not None else None
    if node is None or found is None or reader(value) is None or (node.op_type == "Div" and not found[1]):
        return value, 1.0
    if found[0].shape != value.shape:  # the constant has more axes than the value
        return value, 1.0
    nodes.add(node)
    return found[0], found[1] if node.op_type == "Mul" else 1 / found[1]


def _check_axes(found: Found) -> None:
    """The axes must match without any broadcast but that of the bias."""
    values = (found.q, found.k_transposed, found.v)
    if any(value.shape is None or len(value.shape) != 4 or value.const_value is not None for value in values):
        raise NoMatch("q, k and v are not computed tensors of four axes")
    q, k, v = (tuple(sizes_of(value)) for value in values)
    if None in q + k + v or q[:2] != k[:2] or q[:2] != v[:2] or q[3] != k[2] or k[3] != v[2]:
        raise NoMatch("the axes of q, k and v do not match")
    if not all(isinstance(size, int) for size in (q[1], q[3], v[3])):
        raise NoMatch("the number of heads, or their size, is known only at run time")
    scores = [q[0], q[1], q[2], k[3]]
    for bias in found.biases:
        if bias.shape is None or not 2 <= len(bias.shape) <= 4:
            raise NoMatch(f"the bias {bias.name!r} has other axes than the scores")
        if any(b not in (1, s) for b, s in zip(reversed(sizes_of(bias)), reversed(scores), strict=False)):
            raise NoMatch(f"the bias {bias.name!r} reaches beyond the scores")


def _replace(found: Found, names: FreshNames) -> None:
    at = Builder(found.last, names)
    k = _untransposed(at, found.k_transposed)
    inputs = [found.q, k, found.v, *_bias(at, found.biases)]
    attributes = {"scale": found.scale, "is_causal": 0, "softcap": 0.0, "qk_matmul_output_mode": 0}
    y = at.node("Attention", inputs, sizes_of(found.last.outputs[0]), attributes, name=found.last.name)
    at.replace(y)
    at.graph.remove(found.nodes, safe=True)
    spent = maker(found.k_transposed, "Transpose")
    if spent is not None and not found.k_transposed.uses() and not found.k_transposed.is_graph_output():
        at.graph.remove(spent, safe=True)


def _bias(at: Builder, biases: list[ir.Value]) -> list[ir.Value]:
    """At most one: two are added first, as far as they broadcast against each other only."""
    if len(biases) < 2:
        return biases
    pairs = zip_longest(*(reversed(sizes_of(bias)) for bias in biases), fillvalue=1)
    sizes = [b if a == 1 else a for a, b in pairs][::-1]
    return [at.node("Add", biases[::-1], sizes)]


def _untransposed(at: Builder, value: ir.Value) -> ir.Value:
    """kᵀ [B, H, D, S] as k [B, H, S, D]: one transpose from where kᵀ comes from, or none."""
    node = maker(value, "Transpose")
    source, perm = value, [0, 1, 3, 2]
    if node is not None and node.inputs[0] is not None:
        before = list(node.attributes.get_ints("perm", (3, 2, 1, 0)))
        source, perm = node.inputs[0], [before[axis] for axis in perm]
    if perm == [0, 1, 2, 3]:
        return source
    sizes = sizes_of(source)
    return at.node("Transpose", [source], [sizes[axis] for axis in perm], {"perm": perm})
