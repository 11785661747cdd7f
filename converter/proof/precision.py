"""The lowest precision on the way to an output: what it may differ by goes by that, not by its own dtype."""

from __future__ import annotations

import onnx_ir as ir

from converter.proof.compare import Tolerance, tolerance_for

QUANTISED = Tolerance(2 / 255, 1e-5)
"""Two steps of eight bits over the range: where a number lies between two steps, rounding decides."""

LOW = {ir.DataType.BFLOAT16, ir.DataType.FLOAT16}


def tolerances_of(graph: ir.Graph) -> dict[str, Tolerance]:
    """The tolerance of every floating-point output that is wider than something it is computed from.

    Args:
        graph: with dtypes that are known.
    """
    lowest: dict[ir.Value, Tolerance] = {}

    def of(value: ir.Value) -> Tolerance | None:
        own = tolerance_for(value.dtype.numpy()) if value.dtype is not None and value.dtype in LOW else None
        return _wider(own, lowest.get(value))

    for node in graph:
        found = QUANTISED if node.op_type == "QuantizeLinear" and node.domain == "" else None
        for value in node.inputs:
            if value is not None:
                found = _wider(found, of(value))
        if found is not None:
            lowest.update(dict.fromkeys(node.outputs, found))
    floats = (ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16)
    return {
        value.name or "": tolerance
        for value in graph.outputs
        if value.dtype in floats and (tolerance := of(value)) is not None
    }


def _wider(a: Tolerance | None, b: Tolerance | None) -> Tolerance | None:
    return a if b is None or (a is not None and a.rtol >= b.rtol) else b
