"""What numbers a quantised graph wants: its first step says which ones it keeps apart, and cuts off all others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from converter.proof.inputs.index_bounds import KEEPS_VALUES, MOST_STEPS


def kept_range(value: ir.Value) -> tuple[float, float] | None:
    """The least and the greatest number that the steps behind an input keep; None where nothing quantises it as it is,
    or by scales that are computed or differ by channel."""
    found = list(_ranges(value))
    low, high = max((low for low, _ in found), default=0.0), min((high for _, high in found), default=0.0)
    return (low, high) if low < high else None


def _ranges(value: ir.Value) -> Iterator[tuple[float, float]]:
    pending, seen = [value], {value}
    while pending and len(seen) <= MOST_STEPS:
        for node, place in pending.pop().uses():
            if place == 0 and node.op_type == "QuantizeLinear":
                yield from _range(node)
            elif place == 0 and node.op_type in KEEPS_VALUES and node.domain == "":
                fresh = [output for output in node.outputs if output not in seen]
                seen.update(fresh)
                pending.extend(fresh)


def _range(node: ir.Node) -> Iterator[tuple[float, float]]:
    scale, zero = _number(node, 1), _number(node, 2)
    if scale is None or zero is None or scale.size != 1 or zero.size != 1 or zero.dtype.kind not in "iu":
        return
    steps = np.iinfo(zero.dtype)
    low, high = (float(scale.reshape(())) * (end - int(zero.reshape(()))) for end in (steps.min, steps.max))
    if np.isfinite(low) and np.isfinite(high) and low < high:
        yield low, high


def _number(node: ir.Node, place: int) -> np.ndarray | None:
    """A constant input."""
    value = node.inputs[place] if place < len(node.inputs) else None
    tensor = None if value is None else ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy()
