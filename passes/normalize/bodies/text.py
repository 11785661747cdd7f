"""What bodies are written with: text, in which inputs are i0, i1, …, outputs o0, o1, … and @ an attribute begins."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

Body = Callable[[ir.Node], str | None]
"""None where the node is no composition: it has a form of its own."""

WINDOW = ", ".join(
    [*(f"{name}: ints = @{name}" for name in ("kernel_shape", "strides", "pads")), "auto_pad: string = @auto_pad"]
)
CONV = f"group: int = @group, dilations: ints = @dilations, {WINDOW}"


def has(node: ir.Node, place: int) -> bool:
    return place < len(node.inputs) and node.inputs[place] is not None


KEEP_RANK = frozenset({"Cast", "Identity", "Add", "Sub", "Mul"})
"""Operators whose output has the axes of their first input, as those that make masks have."""


def rank_of(value: ir.Value | None) -> int | None:
    """How many axes a value has, where its shape or what it is made of says so: functions come before all shapes."""
    while value is not None and value.shape is None and value.const_value is None:
        node = value.producer()
        if node is None:
            return None
        if node.op_type == "ReduceSum" and not node.attributes.get_int("keepdims", 1) and node.inputs[0] is not None:
            rank = rank_of(node.inputs[0])
            return None if rank is None else rank - 1
        value = node.inputs[0] if node.op_type in KEEP_RANK else None
    shape = None if value is None else value.shape if value.shape is not None else value.const_value.shape  # type: ignore[union-attr]
    return None if shape is None else len(shape)
