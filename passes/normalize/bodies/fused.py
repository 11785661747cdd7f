"""What onnxruntime's optimiser writes for several operators. Source: onnxruntime docs/ContribOperators.md."""

from __future__ import annotations

import onnx_ir as ir

from passes.errors import Unsupported, describe
from passes.normalize.bodies.text import CONV, Body, has, rank_of


def fused_conv(node: ir.Node) -> str:
    activation = node.attributes.get_string("activation", "Identity")
    bias = ", i2" if has(node, 2) else ""
    added = "s = Add(y, i3)" if has(node, 3) else "s = Identity(y)"
    told = node.attributes.get_floats("activation_params", ())
    parameters = {
        "LeakyRelu": lambda: f"<alpha: float = {told[0]}>",
        "HardSigmoid": lambda: f"<alpha: float = {told[0]}, beta: float = {told[1]}>",
    }.get(activation, lambda: "")()
    return f"y = Conv<{CONV}>(i0, i1{bias}) {added} o0 = {activation}{parameters}(s)"


def bias_gelu(approximate: str) -> Body:
    def body(node: ir.Node) -> str:
        x = "s = Add(i0, i1)" if has(node, 1) else "s = Identity(i0)"
        return f'{x} o0 = Gelu<approximate: string = "{approximate}">(s)'

    return body


def skip_layer_norm(norm: str, gamma: int) -> Body:
    """The norm of a sum; `gamma` is the place of its scale, a bias of the sum comes last."""

    def body(node: ir.Node) -> str:
        biased = gamma + (2 if norm == "LayerNormalization" else 1)
        beta = f", i{gamma + 1}" if norm == "LayerNormalization" and has(node, gamma + 1) else ""
        added = f"s = Add(t, i{biased})" if has(node, biased) else "s = Identity(t)"
        total = "o3 = Identity(s)" if len(node.outputs) > 3 and node.outputs[3].name else ""
        return f"""t = Add(i0, i1) {added} {total}
            o0 = {norm}<axis: int = -1, epsilon: float = @epsilon>(s, i{gamma}{beta})"""

    return body


def fused_matmul(node: ir.Node) -> str:
    """alpha · A · B, each of which may come with its last two axes in each other's place."""
    attributes, body = node.attributes, ""
    if attributes.get_int("transBatchA", 0) or attributes.get_int("transBatchB", 0):
        raise Unsupported("FusedMatMul that turns the batch is not converted.", node=describe(node))
    for place, name in enumerate(("transA", "transB")):
        if not attributes.get_int(name, 0):
            body += f" t{place} = Identity(i{place})"
            continue
        rank = rank_of(node.inputs[place])
        if rank is None or rank < 2:
            raise Unsupported(f"FusedMatMul with {name} of an unknown rank is not converted.", node=describe(node))
        perm = [*range(rank - 2), rank - 1, rank - 2]
        body += f" t{place} = Transpose<perm: ints = [{', '.join(map(str, perm))}]>(i{place})"
    if attributes.get_float("alpha", 1.0) == 1.0:
        return f"{body} o0 = MatMul(t0, t1)"
    return f"{body} y = MatMul(t0, t1) a = Constant<value_float: float = @alpha>() b = CastLike(a, y) o0 = Mul(y, b)"


def embed_layer_norm(node: ir.Node) -> str:
    """The norm of a sum of words, positions and segments; the mask becomes how many tokens each row has."""
    segments = "seg = Gather(i4, i1) s = Add(t, seg)" if has(node, 1) else "s = Identity(t)"
    if has(node, 8):
        places = "p = Identity(i8)"
    else:
        places = """l = Shape<start: int = 1, end: int = 2>(i0) n = Squeeze(l) first = Constant<value_int: int = 0>()
            step = Constant<value_int: int = 1>() p = Range(first, n, step)"""
    counted = total = ""
    wanted = [output.name for output in node.outputs] + ["", ""]
    if wanted[1]:
        if has(node, 7) and node.attributes.get_int("mask_index_type", 1) != 1:
            raise Unsupported("EmbedLayerNormalization that counts no mask is not converted.", node=describe(node))
        mask = "mask = Identity(i7)" if has(node, 7) else "mask = Sub(i0, i0)"  # without one, none are counted
        counted = f"{mask} last = Constant<value_ints: ints = [1]>() o1 = ReduceSum<keepdims: int = 0>(mask, last)"
    if wanted[2]:
        total = "o2 = Identity(s)"
    return f"""word = Gather(i2, i0) {places} position = Gather(i3, p) t = Add(word, position) {segments}
        {counted} {total}
        o0 = LayerNormalization<axis: int = -1, epsilon: float = @epsilon>(s, i5, i6)"""
