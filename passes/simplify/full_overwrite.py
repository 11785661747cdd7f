"""Recognise a write over everything: what was there before no longer matters."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir


def written_over(node: ir.Node) -> ir.Value | None:
    """What a ScatterND leaves, if its updates cover its whole first input.

    Given    r = Unsqueeze(Range(0, n, 1), [-1]);  y = ScatterND(x, r, updates)        x, updates: [n, 8, 7], r: [n, 1]
    Result   updates

    torch's exporter writes `x[:, :8] = updates` so, after it has made the assignment a function; n may be a symbol.
    """
    if node.op_type != "ScatterND" or node.attributes.get_string("reduction", "none") != "none":
        return None
    x, indices, updates = node.inputs
    if x is None or indices is None or updates is None or not x.shape or x.shape != updates.shape:
        return None
    if indices.shape != ir.Shape([x.shape[0], 1]) or not _counts_up(indices):
        return None
    return updates


def _counts_up(indices: ir.Value) -> bool:
    """Whether a column is 0, 1, 2, ..."""
    if indices.const_value is not None:
        numbers = indices.const_value.numpy()[:, 0]
        return bool((numbers == np.arange(len(numbers))).all())
    column = indices.producer()
    if column is None or column.op_type not in ("Unsqueeze", "Reshape") or column.inputs[0] is None:
        return False
    count = column.inputs[0].producer()
    if count is None or count.op_type != "Range":
        return False
    start, step = (value.const_value if value is not None else None for value in (count.inputs[0], count.inputs[2]))
    return start is not None and step is not None and start.numpy().item() == 0 and step.numpy().item() == 1
