"""Places in a row of axes that were one: by these a Gather takes an axis apart whose parts are all open.

    [b, h·w, c] → [b, h, w, c]     Gather along the second axis, at w · [[0], [1], …] + [0, 1, …]

The sizes are told by tensors that have them, so that no size needs a name.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from passes.dims.product import ONE, Product
from passes.layout.walk.made_sizes import plain_anchor_for
from passes.layout.walk.writer import Writer


def places(writer: Writer, sizes: Sequence[Product]) -> ir.Value | None:
    """[sizes] int64: 0, 1, 2, … in their order; None where no tensor tells one of them."""
    found = [_positions(writer, size) for size in sizes]
    result: ir.Value | None = None
    for count, position in enumerate(found, start=1):
        if position is None:
            return None
        if result is None:
            result = position
            continue
        known = sizes[:count]
        length = _length(writer, position, sizes[count - 1])
        column = writer.emit("Unsqueeze", [result, writer.constant([-1])], [*known[:-1], ONE], like=position)
        rows = writer.emit("Mul", [column, length], [*known[:-1], ONE], like=position)
        result = writer.emit("Add", [rows, position], known, like=position)
    return result


def _positions(writer: Writer, size: Product) -> ir.Value | None:
    """[size]: 0, 1, 2, …"""
    if size.is_static:
        return writer.constant(np.arange(size.coefficient))
    anchor = plain_anchor_for(writer, size)
    if anchor is None:
        return None
    like, axis = anchor
    attributes = {"axis": axis, "to": ir.DataType.INT64.value}
    named = ir.Value(name=f"{writer.node.outputs[0].name}_places", type=ir.TensorType(ir.DataType.INT64))
    return writer.emit("Positions", [like], [size], attributes, domain="keraport", like=named)


def _length(writer: Writer, positions: ir.Value, size: Product) -> ir.Value:
    """[1]: how many there are."""
    if size.is_static:
        return writer.constant([size.coefficient])
    last = writer.emit("ReduceMax", [positions, writer.constant([0])], [ONE], {"keepdims": 1}, like=positions)
    return writer.emit("Add", [last, writer.constant([1])], [ONE], like=positions)
