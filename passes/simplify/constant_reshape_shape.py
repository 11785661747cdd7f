"""Reshapes whose target is computed at run time get a constant one where that says the same.

Given    s = Concat(Gather(Shape(x), 0), [8], [7]);  y = Reshape(x, s)        y: [batch, 8, 7]
Result   y = Reshape(x, [-1, 8, 7])

One size may follow from the others (-1), and a size that is that of the input's axis at the same place may be kept (0).
The shape arithmetic is then read by nobody. Not when two or more sizes are neither: those stay computed.
"""

from __future__ import annotations

import onnx_ir as ir

from passes.dims.polynomial import Dim, product
from passes.graph.builder import Builder, FreshNames, sizes_of


class ConstantReshapeShapes(ir.passes.InPlacePass):
    """Give Reshape a constant target wherever the inferred shapes allow it."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names: FreshNames | None = None
        modified = False
        for graph in model.graphs():
            for node in graph:
                if node.op_type != "Reshape" or node.domain != "":
                    continue
                x, shape = node.inputs[0], node.inputs[1]
                if x is None or shape is None or shape.const_value is not None or x.const_value is not None:
                    continue
                target = constant_target(sizes_of(x), sizes_of(node.outputs[0]))
                if target is None:
                    continue
                names = names or FreshNames(model)
                node.replace_input_with(1, Builder(node, names).constant(target, "shape"))
                node.attributes.add(ir.AttrInt64("allowzero", 0))
                modified = True
        return ir.passes.PassResult(model, modified)


def constant_target(source: list[Dim | None], target: list[Dim | None]) -> list[int] | None:
    """The numbers that Reshape takes from one shape to the other; None where constants cannot say it."""
    if 0 in target or not _same_count(source, target):
        return None  # 0 would mean "as in the input"; -1 would take any size where the source asks for one
    unknown = [place for place, size in enumerate(target) if not isinstance(size, int)]
    follows = [
        place for place in unknown if place >= len(source) or target[place] is None or target[place] != source[place]
    ]
    if len(follows) > 1:
        return None
    if not follows and unknown:
        follows = unknown[:1]  # -1 reads better than 0, and Keras says it so
    return [size if isinstance(size, int) else -1 if place in follows else 0 for place, size in enumerate(target)]


def _same_count(source: list[Dim | None], target: list[Dim | None]) -> bool:
    known = [[size for size in sizes if size is not None] for sizes in (source, target)]
    return len(known[0]) == len(source) and len(known[1]) == len(target) and product(known[0]) == product(known[1])
