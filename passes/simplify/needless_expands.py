"""An Expand before an operator that broadcasts says nothing that the other operand does not.

    Given    e = Expand(n, [b, t, 32]);  y = Div(x, e)      n: [b, t, 1], x: [b, t, 32]
    Result   y = Div(x, n)

torch's `normalize` writes it, with every cosine attention and normalised embedding.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from passes.graph.builder import Sizes, sizes_of
from passes.graph.match import maker
from passes.shapes.rules.elementwise import BROADCASTING


class RemoveNeedlessExpands(ir.passes.InPlacePass):
    """Hand what is expanded to the operator itself, where another operand is as large as the result.

    Not where the operator has the one operand alone, or where two operands would rely on each other.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for graph in model.graphs():
            for node in graph:
                if node.domain == "" and node.op_type in BROADCASTING:
                    modified |= _hand_on(node)
        return ir.passes.PassResult(model, modified)


def _hand_on(node: ir.Node) -> bool:
    modified = False
    for place, value in enumerate(node.inputs):
        expand = maker(value, "Expand") if value is not None else None
        source = expand.inputs[0] if expand is not None else None
        others = [_sizes(other) for i, other in enumerate(node.inputs) if i != place]
        if source is not None and _makes_the_same(_sizes(source), others, _sizes(node.outputs[0])):
            node.replace_input_with(place, source)
            modified = True
    return modified


def _makes_the_same(own: Sizes | None, others: Sequence[Sizes | None], result: Sizes | None) -> bool:
    """Whether the operands give each size of the result without what an Expand would add."""
    known = [sizes for sizes in (own, *others) if sizes is not None]
    if result is None or len(known) <= len(others):
        return False
    return all(
        size == 1 or any(len(sizes) >= place and sizes[-place] == size for sizes in known)
        for place, size in enumerate(reversed(result), 1)
    )


def _sizes(value: ir.Value | None) -> Sizes | None:
    """The shape; None where a size is not known, not even by a name."""
    if value is None or value.shape is None:
        return None
    sizes = sizes_of(value)
    return None if None in sizes else sizes
