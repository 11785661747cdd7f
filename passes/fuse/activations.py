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

from passes.fuse.polynomial_match import Polynomial, grow
from passes.graph.builder import FreshNames
from passes.graph.match import (
    check_closed,
    check_rank,
    close,
    maker,
    number,
    other,
    raise_group,
    reader,
    with_constant,
)
from passes.graph.reasons import Fusion, NoMatch

SIXTH: Polynomial = {(0, 1): 1 / 6}
X_SIXTH: Polynomial = {(1, 1): 1 / 6}


class FuseActivations(Fusion):
    """Given    Mul(x, Sigmoid(x))
    Result   keraport::Silu(x)

    Given    Div(Mul(x, Clip(Add(x, 3), 0, 6)), 6), in any order; or Mul(x, HardSigmoid<1/6, 1/2>(x))
    Result   HardSwish(x)

    Given    Div(Clip(Add(x, 3), 0, 6), 6)                    Given    Mul(x, Tanh(Softplus(x)))
    Result   HardSigmoid<alpha=1/6, beta=1/2>(x)              Result   Mish(x)

    Not when one of the steps is read elsewhere or is an output (the gate of a squeeze-and-excitation is no SiLU), a
    constant is another one, or has more axes than x.
    """

    roots = frozenset({"Sigmoid", "Tanh", "HardSigmoid", "Clip", "Where"})

    def fuse(self, root: ir.Node, names: FreshNames) -> None:
        _FUSIONS[root.op_type](root, names)


def _gate(node: ir.Node, x: ir.Value | None, op_type: str, inside: tuple[ir.Node, ...] = (), domain: str = "") -> None:
    """x · gate(x), where `node` makes gate(x)."""
    product = reader(node.outputs[0])
    if x is None or product is None or product.domain != "" or product.op_type != "Mul":
        raise NoMatch("it is not read by one Mul alone")
    if other(product, node.outputs[0]) is not x:
        raise NoMatch("it is multiplied by something else than its own input")
    check_closed({node, *inside}, product)
    raise_group([node, *inside], product, op_type, [x], domain=domain)


def _silu(node: ir.Node, names: FreshNames) -> None:
    _gate(node, node.inputs[0], "Silu", domain="keraport")
    names.opset_imports.setdefault("keraport", 1)


def _mish(node: ir.Node, names: FreshNames) -> None:
    softplus = maker(node.inputs[0], "Softplus")
    if softplus is None:
        raise NoMatch("its input is no Softplus")
    _gate(node, softplus.inputs[0], "Mish", (softplus,))


def _hard_swish(node: ir.Node, names: FreshNames) -> None:
    alpha, beta = node.attributes.get_float("alpha", 0.2), node.attributes.get_float("beta", 0.5)
    single = ir.DataType.FLOAT
    if not close(alpha, 1 / 6, single) or not close(beta, 0.5, single):
        raise NoMatch(f"its alpha and beta are {alpha:g} and {beta:g}, not 1/6 and 1/2")
    _gate(node, node.inputs[0], "HardSwish")


def _hard_sigmoid(node: ir.Node, names: FreshNames) -> None:
    shifted = maker(node.inputs[0], "Add")
    found = with_constant(shifted) if shifted is not None else None
    bounds = [number(value) for value in node.inputs[1:3]]
    if shifted is None or found is None or found[1] != 3 or bounds != [0, 6]:
        raise NoMatch("it is not x + 3 between 0 and 6")
    x = found[0]
    grown = grow(node.outputs[0], x, [("HardSwish", X_SIXTH), ("HardSigmoid", SIXTH)], x.dtype)
    if grown is None:
        raise NoMatch("what follows is neither a sixth of it nor of x times it")
    name, last, nodes = grown
    check_closed(nodes | {node, shifted}, last)
    check_rank(x, last)
    attributes = {"alpha": 1 / 6, "beta": 0.5} if name == "HardSigmoid" else None
    raise_group(nodes | {node, shifted}, last, name, [x], attributes)


def _softplus(node: ir.Node, names: FreshNames) -> None:
    greater, softplus = maker(node.inputs[0], "Greater"), maker(node.inputs[2], "Softplus")
    x = node.inputs[1]
    if greater is None or softplus is None or x is None or x.dtype == ir.DataType.DOUBLE:
        raise NoMatch("it does not choose between x and Softplus(x)")
    limit = number(greater.inputs[1])
    if softplus.inputs[0] is not x or greater.inputs[0] is not x or limit is None or limit < 20:
        raise NoMatch("it does not choose x where x > 20")
    check_closed({greater, softplus}, node)
    check_rank(x, node)
    raise_group([greater, softplus], node, "Softplus", [x])


_FUSIONS: dict[str, Callable[[ir.Node, FreshNames], None]] = {
    "Sigmoid": _silu,
    "Tanh": _mish,
    "HardSigmoid": _hard_swish,
    "Clip": _hard_sigmoid,
    "Where": _softplus,
}
