"""Attention as onnxruntime's optimiser for transformers writes it. Source: onnxruntime docs/ContribOperators.md.

Masks are added to the scores: mask_filter_value where a key is not to be seen. A mask of one axis says how many keys of
each row are, one of two which, one of three which for each query.
"""

from __future__ import annotations

import onnx_ir as ir

from passes.errors import Unsupported, describe
from passes.normalize.bodies.text import has, rank_of

NEVER = {
    "MultiHeadAttention": (8, 9),
    "Attention": (6,),
}
"""Inputs that only kernels for CUDA read."""


def attention(node: ir.Node) -> str:
    """One product gives queries, keys and values, side by side."""
    refuse(node, *(name for name in ("do_rotary", "past_present_share_buffer") if node.attributes.get_int(name, 0)))
    sizes = node.attributes.get_ints("qkv_hidden_sizes", ())
    if sizes:
        split = f"s = Constant<value_ints: ints = {_list(sizes)}>() q, k, v = Split<axis: int = -1>(x, s)"
    else:
        split = "q, k, v = Split<axis: int = -1, num_outputs: int = 3>(x)"
    past, present = "", ""
    if has(node, 4):
        past = """p, r = Split<axis: int = 0, num_outputs: int = 2>(i4)
            front = Constant<value_ints: ints = [0]>() pk = Squeeze(p, front) pv = Squeeze(r, front)"""
    elif _wanted(node, 1):
        refuse(node, "present keys without past ones")
    if _wanted(node, 1):
        present = "uk = Unsqueeze(nk, front) uv = Unsqueeze(nv, front) o1 = Concat<axis: int = 0>(uk, uv)"
    bias = "x = Add(m, i2)" if has(node, 2) else "x = Identity(m)"
    return f"m = MatMul(i0, i1) {bias} {split} {past} {_core(node, 3, 5, has(node, 4))} {present}"


def multi_head_attention(node: ir.Node) -> str:
    """Queries, keys and values with their heads side by side, [batch, length, heads · size]."""
    if not (has(node, 1) and has(node, 2)):
        refuse(node, "queries, keys and values in one tensor")
    if any(rank_of(node.inputs[place]) not in (None, 3) for place in (1, 2)) or has(node, 6) != has(node, 7):
        refuse(node, "keys by heads")
    if has(node, 3):
        given = """bq, bk, bv = Split<axis: int = 0, num_outputs: int = 3>(i3)
            q = Add(i0, bq) k = Add(i1, bk) v = Add(i2, bv)"""
    else:
        given = "q = Identity(i0) k = Identity(i1) v = Identity(i2)"
    past = "pk = Identity(i6) pv = Identity(i7)" if has(node, 6) else ""
    present = "o1 = Identity(nk) o2 = Identity(nv)" if _wanted(node, 1) else ""
    return f"{given} {past} {_core(node, 4, 5, has(node, 6))} {present}"


def _core(node: ir.Node, mask: int, bias: int, has_past: bool) -> str:
    """q, k, v, and pk, pv, to o0, and nk, nv."""
    refuse(node, *(f"input {place}" for place in NEVER[node.op_type] if has(node, place)))
    refuse(node, *(["scores as an output"] if _wanted(node, 3) else []))
    if not node.attributes.get_int("num_heads", 0):
        refuse(node, "heads that nobody counts")
    masked, added = _mask(node, mask, has_past), f"Identity(i{bias})" if has(node, bias) else ""
    if masked and added:
        both = f"{masked} given = {added} bias = Add(given, hidden)"
    elif masked:
        both = f"{masked} bias = Identity(hidden)"
    else:
        both = f"bias = {added}" if added else ""
    past = ", pk, pv" if has_past else ""
    inputs = f"q, k, v{', bias' if both else ', ' if past else ''}{past}"
    scale = ", scale: float = @scale" if node.attributes.get_float("scale", 0.0) else ""
    outputs = "o0, nk, nv" if has_past or _wanted(node, 1) else "o0"
    return f"""{both} {outputs} = Attention<q_num_heads: int = @num_heads, kv_num_heads: int = @num_heads,
        is_causal: int = @unidirectional{scale}>({inputs})"""


def _mask(node: ir.Node, place: int, has_past: bool) -> str:
    """What is added to scores for a mask, as `hidden`; empty where there is none."""
    if not has(node, place):
        return ""
    rank = rank_of(node.inputs[place])
    if rank not in (1, 2, 3) or (rank == 1 and has_past):
        refuse(node, f"a mask of {'unknown rank' if rank is None else f'{rank} axes'}")
    ones = "zero = Constant<value_float: float = 0.0>()"
    if rank == 1:
        size = node.inputs[place].shape  # type: ignore[union-attr]
        batch = None if node.inputs[0] is None or node.inputs[0].shape is None else node.inputs[0].shape[0]
        if size is not None and isinstance(size[0], int) and isinstance(batch, int) and size[0] != batch:
            refuse(node, "a mask of starts and ends")
        seen = f"""l = Shape<start: int = 1, end: int = 2>(k) n = Squeeze(l) first = Constant<value_int: int = 0>()
            step = Constant<value_int: int = 1>() at = Range(first, n, step) ends = Cast<to: int = 7>(i{place})
            last = Constant<value_ints: ints = [-1]>() e = Unsqueeze(ends, last) seen2 = Less(at, e)"""
    else:
        seen = f"seen{rank} = Cast<to: int = 9>(i{place})"
    axes = [1, 2] if rank in (1, 2) else [1]
    name = "seen2" if rank in (1, 2) else "seen3"
    filter_value = node.attributes.get_float("mask_filter_value", -10000.0)
    return f"""{seen} axes = Constant<value_ints: ints = {_list(axes)}>() m4 = Unsqueeze({name}, axes) {ones}
        low = Constant<value_float: float = {filter_value}>() hid = Where(m4, zero, low) hidden = CastLike(hid, q)"""


def _wanted(node: ir.Node, place: int) -> bool:
    return place < len(node.outputs) and bool(node.outputs[place].name)


def _list(numbers: object) -> str:
    return f"[{', '.join(map(str, numbers))}]"  # type: ignore[call-overload]


def refuse(node: ir.Node, *reasons: str) -> None:
    for reason in reasons:
        raise Unsupported(f"{node.op_type} of com.microsoft with {reason} is not converted.", node=describe(node))
