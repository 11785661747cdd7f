"""Products whose result has its axes in another order."""

from __future__ import annotations

from string import ascii_lowercase

import onnx_ir as ir

from passes.graph.builder import sizes_of
from passes.graph.unmoved import is_unmoved
from passes.layout.turns.orders import TURNS, Order, Turn


@TURNS.register("MatMul")
def _matmul(node: ir.Node, order: Order) -> Turn | None:
    """An Einsum, whose letters stand in any order: […, m, k] · […, k, n] with the axes before them alike."""
    a, b = (sizes_of(value) if value is not None else [] for value in node.inputs)
    if len(a) != len(b) or len(a) < 2 or a[:-2] != b[:-2] or None in a[:-2]:
        return None
    batch = ascii_lowercase[: len(a) - 2]
    m, k, n = list(ascii_lowercase[len(batch) : len(batch) + 3])
    result = batch + m + n
    letters = "".join(result[axis] for axis in order)
    return Turn([None, None], {"equation": f"{batch}{m}{k},{batch}{k}{n}->{letters}"}, operator=("Einsum", ""))


@TURNS.register("keraport::Dense", "LayerNormalization", "RMSNormalization")
def _along_the_last(node: ir.Node, order: Order) -> Turn | None:
    """The axes in front of the last in another order."""
    last = len(order) - 1
    if order[-1] != last and node.op_type == "Dense" and is_unmoved(node):
        return _einsum_dense(node, order)
    if order[-1] != last or node.attributes.get_int("axis", -1) not in (-1, last):
        return None
    return Turn([order, *[None] * (len(node.inputs) - 1)])


def _einsum_dense(node: ir.Node, order: Order) -> Turn:
    """Of what is computed from weights alone, and has no other layout, in any order: Keras' has a batch in front.

    On inputs it stays the Dense that it is: a transpose behind that is what one would write.
    """
    is_led = order[0] != 0
    first, letters, new = "a" * is_led, ascii_lowercase[is_led:][: len(order)], ascii_lowercase[is_led + len(order)]
    result = "".join((letters[:-1] + new)[axis] for axis in order)
    bias = [order] if len(node.inputs) > 2 and node.inputs[2] is not None else []
    attributes = {"equation": f"{first}{letters},{letters[-1]}{new}->{first}{result}"}
    return Turn([None, None, *bias], attributes, operator=("EinsumDense", "keraport"), is_led=is_led)
