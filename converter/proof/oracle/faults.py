"""Operators that onnxruntime accepts and computes wrongly: there the normalised graph answers instead.

What onnxruntime refuses needs no entry, since a refusal shows by itself. Seen with onnxruntime 1.31.1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort

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


INTEGER_PRODUCTS = frozenset(
    {
        "ConvInteger", "DynamicQuantizeMatMul", "MatMulInteger", "MatMulIntegerToFloat", "QGemm", "QLinearConv",
        "QLinearMatMul",
    }
)  # fmt: skip
"""The places of their second operand, whose numbers are int8, differ; any int8 constant counts."""


@cache
def saturates() -> bool:
    """Whether this machine adds two products of uint8 and int8 in 16 bits, as x86 does without VNNI."""
    a, b = np.full((1, 64), 255, np.uint8), np.full((64, 64), 127, np.int8)
    node = onnx.helper.make_node("MatMulInteger", ["a", "b"], ["y"])
    kinds = (("a", onnx.TensorProto.UINT8, a.shape), ("b", onnx.TensorProto.INT8, b.shape))
    inputs = [onnx.helper.make_tensor_value_info(*kind) for kind in kinds]
    output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.INT32, (1, 64))
    weights = [onnx.numpy_helper.from_array(b, "b")]
    graph = onnx.helper.make_graph([node], "g", inputs[:1], [output], weights)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return bool((session.run(None, {"a": a})[0] != 64 * 255 * 127).any())


def _saturating_product(node: ir.Node) -> bool:
    if node.op_type not in INTEGER_PRODUCTS or node.domain not in ("", "com.microsoft"):
        return False
    constants = [value.const_value for value in node.inputs if value is not None and value.const_value is not None]
    return any(tensor.dtype == ir.DataType.INT8 for tensor in constants) and saturates()


FAULTS: tuple[tuple[Callable[[ir.Node], bool], str], ...] = (
    (_dilated_same, "onnxruntime pads a dilated operator with auto_pad SAME by too little, or refuses it"),
    (
        _sparse_same_pool,
        "onnxruntime pads by a negative number where a pool with auto_pad SAME has a kernel below its stride",
    ),
    (_saturating_product, "onnxruntime adds products of uint8 and int8 in 16 bits on this machine, and saturates"),
)


def known_fault(model: ir.Model) -> str | None:
    """Why onnxruntime must not be asked about this graph as it is, or None."""
    for node in model.graph.all_nodes():
        for is_faulty, reason in FAULTS:
            if is_faulty(node):
                return f"{reason} ({describe(node)})"
    return None
