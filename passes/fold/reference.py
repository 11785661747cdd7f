"""Compute an operator's outputs from constants: by our own functions, else by onnx's reference implementation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import onnx.defs
import onnx.reference.ops
import onnx_ir as ir

from passes.fold.sequences import SEQUENCE_OPERATORS
from passes.fold.values import EVALUATORS, NotKnown, evaluate
from passes.opset import OPSET

_SLOW = "AveragePool Conv ConvInteger ConvTranspose DeformConv GRU LSTM LpPool MaxPool MaxUnpool QLinearConv RNN"
NOT_COMPUTED = frozenset(_SLOW.split()) | {"GlobalMaxPool"}
"""onnx's reference is slow for these, and has computed SAME padding wrongly in some versions. Its GlobalMaxPool (1.22)
takes the wrong axes of what is no image."""


MALFORMED = (AttributeError, IndexError, KeyError, ValueError, TypeError, OverflowError, ZeroDivisionError)
"""What a computation raises on a node that is not valid. The node stays, and shape inference says what is wrong."""


def compute(node: ir.Node, arrays: Sequence[np.ndarray | None]) -> list[np.ndarray] | None:
    """The outputs of a node of the standard domain, or None where they cannot be computed.

    Args:
        arrays: its inputs, None where one is absent.
    """
    if node.op_type in SEQUENCE_OPERATORS:  # their results are lists, which are no constants
        return None
    if node.op_type not in EVALUATORS:
        return _reference(node, arrays)
    try:
        return evaluate(node, arrays)
    except (NotKnown, *MALFORMED):
        return None


def _reference(node: ir.Node, arrays: Sequence[np.ndarray | None]) -> list[np.ndarray] | None:
    implementation = _implementation(node.op_type)
    if implementation is None:
        return None
    attributes = {name: _attribute(attribute) for name, attribute in node.attributes.items()}
    try:
        result = implementation.eval(*arrays, **attributes)
    except Exception:  # noqa: BLE001 - whatever the reference cannot compute stays a node, which is always right
        return None
    results = list(result) if isinstance(result, tuple | list) else [result]
    if not all(isinstance(array, np.ndarray | np.generic) for array in results):
        return None
    return [np.asarray(array) for array in results]


def _attribute(attribute: ir.Attr) -> Any:
    return ir.serde.serialize_tensor(attribute.value) if attribute.type == ir.AttributeType.TENSOR else attribute.value


@cache
def _implementation(op_type: str) -> Any:
    if op_type in NOT_COMPUTED or not onnx.defs.has(op_type, OPSET):
        return None
    try:
        return onnx.reference.ops.load_op("", op_type, OPSET)
    except (NotImplementedError, AssertionError, RuntimeError):  # one for each way that onnx lacks an operator
        return None
