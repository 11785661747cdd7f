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
