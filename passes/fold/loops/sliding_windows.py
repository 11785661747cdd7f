"""A Scan that only moves a window along a sequence, as audio front ends cut it into frames, needs no turns.

Given    last, frames = Scan(first, chunks) <body: (before, now) → (frame[hop:], frame = Concat(before, now))>
         first: [b, n], chunks: [b, t, hop]
Result   rows = Concat(first, padded in front to k whole chunks, chunks)       [b, k + t, hop]
         frames = Concat<axis=2>(rows[:, :-k], rows[:, 1:1-k], …, rows[:, k:])  without what was padded
         last = rows[:, -k:] as one row, without what was padded
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

Numbers = Callable[[ir.Value | None], np.ndarray | None]
Write = Callable[..., ir.Value]
END = 2**63 - 1

FOLLOWED = frozenset({"Add", "Cast", "Div", "Identity", "Mul", "Neg", "Sub"})
MOST_FOLLOWED = 16


def moved_by(body: ir.Graph, numbers: Numbers) -> int | None:
    """How far the window moves in a turn; None where the body does something else.

    Args:
        body: of a Scan with one state and one scanned input, both [b, n].
        numbers: the constant contents of a value, or None.
    """
    if len(body.inputs) != 2 or len(body.outputs) != 2 or len(body) != 2:
        return None
    after, frame = body.outputs
    joined, cut = (None if value is None else value.producer() for value in (frame, after))
    if joined is None or cut is None or joined.op_type != "Concat" or cut.op_type != "Slice":
        return None
    if list(joined.inputs) != list(body.inputs) or cut.inputs[0] is not frame:
        return None
    told = [numbers(value) for value in cut.inputs[1:]]
    if len(told) < 3 or any(array is None or array.size != 1 for array in told):
        return None
    start, end, along, *step = (int(array.item()) for array in told if array is not None)
    is_along = along % 2 == joined.attributes["axis"].as_int() % 2 == 1
    return start if start > 0 and end >= 2**31 - 1 and step in ([], [1]) and is_along else None


def asked_length(frames: ir.Value, numbers: Numbers) -> int | None:
    """How long a frame has to be for what is done with it: as long as the window that it is multiplied by."""
    waiting = [frames]
    for _ in range(MOST_FOLLOWED):
        if not waiting:
            return None
        value = waiting.pop(0)
        for node, place in value.uses():
            if node.op_type not in FOLLOWED:
                continue
            other = numbers(node.inputs[1 - place]) if len(node.inputs) == 2 else None
            if other is not None and other.ndim and other.shape[-1] > 1:
                return int(other.shape[-1])
            waiting.append(node.outputs[0])
    return None


def as_slices(
    first: ir.Value, chunks: ir.Value, length: int, hop: int, write: Write, constant: Callable[..., ir.Value]
) -> list[ir.Value]:
    """The state after the last turn [b, n], and the frames [b, t, n + hop].

    Args:
        first: [b, n], of which n is `length`.
        chunks: [b, t, hop].
        write: makes one node: operator, inputs, attributes.
        constant: makes a constant of an array and a label.
    """

    def ints(*values: int) -> ir.Value:
        return constant(np.array(values, np.int64), "windows")

    def cut(x: ir.Value, start: int, end: int, axis: int) -> ir.Value:
        return write("Slice", [x, ints(start), ints(end), ints(axis)])

    before = -(-length // hop)
    missing = before * hop - length
    padded = write("Pad", [first, ints(0, missing, 0, 0)]) if missing else first
    rows = write("Concat", [write("Reshape", [padded, ints(0, before, hop)]), chunks], {"axis": 1})
    shifted = [cut(rows, place, place - before or END, 1) for place in range(before + 1)]
    frames = write("Concat", shifted, {"axis": 2})
    last = write("Reshape", [cut(rows, -before, END, 1), ints(0, before * hop)])
    return [cut(last, missing, END, 1), cut(frames, missing, END, 2)] if missing else [last, frames]
