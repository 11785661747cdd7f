"""Activations that exporters write in pieces.

SiLU         x · sigmoid(x)
Mish         x · tanh(softplus(x))
HardSigmoid  clip(x + 3, 0, 6) / 6 = max(0, min(1, x/6 + 1/2))
HardSwish    x · clip(x + 3, 0, 6) / 6 = x · HardSigmoid<alpha=1/6, beta=1/2>(x)
Softplus     torch's: x where x > 20, else softplus(x); e^-20 is below the rounding of 20 in any float but float64
"""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from passes.matching import close, is_closed, maker, number, other, raise_group, reader, with_constant
from passes.polynomials import Polynomial, grow

SIXTH: Polynomial = {(0, 1): 1 / 6}
X_SIXTH: Polynomial = {(1, 1): 1 / 6}


class RaiseActivations(ir.passes.InPlacePass):
    """Given    Mul(x, Sigmoid(x))
    Result   keraport::Silu(x)

    Given    Div(Mul(x, Clip(Add(x, 3), 0, 6)), 6), in any order; or Mul(x, HardSigmoid<1/6, 1/2>(x))
    Result   HardSwish(x)

    Given    Div(Clip(Add(x, 3), 0, 6), 6)                    Given    Mul(x, Tanh(Softplus(x)))
    Result   HardSigmoid<alpha=1/6, beta=1/2>(x)              Result   Mish(x)

    Not when one of the steps is read elsewhere or is an output (the gate of a squeeze-and-excitation is no SiLU), or a
    constant is another one.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in model.graph.all_nodes():
            raising = _RAISING.get(node.op_type) if node.domain == "" else None
            if raising is not None and node.graph is not None:
                modified |= raising(node)
        if any(node.domain == "keraport" for node in model.graph):
            model.opset_imports.setdefault("keraport", 1)
        return ir.passes.PassResult(model, modified)


def _gate(node: ir.Node, x: ir.Value | None, op_type: str, inside: tuple[ir.Node, ...] = (), domain: str = "") -> bool:
    """x · gate(x), where `node` makes gate(x)."""
    product = reader(node.outputs[0])
    if x is None or product is None or product.domain != "" or product.op_type != "Mul":
        return False
    if other(product, node.outputs[0]) is not x or not is_closed({node, *inside}, product):
        return False
    raise_group([node, *inside], product, op_type, [x], domain=domain)
    return True


def _silu(node: ir.Node) -> bool:
    return _gate(node, node.inputs[0], "Silu", domain="keraport")


def _mish(node: ir.Node) -> bool:
    softplus = maker(node.inputs[0], "Softplus")
    return softplus is not None and _gate(node, softplus.inputs[0], "Mish", (softplus,))


def _hard_swish(node: ir.Node) -> bool:
    x = node.inputs[0]
    alpha, beta = node.attributes.get_float("alpha", 0.2), node.attributes.get_float("beta", 0.5)
    single = ir.DataType.FLOAT
    return x is not None and close(alpha, 1 / 6, single) and close(beta, 0.5, single) and _gate(node, x, "HardSwish")


def _hard_sigmoid(node: ir.Node) -> bool:
    shifted = maker(node.inputs[0], "Add")
    found = with_constant(shifted) if shifted is not None else None
    bounds = [number(value) for value in node.inputs[1:3]]
    if shifted is None or found is None or found[1] != 3 or bounds != [0, 6]:
        return False
    x = found[0]
    grown = grow(node.outputs[0], x, [("HardSwish", X_SIXTH), ("HardSigmoid", SIXTH)], x.dtype)
    if grown is None:
        return False
    name, last, nodes = grown
    if not is_closed(nodes | {node, shifted}, last):
        return False
    attributes = {"alpha": 1 / 6, "beta": 0.5} if name == "HardSigmoid" else None
    raise_group(nodes | {node, shifted}, last, name, [x], attributes)
    return True


def _softplus(node: ir.Node) -> bool:
    greater, softplus = maker(node.inputs[0], "Greater"), maker(node.inputs[2], "Softplus")
    x = node.inputs[1]
    if greater is None or softplus is None or x is None or x.dtype == ir.DataType.DOUBLE:
        return False
    limit = number(greater.inputs[1])
    if softplus.inputs[0] is not x or greater.inputs[0] is not x or limit is None or limit < 20:
        return False
    if not is_closed({greater, softplus}, node):
        return False
    raise_group([greater, softplus], node, "Softplus", [x])
    return True


_RAISING: dict[str, Callable[[ir.Node], bool]] = {
    "Sigmoid": _silu,
    "Tanh": _mish,
    "HardSigmoid": _hard_swish,
    "Clip": _hard_sigmoid,
    "Where": _softplus,
}
