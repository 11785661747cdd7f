"""What onnxruntime's optimiser writes for several operators. Source: onnxruntime docs/ContribOperators.md."""

from __future__ import annotations

import onnx_ir as ir

from passes.normalize.bodies.text import CONV, Body, has


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
