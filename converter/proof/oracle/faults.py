"""Operators that onnxruntime accepts and computes wrongly: there the normalised graph answers instead.

What onnxruntime refuses needs no entry, since a refusal shows by itself. Seen with onnxruntime 1.31.1.
"""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from passes.errors import describe


def _is_same(node: ir.Node, *op_types: str) -> bool:
    return (
        node.op_type in op_types
        and node.domain == ""
        and node.attributes.get_string("auto_pad", "NOTSET") in ("SAME_UPPER", "SAME_LOWER")
    )


def _dilated_same(node: ir.Node) -> bool:
    """Pools come out smaller than ceil(n / stride): the pads are taken from the kernel without its dilation.

    Conv is refused at run time, but the `Oracle` of a normalised graph writes the pads out: it must not count as asked.
    """
    same = _is_same(node, "AveragePool", "Conv", "LpPool", "MaxPool")
    return same and max(node.attributes.get_ints("dilations", ()), default=1) > 1


def _sparse_same_pool(node: ir.Node) -> bool:
    """A kernel smaller than the stride has negative pads: MaxPool stops, AveragePool computes on."""
    kernel, strides = node.attributes.get_ints("kernel_shape", ()), node.attributes.get_ints("strides", ())
    return _is_same(node, "AveragePool", "LpPool", "MaxPool") and any(
        k < s for k, s in zip(kernel, strides, strict=False)
    )


FAULTS: tuple[tuple[Callable[[ir.Node], bool], str], ...] = (
    (_dilated_same, "onnxruntime pads a dilated operator with auto_pad SAME by too little, or refuses it"),
    (
        _sparse_same_pool,
        "onnxruntime pads by a negative number where a pool with auto_pad SAME has a kernel below its stride",
    ),
)


def known_fault(model: ir.Model) -> str | None:
    """Why onnxruntime must not be asked about this graph as it is, or None."""
    for node in model.graph.all_nodes():
        for is_faulty, reason in FAULTS:
            if is_faulty(node):
                return f"{reason} ({describe(node)})"
    return None
