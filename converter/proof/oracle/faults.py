"""Operators that onnxruntime accepts and computes wrongly: there the normalised graph answers instead.

What it refuses needs no entry, since a refusal shows by itself; but a Conv that it refuses, and that the `Oracle` of a
normalised graph writes out, must not count as asked.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort

from passes.errors import describe
from passes.facts.onnxruntime import (
    gives_its_turn,
    is_dilated_same,
    is_integer_product,
    is_rough_spectrum,
    is_sparse_same_pool,
)


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
    return is_integer_product(node) and saturates()


FAULTS: tuple[tuple[Callable[[ir.Node], bool], str], ...] = (
    (is_dilated_same, "onnxruntime pads a dilated operator with auto_pad SAME by too little, or refuses it"),
    (
        is_sparse_same_pool,
        "onnxruntime pads by a negative number where a pool with auto_pad SAME has a kernel below its stride",
    ),
    (gives_its_turn, "onnxruntime gives the last turn's number for every turn of a Loop that returns it as it is"),
    (is_rough_spectrum, "onnxruntime loses half of the digits in a DFT whose length is no power of two"),
    (_saturating_product, "onnxruntime adds products of uint8 and int8 in 16 bits on this machine, and saturates"),
)


def known_fault(model: ir.Model) -> str | None:
    """Why onnxruntime must not be asked about this graph as it is, or None."""
    for node in model.graph.all_nodes():
        for is_faulty, reason in FAULTS:
            if is_faulty(node):
                return f"{reason} ({describe(node)})"
    return None
