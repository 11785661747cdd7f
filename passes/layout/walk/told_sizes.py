"""Sizes that no tensor has, and a number in one tells: as many positions are counted, which have it from then on."""

from __future__ import annotations

import onnx_ir as ir

from passes.dims.product import ONE, Product
from passes.layout.walk.made_sizes import anchor_for
from passes.layout.walk.walk import Walk

INT64 = ir.DataType.INT64


def tell(walk: Walk, size: Product, numbers: ir.Value, place: int) -> None:
    """Let the number at a place in a live vector be the size of something, unless a tensor has it already."""
    if not is_to_be_told(walk, size):
        return
    like = counter(walk)
    number = walk.emit("Gather", [numbers, walk.constant([place])], [ONE], {"axis": 0}, like=like)
    count(walk, size, number)


def count(walk: Walk, size: Product, number: ir.Value) -> None:
    """The same, of a vector [1]."""
    counted = walk.emit("Counted", [number], [size], domain="keraport", like=counter(walk))
    walk.anchors[size.symbols[0]] = counted, 0


def is_to_be_told(walk: Walk, size: Product) -> bool:
    """Whether it is open, a size by itself, and follows from nothing that there is."""
    return len(size.symbols) == 1 and size.coefficient == 1 and anchor_for(walk, size) is None


def counter(walk: Walk) -> ir.Value:
    """What positions are called, and their type, in a node that gives something else."""
    return ir.Value(name=f"{walk.node.outputs[0].name}_counted", type=ir.TensorType(INT64))
