"""Rotary positions as onnxruntime's tools for language models write them. Source: onnxruntime docs/ContribOperators.md.

y = [a · cos - b · sin, a · sin + b · cos, rest]         a, b: the halves of what turns, or its even and odd places
"""

from __future__ import annotations

import onnx_ir as ir

from passes.normalize.bodies.attention import refuse
from passes.normalize.bodies.text import rank_of


def rotary_embedding(node: ir.Node) -> str:
    """Of heads side by side, [batch, length, heads · size], or one behind the other, [batch, heads, length, size].

    Raises:
        Unsupported: what is not said: the heads, or the size of the table; or one position is for a whole row.
    """
    attributes, table, rank = node.attributes, node.inputs[2], rank_of(node.inputs[0])
    half = None if table is None or table.shape is None else table.shape[-1]
    if attributes.get_int("is_packed_batching", 0) or attributes.get_float("scale", 1.0) != 1.0:
        refuse(node, "packed rows, or a scale")
    if rank_of(node.inputs[1]) != 2 or not isinstance(half, int):
        refuse(node, "one position for a row, or tables of unknown size")
    assert isinstance(half, int)
    heads, turned = attributes.get_int("num_heads", 0), attributes.get_int("rotary_embedding_dim", 0)
    if rank not in (3, 4) or (rank == 3 and turned and not heads):
        refuse(node, "heads that nobody counts")
    last, flat = "last = Constant<value_ints: ints = [-1]>()", "flat = Constant<value_ints: ints = [0, 0, -1]>()"
    by_head = f"[0, 0, {heads}, -1]" if heads else f"[0, 0, -1, {2 * half}]"
    x = f"h = Constant<value_ints: ints = {by_head}>() x = Reshape(i0, h)" if rank == 3 else "x = Identity(i0)"
    places = f"""axis = Constant<value_ints: ints = [{2 if rank == 3 else 1}]>() c = Gather(i2, i1) s = Gather(i3, i1)
        cos = Unsqueeze(c, axis) sin = Unsqueeze(s, axis)"""
    is_woven = attributes.get_int("interleaved", 0)
    step, second = (2, 1) if is_woven else (1, half)
    parts = _slice("a", 0, 2 * half if is_woven else half, step) + _slice("b", second, 2 * half, step)
    turn = "ac = Mul(a, cos) bs = Mul(b, sin) r = Sub(ac, bs) sa = Mul(a, sin) bc = Mul(b, cos) i = Add(sa, bc)"
    rest = _slice("rest", 2 * half, 2**62, 1) if turned else ""
    if is_woven:
        joined = """ru = Unsqueeze(r, last) iu = Unsqueeze(i, last) ri = Concat<axis: int = -1>(ru, iu)
            w = Constant<value_ints: ints = [0, 0, 0, -1]>() t = Reshape(ri, w)"""
    else:
        joined = "t = Concat<axis: int = -1>(r, i)"
    whole = "y = Concat<axis: int = -1>(t, rest)" if turned else "y = Identity(t)"
    end = f"{flat} o0 = Reshape(y, flat)" if rank == 3 else "o0 = Identity(y)"
    return f"{last} {x} {places} {parts} {turn} {rest} {joined} {whole} {end}"


def _slice(name: str, start: int, end: int, step: int) -> str:
    numbers = ((f"{name}_{what}", number) for what, number in (("from", start), ("to", end), ("by", step)))
    told = " ".join(f"{label} = Constant<value_ints: ints = [{number}]>()" for label, number in numbers)
    return f" {told} {name} = Slice(x, {name}_from, {name}_to, last, {name}_by) "
